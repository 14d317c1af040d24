"""What can be wrong with a statement, said so that its sender can mend it."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

# Enough to mend a generator by; a batch that is wrong throughout would otherwise answer with megabytes.
MOST_FAULTS = 200


class Fault(msgspec.Struct, frozen=True):
    """One thing wrong: in which statement of the batch, where in it, what, and what to do about it."""

    index: int
    path: str
    fault: str
    mend: str
    kind: str = "value"  # malformed, missing, unknown, type, value, timestamp or conflict


class StatementFaults(Exception):
    """The batch holds at least one statement that the standard forbids; nothing was stored."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = list(faults)


class StatementConflict(Exception):
    """A statement of this id, saying something else, is already stored; nothing was stored."""

    def __init__(self, ids: Sequence[UUID]) -> None:
        super().__init__(f"{len(ids)} conflicts")
        self.ids = list(ids)


class Faults:
    """Collects what is wrong with one statement."""

    __slots__ = ("found", "index")

    def __init__(self, index: int) -> None:
        self.index = index
        self.found: list[Fault] = []

    def add(self, path: str, fault: str, mend: str, kind: str = "value") -> None:
        if len(self.found) < MOST_FAULTS:
            self.found.append(Fault(self.index, path, fault, mend, kind))

    def missing(self, path: str, name: str, mend: str) -> None:
        self.add(f"{path}.{name}", f"{name} is missing", mend, "missing")

    def wrong_type(self, path: str, value: object, wanted: str) -> None:
        if value is None:
            self.add(
                path, "is null", "Leave the property out; null is allowed only inside extensions.", "type"
            )
        else:
            self.add(path, f"is {_kind_of(value)}", f"Send {wanted}.", "type")

    def unknown(self, path: str, names: set[str], allowed: frozenset[str]) -> None:
        for name in sorted(names):
            self.add(
                f"{path}.{name[:80]}",
                "the standard knows no such property here",
                f"Remove it, or put it into extensions. Allowed are: {', '.join(sorted(allowed))}.",
                "unknown",
            )


def _kind_of(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, str):
        return "text"
    return "a number"
