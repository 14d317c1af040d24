"""What became of each statement of a batch, for sources that ask for it."""

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import msgspec

from signals.reading import Reading
from signals.xapi.faults import Fault


class Outcome(StrEnum):
    STORED = "stored"
    PRESENT = "present"  # was stored already, saying the same
    CONFLICT = "conflict"  # its id is another statement's; kept in quarantine
    QUARANTINED = "quarantined"
    REFUSED = "refused"  # kept nowhere


class Result(NamedTuple):
    """What became of the statement at this place of the batch, and what is wrong with it."""

    place: int
    id: UUID | None  # None where not even the id could be read
    outcome: Outcome
    faults: Sequence[Fault] = ()


class Held(NamedTuple):
    """A statement, or only its meaning, that is held back."""

    raw: bytes
    statement_id: UUID | None
    faults: list[Fault]

    @property
    def place(self) -> int:
        """Its place in the batch."""
        return self.faults[0].index


def results_of(
    items: Sequence[bytes],
    readings: Sequence[Reading],
    *,
    new: Collection[UUID],
    held: Sequence[Held],
    turned_away: Sequence[Held],
) -> list[Result]:
    """A result for each of these items."""
    found: dict[int, Result] = {}
    for reading in readings:
        outcome = Outcome.STORED if reading.id in new else Outcome.PRESENT
        found[reading.index] = Result(reading.index, reading.id, outcome)
    for item in held:
        outcome = Outcome.CONFLICT if item.faults[0].kind == "conflict" else Outcome.QUARANTINED
        found[item.place] = Result(item.place, item.statement_id, outcome, item.faults)
    for item in turned_away:
        found[item.place] = Result(item.place, item.statement_id, Outcome.REFUSED, item.faults)
    return [
        # What is neither says the same as an earlier statement of the batch.
        found.get(index) or Result(index, id_in(raw), Outcome.PRESENT)
        for index, raw in enumerate(items)
    ]


def id_in(raw: bytes) -> UUID | None:
    """The id of a statement that may otherwise be wrong, where it can be made out."""
    try:
        return UUID(msgspec.json.decode(raw)["id"])
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ):  # whatever was sent: it has none
        return None
