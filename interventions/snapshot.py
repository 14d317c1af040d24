"""Everything a decision may look at, frozen at the moment of evaluation.

A stored snapshot is enough to decide again: ``decide(restore(stored), policy)`` gives the same choice bit for bit.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

HELP = "help"
CONTEST = "contest"


class Seen(msgspec.Struct, frozen=True):
    """The features that triggers look at; None where unknown."""

    started_at: datetime | None = None
    last_active_at: datetime | None = None
    usual_gap_days: float | None = None
    mastery: float | None = None
    fail_rate: float | None = None
    failures_in_a_row: int = 0
    # What mastery rests on: "answers" to items of competencies (the weakest one's), or the last five "scores".
    # Decisions from before this was kept looked at scores.
    mastery_from: str = "scores"


class EpisodeView(msgspec.Struct, frozen=True):
    id: UUID
    ladder: str
    opened_at: datetime
    triggers: tuple[str, ...]
    failed_attempts: int
    step: int
    under_way: bool = False  # an acting decision of this step stands
    window_ends_at: datetime | None = None
    with_person: bool = False  # a coach or manager has it
    manager_asked: bool = False
    improved_at: datetime | None = None  # the last attempt whose window closed with an improvement
    lapsed_reason: str | None = None  # why the last acting decision of this step reached nobody
    lapsed_at: datetime | None = None
    capped_in_a_row: int = 0


class HoldView(msgspec.Struct, frozen=True):
    """Why nothing is to be begun now: leave, a busy week or a holiday, and when that is over."""

    reason: str
    name: str
    until: datetime


class Compared(msgspec.Struct, frozen=True):
    """What comparisons with people held out say of an action: the gain in recovery as a share, and its error."""

    gain: float
    error: float  # standard error
    treated: int
    held_out: int


class Snapshot(msgspec.Struct, frozen=True):
    now: datetime
    policy_version: int
    enrolment_id: int
    learner_id: UUID
    known_seq: int
    active: bool
    in_pilot: bool
    impact: str
    scopes: tuple[str, ...]  # consent scopes that are allowed
    reachable: bool  # some channel exists
    seen: Seen
    risk: float | None
    coverage: float
    known_signals: int
    model: str | None
    risk_as_of: datetime | None
    episode: EpisodeView | None = None
    recovered_at: datetime | None = None  # the end of the last episode that ended in recovery
    settled_at: datetime | None = None  # the end of the last episode that a person ended
    request: str | None = None  # an open wish of the learner: "help" or "contest"
    # What the model that scored gave as its reasons, kept for explaining; deciding does not look at them. None:
    # decided before reasons were kept.
    reasons: tuple[dict[str, Any], ...] | None = None
    hold: HoldView | None = None
    compared: dict[str, Compared] = {}  # action → what comparisons say of it; empty while there are none
    lessons: tuple[str, ...] = ()  # eligible lesson keys, not yet taken, in the order they are offered

    @property
    def days_inactive(self) -> float | None:
        """Days since the last activity, or since the start for somebody who never came; None before the start."""
        since = self.seen.last_active_at or self.seen.started_at
        if since is None:
            return None
        return max((self.now - since).total_seconds() / 86_400, 0.0)


def store(snapshot: Snapshot) -> dict[str, Any]:
    """The snapshot as JSON-ready values."""
    built: dict[str, Any] = msgspec.to_builtins(snapshot)
    return built


def restore(stored: dict[str, Any]) -> Snapshot:
    """The snapshot a decision kept."""
    return msgspec.convert(stored, Snapshot)
