"""The HR roster: who works here, where, as what, and for whom (docs/roster.md)."""

from learners.roster.comparing import Difference
from learners.roster.importing import import_people
from learners.roster.reading import Fault, RosterFaults

__all__ = ["Difference", "Fault", "RosterFaults", "import_people"]
