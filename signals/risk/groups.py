"""Which signal a feature belongs to. Several features speak of one thing: a reason is about the thing."""

import re
from enum import StrEnum
from functools import lru_cache


class Signal(StrEnum):
    """One thing that can be seen about an enrolment."""

    ACTIVITY = "activity"
    RESULTS = "results"
    PLAN = "plan"
    MATERIALS = "materials"
    HABITS = "habits"
    SKILLS = "skills"
    # What is so whatever somebody does: role, tenure, earlier courses, how far the course has come. Never told, and
    # no signal to be counted: being new in a role is not something that was seen.
    BACKGROUND = "background"


NAMES = {
    Signal.ACTIVITY: "Activity",
    Signal.RESULTS: "Results",
    Signal.PLAN: "Plan and due dates",
    Signal.MATERIALS: "Materials",
    Signal.HABITS: "Learning habits",
    Signal.SKILLS: "Skills and ratings",
    Signal.BACKGROUND: "The role and the calendar",
}
_KINDS = "content|assessment|discussion|file|page|media|meeting|other"
# The whole key of a feature, its place among others left out. What fits nowhere is background, and so never told.
_FITS: tuple[tuple[Signal, re.Pattern[str]], ...] = tuple(
    (signal, re.compile(pattern))
    for signal, pattern in (
        (
            Signal.MATERIALS,
            rf"(amount|share|kind)_({_KINDS})(_\d+)?|(new_)?materials(_\d+)?|reopened_share|days_per_material"
            r"|watched(_share)?(_\d+)?",
        ),
        (
            Signal.HABITS,
            r"share_(night|morning|afternoon|evening)|.*_concentration|weekend_share|hasty_share(_\d+)?",
        ),
        (
            Signal.ACTIVITY,
            r"last_active_at|days_inactive|days_since_first|longest_gap_days|recent_.*|activities_per_day|busiest_day"
            r"|gap_against_usual|usual_gap_days|active_day_share|.*active_days.*"
            r"|(amount|events|sessions|dwell)(_\d+|_before_7|_before_start|_trend|_per_active_day)?",
        ),
        (
            Signal.PLAN,
            r"late|missing|days_late_max|steps|weight_due|pace|progress|steps_due|due_in_\d+"
            r"|weight_(done|missing)|days_early|days_since_done|days_to_next_due|next_due_at|next_step_due_at|last_done_at",
        ),
        (
            Signal.RESULTS,
            r"mastery|fail_rate|failures_in_a_row|results(_\d+|_before_start)?|last_result_at"
            r"|days_since_result|repeated_failures|open_concepts|difficulty_met(_\d+)?|answers(_\d+)?|score_.*|weighted_score|points_share|banked.*",
        ),
        (Signal.SKILLS, r"skill_gap.*|rating_.*|mastery_(weakest|mean|known)"),
    )
)
PLACE = "_pct"  # a feature's place among those of the same course and start


def fact_of(key: str) -> str:
    """The plain feature below a place among others; any other feature itself."""
    return key.removesuffix(PLACE)


@lru_cache(maxsize=1024)
def signal_of(key: str) -> Signal:
    """The signal that a feature speaks of."""
    fact = fact_of(key)
    return next((signal for signal, pattern in _FITS if pattern.fullmatch(fact)), Signal.BACKGROUND)


def may_be_named(key: str) -> bool:
    """Whether people may be told of this feature at all."""
    return signal_of(key) is not Signal.BACKGROUND
