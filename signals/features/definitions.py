"""Every feature, once: what it is called, how far back it looks, and the expression that computes it.

The expressions are Ibis, so one definition runs on PostgreSQL (serving), DuckDB (bulk) and other engines.
They read five tables, in which times are seconds since 1970 and days are whole days since 1970 (UTC), so that
no engine's date arithmetic can make a difference:

- enrolment(enrolment_id, as_of, as_of_day, course_id, start_day, due_day, pass_mark): a row per answer wanted
- rollup(enrolment_id, day, amount, last_at): a day with activity
- result(enrolment_id, key, moment, scaled, success, is_item): an answer or a score; key breaks ties
- completion(enrolment_id, activity, moment): something finished (a result or a completion), when it first was
- plan(course_id, activity, due_day): what a course asks for by a day counted from the start
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

FEATURE_SET = "core-1"
DAY = 86_400
LAST_SCORES = 5


class Source(StrEnum):
    """What a feature's expression is handed: rows to be summarised, or the one row of an enrolment."""

    DAYS = (
        "days"  # rollup up to as_of, with age (days before as_of) and gap (days since the active day before)
    )
    RESULTS = "results"  # judged results up to as_of, with failed and recency (1 is the latest)
    STEPS = "steps"  # the plan's steps, with due_at and done_at
    ENROLMENT = "enrolment"  # the enrolment itself, with all features above


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature. A changed meaning is a new version."""

    key: str
    name: str  # for people
    window: str
    unit: str
    version: int
    source: Source
    expression: Callable[[Any], Any]
    is_time: bool = False  # seconds since 1970, which readers get as an ISO date-time


def _latest(left: Any, right: Any) -> Any:
    """The greater of two, either of which may be unknown."""
    return (left.isnull() | (right > left)).ifelse(right, left)


def _failures_in_a_row(t: Any) -> Any:
    """How many of the latest results failed before one that did not."""
    return (t.recency.min(where=~t.failed) - 1).coalesce(t.recency.count())


FEATURES: tuple[Feature, ...] = (
    Feature(
        "last_active_at",
        "Last activity",
        "whole enrolment",
        "time",
        1,
        Source.DAYS,
        lambda t: t.last_at.max(),
        is_time=True,
    ),
    Feature(
        "usual_gap_days",
        "Usual gap between active days",
        "whole enrolment",
        "days",
        1,
        Source.DAYS,
        # Fewer than three gaps are no habit.
        lambda t: (t.gap.count() >= 3).ifelse(t.gap.median(), None),
    ),
    Feature(
        "active_days_14",
        "Active days",
        "14 days",
        "days",
        1,
        Source.DAYS,
        lambda t: t.day.nunique(where=t.age < 14),
    ),
    Feature(
        "amount_7", "Interactions", "7 days", "count", 1, Source.DAYS, lambda t: t.amount.sum(where=t.age < 7)
    ),
    Feature(
        "amount_30",
        "Interactions",
        "30 days",
        "count",
        1,
        Source.DAYS,
        lambda t: t.amount.sum(where=t.age < 30),
    ),
    Feature(
        "mastery",
        "Mean of the last five scores",
        "last 5 scores",
        "share",
        1,
        Source.RESULTS,
        lambda t: t.score.mean(where=t.score_recency <= LAST_SCORES),
    ),
    Feature(
        "fail_rate",
        "Share of results below the pass mark",
        "whole enrolment",
        "share",
        1,
        Source.RESULTS,
        lambda t: t.failed.ifelse(1.0, 0.0).mean(),
    ),
    Feature(
        "failures_in_a_row",
        "Results below the pass mark in a row",
        "whole enrolment",
        "count",
        1,
        Source.RESULTS,
        _failures_in_a_row,
    ),
    Feature("results", "Results", "whole enrolment", "count", 1, Source.RESULTS, lambda t: t.recency.count()),
    Feature(
        "last_result_at",
        "Last result",
        "whole enrolment",
        "time",
        1,
        Source.RESULTS,
        lambda t: t.moment.max(),
        is_time=True,
    ),
    Feature(
        "late",
        "Steps of the plan done late",
        "whole enrolment",
        "count",
        1,
        Source.STEPS,
        lambda t: (t.done_at > t.due_at).sum(),
    ),
    Feature(
        "missing",
        "Steps of the plan overdue",
        "whole enrolment",
        "count",
        1,
        Source.STEPS,
        lambda t: (t.done_at.isnull() & (t.due_at < t.as_of)).sum(),
    ),
    Feature(
        "pace",
        "Steps done, against steps planned by now",
        "whole enrolment",
        "share",
        1,
        Source.STEPS,
        lambda t: t.done_at.count().cast("float64") / (t.due_at < t.as_of).sum().cast("float64").nullif(0.0),
    ),
    Feature(
        "next_step_due_at",
        "Next step due",
        "whole enrolment",
        "time",
        1,
        Source.STEPS,
        lambda t: t.due_at.min(where=t.done_at.isnull() & (t.due_at >= t.as_of)),
        is_time=True,
    ),
    Feature(
        "started_at",
        "Start of the enrolment",
        "now",
        "time",
        1,
        Source.ENROLMENT,
        lambda t: t.start_day.cast("float64") * DAY,
        is_time=True,
    ),
    Feature(
        "days_inactive",
        "Days without activity",
        "whole enrolment",
        "days",
        1,
        Source.ENROLMENT,
        # Nobody is inactive before the start, and what came before it does not count against anyone.
        lambda t: (t.as_of >= t.started_at).ifelse(
            (t.as_of - _latest(t.last_active_at, t.started_at)).clip(lower=0.0) / DAY, None
        ),
    ),
    Feature(
        "next_due_at",
        "Next date that something is due",
        "now",
        "time",
        1,
        Source.ENROLMENT,
        lambda t: t.next_step_due_at.coalesce(
            (_end_of(t.due_day) >= t.as_of).ifelse(_end_of(t.due_day), None),
        ),
        is_time=True,
    ),
)

# Counts of nothing are nought, not unknown.
COUNTS = frozenset(f.key for f in FEATURES if f.unit == "count") | {"active_days_14"}
BY_KEY = {feature.key: feature for feature in FEATURES}


def _end_of(day: Any) -> Any:
    """The last second of a day: what is due on a day is late only after it."""
    return (day + 1).cast("float64") * DAY - 1


def feature_rows() -> Any:
    """One Ibis expression: for each row of `enrolment`, all features."""
    import ibis

    enrolment = ibis.table(
        {
            "enrolment_id": "int64",
            "as_of": "float64",
            "as_of_day": "int32",
            "course_id": "int64",
            "start_day": "int32",
            "due_day": "int32",
            "pass_mark": "float64",
        },
        name="enrolment",
    )
    rollup = ibis.table(
        {"enrolment_id": "int64", "day": "int32", "amount": "int64", "last_at": "float64"}, name="rollup"
    )
    result = ibis.table(
        {
            "enrolment_id": "int64",
            "key": "string",
            "moment": "float64",
            "scaled": "float64",
            "success": "boolean",
            "is_item": "boolean",
        },
        name="result",
    )
    completion = ibis.table(
        {"enrolment_id": "int64", "activity": "int64", "moment": "float64"}, name="completion"
    )
    plan = ibis.table({"course_id": "int64", "activity": "int64", "due_day": "int32"}, name="plan")

    summaries = {
        Source.DAYS: _days(enrolment, rollup),
        Source.RESULTS: _results(enrolment, result),
        Source.STEPS: _steps(enrolment, plan, completion),
    }
    row = enrolment
    for source, table in summaries.items():
        wanted = {f.key: f.expression(table) for f in FEATURES if f.source is source}
        summary = table.group_by("enrolment_id", "as_of").aggregate(**wanted)
        row = row.left_join(summary, ["enrolment_id", "as_of"]).drop("enrolment_id_right", "as_of_right")
    row = row.mutate(**{key: row[key].fill_null(0) for key in row.columns if key in COUNTS})
    for feature in FEATURES:
        if feature.source is Source.ENROLMENT:
            row = row.mutate(**{feature.key: feature.expression(row)})
    return row.select("enrolment_id", "as_of", *(feature.key for feature in FEATURES))


def _days(enrolment: Any, rollup: Any) -> Any:
    import ibis

    points = enrolment.select("enrolment_id", "as_of", "as_of_day")
    days = points.inner_join(rollup, "enrolment_id").filter(lambda t: t.day <= t.as_of_day)
    in_order = ibis.window(group_by=("enrolment_id", "as_of"), order_by="day")
    return days.mutate(age=days.as_of_day - days.day, gap=days.day - days.day.lag().over(in_order))


def _results(enrolment: Any, result: Any) -> Any:
    import ibis

    points = enrolment.select("enrolment_id", "as_of", "pass_mark")
    results = points.inner_join(result, "enrolment_id").filter(lambda t: t.moment <= t.as_of)
    # A whole assessment already holds its questions: single answers count only where there is nothing else.
    each = ibis.window(group_by=("enrolment_id", "as_of"))
    results = results.mutate(only_items=results.is_item.cast("int32").min().over(each))
    results = results.filter(lambda t: t.is_item.cast("int32") == t.only_items)
    results = results.mutate(
        failed=(~results.success).coalesce(results.scaled < results.pass_mark),
        score=results.scaled.clip(lower=0.0),
    )
    latest = ibis.window(
        group_by=("enrolment_id", "as_of"), order_by=(ibis.desc(results.moment), ibis.desc(results["key"]))
    )
    # Scores have an order of their own: a bare pass or fail among them must not use up one of the places.
    latest_score = ibis.window(
        group_by=("enrolment_id", "as_of"),
        order_by=(results.score.isnull(), ibis.desc(results.moment), ibis.desc(results["key"])),
    )
    return results.mutate(
        recency=ibis.row_number().over(latest) + 1, score_recency=ibis.row_number().over(latest_score) + 1
    )


def _steps(enrolment: Any, plan: Any, completion: Any) -> Any:
    points = enrolment.select("enrolment_id", "as_of", "course_id", "start_day")
    steps = points.inner_join(plan, "course_id")
    steps = steps.mutate(due_at=_end_of(steps.start_day + steps.due_day)).drop(
        "due_day", "start_day", "course_id"
    )
    done = (
        points.select("enrolment_id", "as_of")
        .inner_join(completion, "enrolment_id")
        .filter(lambda t: t.moment <= t.as_of)
    )
    done = done.group_by("enrolment_id", "as_of", "activity").aggregate(done_at=done.moment.min())
    return steps.left_join(done, ["enrolment_id", "as_of", "activity"]).select(
        "enrolment_id", "as_of", "activity", "due_at", "done_at"
    )
