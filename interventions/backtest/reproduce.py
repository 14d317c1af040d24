"""Are the recorded decisions what their policy makes of their snapshots? One by one, by hash. Pure."""

from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

from interventions.backtest.points import Point
from interventions.decide import Choice, decide
from interventions.policy.document import Document

DIFFERENCES_LISTED = 10
_encode = msgspec.json.Encoder(order="sorted").encode


class Differs(msgspec.Struct, frozen=True):
    """A recorded decision that is decided otherwise today: ids and actions, nobody's data."""

    decision_id: str
    at: str
    recorded: str
    anew: str


class Reproduced(msgspec.Struct):
    """How many recorded decisions come out the same again."""

    equal: int = 0
    different: int = 0
    by_a_person: int = 0  # a coach or manager chose the route; there is nothing to reproduce
    forgotten: int = 0  # what they rested on was erased, is past its period, or cannot be read any more
    first: list[Differs] = msgspec.field(default_factory=list)
    digest: bytes = b""  # over all recorded choices that could be walked, in order

    def check(self, point: Point, policies: Mapping[int, Document]) -> None:
        """Decides this point anew under the policy it was decided by."""
        if point.by_a_person:
            self.by_a_person += 1
            return
        if point.snapshot is None:
            self.forgotten += 1
            return
        choice = decide(point.snapshot, policies[point.policy_id])
        recorded = hash_of_record(point)
        self.digest = sha256(self.digest + recorded).digest()
        if hash_of(choice) == recorded:
            self.equal += 1
            return
        self.different += 1
        if len(self.first) < DIFFERENCES_LISTED:
            self.first.append(
                Differs(
                    str(point.decision_id),
                    point.at.isoformat(),
                    _said(point.action, point.reasons),
                    _said(choice.action, choice.reasons),
                )
            )


class OneStep(msgspec.Struct):
    """At how many points another policy would choose otherwise, each taken as it was recorded."""

    points: int = 0
    differ: int = 0
    moves: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)

    def check(self, point: Point, policy: Document) -> None:
        if point.by_a_person or point.snapshot is None:
            return
        action = decide(point.snapshot, policy).action
        self.points += 1
        if action != point.action:
            self.differ += 1
            self.moves[point.action, action] += 1


def hash_of(choice: Choice) -> bytes:
    """SHA-256 over everything of a choice that a decision keeps."""
    return _hash(
        choice.action,
        list(choice.reasons),
        msgspec.to_builtins(choice.eligible),
        choice.propensity,
        choice.expected_value,
        choice.lesson,
    )


def hash_of_record(point: Point) -> bytes:
    """The same over what was kept."""
    return _hash(
        point.action,
        list(point.reasons),
        point.eligible,
        point.propensity,
        point.expected_value,
        point.lesson,
    )


def _hash(*values: Any) -> bytes:
    # Numbers are written as the shortest text that reads back as the same bits.
    return sha256(_encode(values)).digest()


def _said(action: str, reasons: tuple[str, ...]) -> str:
    return f"{action} ({', '.join(reasons)})"
