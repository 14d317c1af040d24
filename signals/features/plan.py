"""What the course asks for by when, and what of it is done."""

from typing import Any

from signals.features.activity import WHOLE
from signals.features.feature import (
    COACH,
    DAY,
    LESSON,
    MANAGER,
    NUDGE,
    Computed,
    Family,
    Sensitivity,
    Source,
    end_of,
    share,
)

_of = Family(
    source=Source.STEPS,
    owner="course design",
    sensitivity=Sensitivity.ACTIVITY,
    speaks_for=(NUDGE, MANAGER, COACH),
).feature

_of_scores = Family(
    source=Source.STEPS,
    owner="course design",
    sensitivity=Sensitivity.PERFORMANCE,
    speaks_for=(LESSON, MANAGER, COACH),
).feature


def _is_due(t: Any) -> Any:
    return t.due_at < t.as_of


FEATURES: list[Computed] = [
    _of(
        "late",
        "Steps of the plan done late",
        WHOLE,
        "count",
        lambda t: (t.done_at > t.due_at).sum(),
        is_count=True,
    ),
    _of(
        "missing",
        "Steps of the plan overdue",
        WHOLE,
        "count",
        lambda t: (t.done_at.isnull() & _is_due(t)).sum(),
        is_count=True,
    ),
    _of(
        "pace",
        "Steps done, against steps planned by now",
        WHOLE,
        "share",
        lambda t: share(t.done_at.count(), _is_due(t).sum()),
    ),
    _of(
        "next_step_due_at",
        "Next step due",
        WHOLE,
        "time",
        lambda t: t.due_at.min(where=t.done_at.isnull() & (t.due_at >= t.as_of)),
        is_time=True,
        is_model_input=False,
    ),
    _of("steps", "Steps of the plan", WHOLE, "count", lambda t: t.due_at.count(), is_count=True),
    _of(
        "steps_due",
        "Steps of the plan due by now",
        WHOLE,
        "count",
        lambda t: _is_due(t).sum(),
        is_count=True,
    ),
    _of(
        "due_in_7",
        "Steps due in the next seven days and not done",
        "next 7 days",
        "count",
        lambda t: (t.done_at.isnull() & (t.due_at >= t.as_of) & (t.due_at < t.as_of + 7 * DAY)).sum(),
        is_count=True,
    ),
    _of(
        "progress",
        "Share of the plan's steps done",
        WHOLE,
        "share",
        lambda t: share(t.done_at.count(), t.due_at.count()),
    ),
    _of(
        "weight_done",
        "Share of the plan's weight done",
        WHOLE,
        "share",
        lambda t: share(t.weight.sum(where=t.done_at.notnull()).coalesce(0.0), t.weight.sum()),
    ),
    _of(
        "weight_missing",
        "Share of the plan's weight overdue",
        WHOLE,
        "share",
        lambda t: share(t.weight.sum(where=t.done_at.isnull() & _is_due(t)).coalesce(0.0), t.weight.sum()),
    ),
    _of_scores(
        "weighted_score",
        "Mean score, by the steps' weight",
        WHOLE,
        "share",
        lambda t: share((t.weight * t.score).sum(), t.weight.sum(where=t.score.notnull())),
    ),
    _of_scores(
        "points_share",
        "Share of the points that could be had by now",
        WHOLE,
        "share",
        # What is overdue counts as nothing, which a mean of scores would pass over; what came early counts already.
        lambda t: share((t.weight * t.score).sum().coalesce(0.0), t.weight.sum(where=_is_due(t))),
    ),
    _of(
        "days_early",
        "Days before the due date that steps were done",
        WHOLE,
        "days",
        lambda t: (t.due_at - t.done_at).mean() / DAY,
    ),
    _of(
        "days_late_max",
        "Days after the due date of the latest step",
        WHOLE,
        "days",
        lambda t: (t.done_at - t.due_at).max() / DAY,
    ),
    _of(
        "weight_due",
        "Share of the plan's weight due by now",
        WHOLE,
        "share",
        lambda t: share(t.weight.sum(where=_is_due(t)).coalesce(0.0), t.weight.sum()),
    ),
    _of(
        "last_done_at",
        "Last step of the plan done",
        WHOLE,
        "time",
        lambda t: t.done_at.max(),
        is_time=True,
        is_model_input=False,
    ),
    _of(
        "started_at",
        "Start of the enrolment",
        "now",
        "time",
        lambda t: t.start_day.cast("float64") * DAY,
        Source.ENROLMENT,
        is_time=True,
        is_model_input=False,
    ),
    _of(
        "next_due_at",
        "Next date that something is due",
        "now",
        "time",
        lambda t: t.next_step_due_at.coalesce(
            (end_of(t.due_day) >= t.as_of).ifelse(end_of(t.due_day), None),
        ),
        Source.ENROLMENT,
        is_time=True,
        is_model_input=False,
    ),
    _of(
        "days_to_next_due",
        "Days until something is due",
        "now",
        "days",
        lambda t: (t.next_due_at - t.as_of) / DAY,
        Source.ENROLMENT,
    ),
    _of(
        "days_since_done",
        "Days since a step of the plan was done",
        WHOLE,
        "days",
        lambda t: (t.as_of - t.last_done_at).clip(lower=0.0) / DAY,
        Source.ENROLMENT,
    ),
    _of(
        "day",
        "Days since the start",
        "now",
        "days",
        lambda t: t.as_of_day - t.start_day,
        Source.ENROLMENT,
    ),
    _of(
        "share_elapsed",
        "Share of the course's time that has passed",
        "now",
        "share",
        lambda t: share(t.as_of_day - t.start_day, (t.due_day - t.start_day).coalesce(t.length_days)).clip(
            lower=0.0, upper=1.0
        ),
        Source.ENROLMENT,
    ),
    _of(
        "days_enrolled",
        "Days since enrolling",
        "now",
        "days",
        lambda t: t.as_of_day - t.enrolled_day,
        Source.ENROLMENT,
    ),
    _of(
        "enrolled_before_start",
        "Days between enrolling and the start",
        "before the start",
        "days",
        lambda t: t.start_day - t.enrolled_day,
        Source.ENROLMENT,
    ),
]
