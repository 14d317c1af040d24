"""Everything a decision may look at, frozen at the moment of evaluation.

A stored snapshot is enough to decide again: ``decide(restore(stored), policy)`` gives the same choice bit for bit.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

HELP = "help"
CONTEST = "contest"
MANAGER = "manager"  # the manager asks somebody to look


class Certified(msgspec.Struct, frozen=True):
    """A certificate of which nothing newer has been earned. Its last moment has the offset of the learner's zone."""

    ends_at: datetime
    earned_at: datetime
    known_at: datetime


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
    competency: str | None = None  # the key of the weakest one, where answers say which
    # The plan as of now, not as of when features were computed: steps fall due by time alone.
    steps: int | None = None
    steps_done: int | None = None
    steps_due: int | None = None
    next_step_due_at: datetime | None = None
    last_step_done_at: datetime | None = None
    due_at: datetime | None = None  # the last moment of the day on which the course is due
    # Competencies or activities failed more than once and not passed since; the most failures on one of any.
    open_concepts: int | None = None
    repeated_failures: int | None = None
    last_result_at: datetime | None = None
    # Bit n is set where the learner was active n UTC days ago: their rhythm, as one whole number of 63 bits.
    active_days: int | None = None
    # The video left unfinished last, here or outside of courses, within 30 days: the share seen, and when.
    video_share: float | None = None
    video_at: datetime | None = None
    joined_at: datetime | None = None  # the start of the day on which they began to work here
    role_since: datetime | None = None  # the start of the day on which they changed into the role they have
    # Certificates that end, or have ended within a year, and count in this course; the next to end first.
    certificates: tuple[Certified, ...] = ()


class Did(msgspec.Struct, frozen=True):
    """Something a rule in force asks about (an activity's IRI) that the learner completed lately, in any course."""

    what: str
    at: datetime


class PastEpisode(msgspec.Struct, frozen=True):
    """How the last episode that a trigger opened has ended. ``eased``: the lowest risk since then, where it moved."""

    trigger: str
    closed_at: datetime
    end: str
    eased: float | None = None


class RuleHit(msgspec.Struct, frozen=True):
    """A rule in force whose condition held: which version, and what it chooses."""

    key: str
    version: int
    action: str
    lesson: str = ""  # the lesson it names; "" for whichever of those that fit, or for none
    opens: bool = False  # acts where no trigger holds, in an episode of its own
    message: str = ""
    since: datetime | None = None


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
    rule: str = ""  # the key of the rule that opened it, for an episode that no trigger opened
    waited_since: datetime | None = (
        None  # a manager has it, and has not been heard of since; null where a coach has
    )


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
    request: str | None = None  # an open wish of the learner: "help", "contest" or "manager"
    # What the model that scored gave as its reasons, kept for explaining; deciding does not look at them. None:
    # decided before reasons were kept.
    reasons: tuple[dict[str, Any], ...] | None = None
    hold: HoldView | None = None
    automatic: tuple[str, ...] = ()  # routes for this role's impact that had earned going out by themselves
    compared: dict[str, Compared] = {}  # action → what comparisons say of it; empty while there are none
    lessons: tuple[str, ...] = ()  # eligible lesson keys, not yet taken, in the order they are offered

    course: str = ""  # its IRI
    past: tuple[PastEpisode, ...] = ()
    lessons_fit: bool = False  # they teach the weakest competency, or what the role asks for
    did: tuple[Did, ...] = ()
    rules: tuple[RuleHit, ...] = ()  # that apply now, in the order in which they are asked
    rules_review_at: datetime | None = None  # when time alone could next make a rule apply

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
