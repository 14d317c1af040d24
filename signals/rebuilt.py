"""What a rebuild found: how many rows were not as they should be, and what became of them."""

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from signals.models import Verb
from signals.table_hashes import NOTHING, TABLES, TableHash

LINES = 20
NO_EVENT = "no event"


@dataclass(slots=True)
class Rebuilt:
    """How many rows were looked at, how many differ, and what moved. Of bounded size, whatever the history."""

    statements: int = 0
    enrolments: int = 0
    waiting: int = 0  # enrolments that a refresh has still to take up: there is nothing to compare yet
    events: int = 0
    orphans: int = 0  # events and certificates without a statement
    rollups: int = 0
    features: int = 0
    risks: int = 0
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)  # (before, after) → events
    moved: Counter[str] = field(default_factory=Counter)  # feature → enrolments
    shifts: list[tuple[float, int, float | None, float | None]] = field(default_factory=list)
    before: dict[str, TableHash] = field(default_factory=dict)
    after: dict[str, TableHash] = field(default_factory=dict)
    # What hashes of parts of tables say has been added; for a run that leaves everything as it was.
    added: dict[str, TableHash] = field(default_factory=lambda: dict.fromkeys(TABLES, NOTHING))

    @property
    def changed(self) -> int:
        return self.events + self.orphans + self.rollups + self.features + self.risks

    def note_kind(self, before: int | None, after: int | None) -> None:
        """An event became one of another kind (None: there was or is none)."""
        if before != after:
            self.kinds[_kind(before), _kind(after)] += 1

    def note_features(self, before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> None:
        """An enrolment's features came out differently."""
        old = before or {}
        self.moved.update(key for key in after if old.get(key) != after[key])

    def note_risk(self, enrolment_id: int, before: float | None, after: float | None) -> None:
        """An enrolment's risk came out differently. Only those that moved most are kept."""
        if before == after:
            return
        # Into and out of "not sure" is the greatest move there is.
        size = 1.0 if before is None or after is None else abs(after - before)
        heapq.heappush(self.shifts, (size, enrolment_id, before, after))
        if len(self.shifts) > LINES:
            heapq.heappop(self.shifts)

    def add_hashes(self, before: Mapping[str, TableHash], after: Mapping[str, TableHash]) -> None:
        """A part of the tables had this hash and now has that one."""
        for name in before:
            self.added[name] = self.added[name].plus(after[name]).minus(before[name])

    def lines(self) -> list[str]:
        """What changed, for people: kinds of events, features, and the risks that moved most."""
        said = [
            f"{count:>8} events: {old} → {new}"
            for (old, new), count in sorted(self.kinds.items(), key=lambda item: (-item[1], item[0]))[:LINES]
        ]
        said += [
            f"{count:>8} enrolments: {key} moved"
            for key, count in sorted(self.moved.items(), key=lambda item: (-item[1], item[0]))[:LINES]
        ]
        said += [
            f"enrolment {enrolment}: risk {_share(old)} → {_share(new)}"
            for _, enrolment, old, new in sorted(self.shifts, key=lambda shift: (-shift[0], shift[1]))
        ]
        return said


def _kind(verb: int | None) -> str:
    return NO_EVENT if verb is None else str(Verb(verb).label)


def _share(value: float | None) -> str:
    return "not sure" if value is None else f"{value:.2f}"
