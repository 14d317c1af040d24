"""That somebody learned: how lately, how often, how much, and against their own past."""

from collections.abc import Callable
from math import log
from typing import Any

from signals.features.feature import (
    COACH,
    DAY,
    MANAGER,
    NUDGE,
    Computed,
    Family,
    Sensitivity,
    Source,
    count_within,
    latest,
    share,
    sum_within,
)

WHOLE = "whole enrolment"


_of = Family(
    source=Source.DAYS,
    owner="learning data",
    sensitivity=Sensitivity.ACTIVITY,
    speaks_for=(NUDGE, MANAGER, COACH),
).feature


def _sums(column: str, key: str, name: str, unit: str, windows: tuple[int, ...]) -> list[Computed]:
    """The sum of a column in each of these windows of days, and in all."""
    return [
        _of(
            f"{key}_{days}",
            name,
            f"{days} days",
            unit,
            sum_within(column, days),
            is_count=True,
        )
        for days in windows
    ] + [_of(key, name, WHOLE, unit, lambda t: t[column].sum(), is_count=True)]


def _faded(age: Any, half_life: int) -> Any:
    """What something so many days ago still counts."""
    return (age.cast("float64") * (-log(2) / half_life)).exp()


def _faded_days(half_life: int) -> Callable[[Any], Any]:
    return lambda t: _faded(t.age, half_life).sum()


def _log_ratio(recent: Any, before: Any) -> Any:
    """0 is as before, above is more; one is added to both, so that nothing is no infinity."""
    return ((recent.cast("float64") + 1.0) / (before.cast("float64") / 4.0 + 1.0)).ln()


def _had_time_before(t: Any) -> Any:
    """A past to compare with is there two weeks after somebody was first seen, or after the start."""
    return (t.days_since_first >= 14) | (t.as_of_day - t.start_day >= 14)


FEATURES: list[Computed] = [
    _of(
        "last_active_at",
        "Last activity",
        WHOLE,
        "time",
        lambda t: t.last_at.max(),
        is_time=True,
        is_model_input=False,
    ),
    _of("days_since_first", "Days since the first activity", WHOLE, "days", lambda t: t.age.max()),
    _of(
        "usual_gap_days",
        "Usual gap between active days",
        WHOLE,
        "days",
        # Fewer than three gaps are no habit.
        lambda t: (t.gap.count() >= 3).ifelse(t.gap.median(), None),
    ),
    _of("longest_gap_days", "Longest gap between active days", WHOLE, "days", lambda t: t.gap.max()),
    *(
        _of(
            f"active_days_{days}",
            "Active days",
            f"{days} days",
            "days",
            count_within("day", days),
            is_count=True,
        )
        for days in (3, 7, 14, 30)
    ),
    _of("active_days", "Active days", WHOLE, "days", lambda t: t.day.count(), is_count=True),
    *(
        _of(
            f"recent_days_{half_life}",
            f"Active days, each counting half after {half_life} days",
            WHOLE,
            "days",
            _faded_days(half_life),
        )
        for half_life in (7, 21)
    ),
    _of(
        "recent_activities_7",
        "Different activities a day, each counting half after 7 days",
        WHOLE,
        "count",
        lambda t: (_faded(t.age, 7) * t.activities).sum(),
    ),
    _of(
        "activities_per_day",
        "Different activities on an active day",
        WHOLE,
        "count a day",
        lambda t: t.activities.cast("float64").mean(),
    ),
    _of(
        "busiest_day",
        "Interactions on the busiest day",
        WHOLE,
        "count",
        lambda t: t.amount.max(),
        is_count=True,
    ),
    *_sums("amount", "amount", "Interactions", "count", (7, 14, 30)),
    *_sums("events", "events", "Things done", "count", (7, 14, 30)),
    *_sums("learning_sessions", "sessions", "Learning sessions", "count", (7, 30)),
    *_sums("seconds", "dwell", "Time spent", "seconds", (7, 30)),
    _of(
        "amount_before_7",
        "Interactions in the four weeks before the last seven days",
        "8 to 35 days ago",
        "count",
        lambda t: t.amount.sum(where=(t.age >= 7) & (t.age < 35)),
        is_count=True,
        is_model_input=False,
    ),
    _of(
        "active_days_before_7",
        "Active days in the four weeks before the last seven days",
        "8 to 35 days ago",
        "days",
        lambda t: t.day.count(where=(t.age >= 7) & (t.age < 35)),
        is_count=True,
        is_model_input=False,
    ),
    _of(
        "amount_before_start",
        "Interactions before the course began",
        "before the start",
        "count",
        lambda t: t.amount.sum(where=t.from_start < 0),
        is_count=True,
    ),
    _of(
        "active_days_before_start",
        "Active days before the course began",
        "before the start",
        "days",
        lambda t: t.day.count(where=t.from_start < 0),
        is_count=True,
    ),
    _of(
        "days_inactive",
        "Days without activity",
        WHOLE,
        "days",
        # Nobody is inactive before the start, and what came before it does not count against anyone.
        lambda t: (t.as_of >= t.started_at).ifelse(
            (t.as_of - latest(t.last_active_at, t.started_at)).clip(lower=0.0) / DAY, None
        ),
        Source.ENROLMENT,
    ),
    _of(
        "gap_against_usual",
        "Days without activity, against the usual gap",
        WHOLE,
        "times",
        lambda t: share(t.days_inactive, t.usual_gap_days),
        Source.ENROLMENT,
    ),
    _of(
        "amount_trend",
        "Interactions of the last seven days against the weeks before",
        "35 days",
        "log ratio",
        lambda t: _had_time_before(t).ifelse(_log_ratio(t.amount_7, t.amount_before_7), None),
        Source.ENROLMENT,
    ),
    _of(
        "active_days_trend",
        "Active days of the last seven against the weeks before",
        "35 days",
        "log ratio",
        lambda t: _had_time_before(t).ifelse(_log_ratio(t.active_days_7, t.active_days_before_7), None),
        Source.ENROLMENT,
    ),
    _of(
        "amount_per_active_day",
        "Interactions per active day",
        WHOLE,
        "count a day",
        lambda t: share(t.amount, t.active_days),
        Source.ENROLMENT,
    ),
    _of(
        "active_day_share",
        "Share of days since the start that were active",
        WHOLE,
        "share",
        lambda t: (t.as_of_day >= t.start_day).ifelse(
            share(t.active_days - t.active_days_before_start, t.as_of_day - t.start_day + 1), None
        ),
        Source.ENROLMENT,
    ),
]
