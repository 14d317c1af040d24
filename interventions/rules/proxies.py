"""What in a rule goes with a protected attribute: by a list with reasons, and as measured where people declared it."""

from collections.abc import Mapping

from interventions.rules.condition import FACTS, When
from signals.training.association import Association, associations

# From here on the groups are treated so differently that the review board looks first (Cramér's V: 0 none, 1 wholly).
TOO_STRONG = 0.3


def listed(when: When) -> list[str]:
    """The reasons why facts of this condition count as close to a protected attribute."""
    asked = dict.fromkeys(clause.fact for clause in when.clauses)
    return [f"{FACTS[key].name}: {FACTS[key].proxy}" for key in asked if FACTS[key].proxy]


def measured(applied: Mapping[int, bool]) -> list[Association]:
    """How strongly it went with each declared attribute whether the rule applied to an enrolment."""
    return associations(applied)


def too_strong(found: list[Association]) -> list[str]:
    """Those that need the review board, in sentences."""
    return [
        f"{one.name}: whom it applies to goes with it (strength {one.strength:.2f} of 1, {one.people} people)."
        for one in found
        if one.strength >= TOO_STRONG
    ]
