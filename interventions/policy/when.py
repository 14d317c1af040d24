"""When to act, as a part of the policy document: timing strategies, and how soon a first action is due."""

from typing import Literal

import msgspec

Strategy = Literal["immediate", "within_24h", "next_working_morning", "before_deadline", "best_hour"]
Override = Literal["", "immediate", "within_24h", "next_working_morning", "before_deadline", "best_hour"]

KINDS = ("course", "programme", "certification")  # learners.models.Course.Kind


class Timings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Strategies of single actions (empty: the policy's ``timing``), and what the strategies go by."""

    nudge: Override = ""
    lesson: Override = ""
    lesson_nudge: Override = ""
    deadline_first_days: float = 5  # days before the course is due: the earlier of two moments
    deadline_last_days: float = 1  # the later one
    deadline_wait_days: float = 7  # nobody waits longer than this for either
    habit_weeks: float = 8  # how far back the learner's own hours are looked at
    habit_least_days: int = 5  # active on fewer days than this, nobody has a best hour


class FirstAction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hours from the signal to the first action, by role impact and kind of course; 0: as ``first_action_hours``."""

    standard: float = 0
    elevated: float = 0
    critical: float = 0
    course: float = 0
    programme: float = 0
    certification: float = 0


BOUNDS: dict[str, tuple[float, float]] = {
    "timings.deadline_first_days": (0, 90),
    "timings.deadline_last_days": (0, 90),
    "timings.deadline_wait_days": (0, 30),
    "timings.habit_weeks": (1, 52),
    "timings.habit_least_days": (1, 100),
    **{f"first_action.{name}": (0, 720) for name in FirstAction.__struct_fields__},
    "value.least_probability": (0, 0.99),
}
TIMES_OF_DAY = ("quiet_from", "quiet_to", "working_from", "working_to")


def window_hours(usual: float, windows: FirstAction, *, impact: str, kind: str) -> float:
    """Hours in which the first action is due: the tighter of the role's and the course's, else the usual ones."""
    own = [hours for hours in (getattr(windows, impact), getattr(windows, kind)) if hours]
    return float(min(own, default=usual))
