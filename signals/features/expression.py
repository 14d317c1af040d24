"""All features as one Ibis expression over the tables they read.

Times are seconds since 1970 and days are whole days since 1970 (UTC), so that no engine's date arithmetic can make a
difference; unknown is NULL. "A point" is an enrolment at a moment; tables with as_of have their rows made for it.

- enrolment(enrolment_id, as_of, as_of_day, course_id, start_day, due_day, pass_mark, length_days, enrolled_day,
  earlier_attempts, study_load, hired_day, role_impact): a row per answer wanted; impact from 0, standard, upwards
- rollup(enrolment_id, day, events, amount, learning_sessions, seconds, last_at, hasty, activities, kind_...,
  night .. evening):
  a day with activity; kinds and quarters of the day are amounts
- material(enrolment_id, as_of, activity, first_day, last_day, days): an activity opened, and on how many days
- watched(enrolment_id, as_of, activity, share): how far a video or sound was got through
- result(enrolment_id, key, moment, seen, scaled, success, is_item, activity, concept, difficulty): an answer or a
  score; known from `seen` on, ordered by `moment`, key breaks ties; concept is the competency, where known
- completion(enrolment_id, activity, moment): something finished (a result or a completion), when it first was
- plan(course_id, activity, due_day, weight): what a course asks for by a day counted from the start
- rating(enrolment_id, moment, scaled): what others said
- gap(enrolment_id, as_of, gap): levels between what the role asks for and what is shown, per competency known
- history(enrolment_id, as_of, ended, passed): the person's earlier enrolments
- mastery(enrolment_id, as_of, weakest, mean, known): from item responses
"""

from collections.abc import Callable, Collection
from typing import Any

from signals.features.definitions import COMPUTED, COUNTS
from signals.features.feature import DAY, Computed, Source, end_of
from signals.features.kinds import KINDS
from signals.features.rollup import QUARTERS

TABLES: dict[str, dict[str, str]] = {
    "enrolment": {
        "enrolment_id": "int64",
        "as_of": "float64",
        "as_of_day": "int32",
        "course_id": "int64",
        "start_day": "int32",
        "due_day": "int32",
        "pass_mark": "float64",
        "length_days": "int32",
        "enrolled_day": "int32",
        "earlier_attempts": "int32",
        "study_load": "float64",
        "hired_day": "int32",
        "role_impact": "int32",
    },
    "rollup": {
        "enrolment_id": "int64",
        "day": "int32",
        "events": "int32",
        "amount": "int32",
        "learning_sessions": "int32",
        "seconds": "int32",
        "last_at": "float64",
        "hasty": "int32",
        "activities": "int32",
        **{f"kind_{kind}": "int32" for kind in KINDS},
        **{quarter: "int32" for quarter in QUARTERS},
    },
    "material": {
        "enrolment_id": "int64",
        "as_of": "float64",
        "activity": "int64",
        "first_day": "int32",
        "last_day": "int32",
        "days": "int32",
    },
    "watched": {"enrolment_id": "int64", "as_of": "float64", "activity": "int64", "share": "float64"},
    "result": {
        "enrolment_id": "int64",
        "key": "string",
        "moment": "float64",
        "seen": "float64",
        "scaled": "float64",
        "success": "boolean",
        "is_item": "boolean",
        "activity": "int64",
        "concept": "int64",
        "difficulty": "float64",
    },
    "completion": {"enrolment_id": "int64", "activity": "int64", "moment": "float64"},
    "plan": {"course_id": "int64", "activity": "int64", "due_day": "int32", "weight": "float64"},
    "rating": {"enrolment_id": "int64", "moment": "float64", "scaled": "float64"},
    "gap": {"enrolment_id": "int64", "as_of": "float64", "gap": "float64"},
    "history": {"enrolment_id": "int64", "as_of": "float64", "ended": "int32", "passed": "int32"},
    "mastery": {
        "enrolment_id": "int64",
        "as_of": "float64",
        "weakest": "float64",
        "mean": "float64",
        "known": "int32",
    },
}
POINT = ("enrolment_id", "as_of")

Faults = dict[str, Exception]


class NotASummary(TypeError):
    """The expression of a source's rows gives a value for each row, not one for all of a point's."""


class NotOfOneRow(TypeError):
    """The expression of an enrolment's row gives one value for all enrolments, not one for each."""


def feature_rows(without: Collection[str] = ()) -> tuple[Any, Faults]:
    """One Ibis expression: for each row of `enrolment`, all features; and which definitions raised.

    What raised, and what is left out on request, is there and unknown, so that what builds on it is unknown too.
    """
    import ibis

    tables = {name: ibis.table(columns, name=name) for name, columns in TABLES.items()}
    row = tables["enrolment"]
    faults: Faults = {}
    for source, make in _SOURCES.items():
        rows = make(tables)
        summaries = {}
        for feature in (f for f in COMPUTED if f.source is source):
            value = None if feature.key in without else _tried(feature, rows, faults)
            # Unknown is an aggregate like the others: a bare NULL would be one more column to group by.
            summaries[feature.key] = rows["as_of"].max(where=ibis.literal(False)) if value is None else value
        summary = rows.group_by(*POINT).aggregate(**summaries)
        row = row.left_join(summary, POINT).drop("enrolment_id_right", "as_of_right")
    out = {*without, *faults}
    row = row.mutate(**{key: row[key].fill_null(0) for key in row.columns if key in COUNTS - out})
    row = _from_the_whole(row, without, faults)
    return row.select(*POINT, *(feature.key for feature in COMPUTED)), faults


def _tried(feature: Computed, rows: Any, faults: Faults) -> Any:
    """What the definition says of these rows; None where it cannot stand among the others, which is noted."""
    import ibis.expr.types as ir

    try:
        value = feature.expression(rows)
        # Put in its place alone, so that what does not fit there is its own fault, not that of all together.
        if feature.source is Source.ENROLMENT:
            if not isinstance(value, ir.Column):
                raise NotOfOneRow
            rows.mutate(**{feature.key: value})
        else:
            if not isinstance(value, ir.Scalar):
                raise NotASummary
            rows.group_by(*POINT).aggregate(**{feature.key: value})
        return value
    # A definition is anybody's code and may raise anything. It is returned, logged and noted (signals.features.faults).
    except Exception as fault:
        faults[feature.key] = fault
        return None


def _from_the_whole(row: Any, without: Collection[str], faults: Faults) -> Any:
    """Adds the features that are made of an enrolment's own columns and of other features, layer by layer."""
    import ibis

    waiting = [f for f in COMPUTED if f.source is Source.ENROLMENT]
    while waiting:
        tried: Faults = {}
        layer = {}
        for feature in waiting:
            if feature.key in without:
                layer[feature.key] = ibis.null("float64")
            elif (value := _tried(feature, row, tried)) is not None:
                layer[feature.key] = value
        if not layer:
            # Nothing more can be built: these do not wait for others, they are broken.
            faults |= tried
            return row.mutate(**{f.key: ibis.null("float64") for f in waiting})
        row = row.mutate(**layer)
        row = row.mutate(
            **{key: row[key].fill_null(0) for key in layer if key in COUNTS and key not in without}
        )
        waiting = [f for f in waiting if f.key not in layer]
    return row


# --- the rows that each source hands to its features ------------------------------------------------------------


def _days(tables: dict[str, Any]) -> Any:
    import ibis

    points = tables["enrolment"].select(*POINT, "as_of_day", "start_day")
    days = points.inner_join(tables["rollup"], "enrolment_id").filter(lambda t: t.day <= t.as_of_day)
    in_order = ibis.window(group_by=POINT, order_by="day")
    return days.mutate(
        age=days.as_of_day - days.day,
        from_start=days.day - days.start_day,
        gap=days.day - days.day.lag().over(in_order),
    )


def _materials(tables: dict[str, Any]) -> Any:
    materials = tables["material"]
    # From as_of itself: a join to learn its day costs more than all the rest.
    today = (materials.as_of / DAY).floor()
    return materials.mutate(age=today - materials.last_day, new=today - materials.first_day)


def _known_results(tables: dict[str, Any]) -> Any:
    points = tables["enrolment"].select(*POINT, "pass_mark", "start_day")
    results = points.inner_join(tables["result"], "enrolment_id").filter(lambda t: t.seen <= t.as_of)
    return results.mutate(
        failed=(~results.success).coalesce(results.scaled < results.pass_mark),
        score=results.scaled.clip(lower=0.0),
    )


def _results(tables: dict[str, Any]) -> Any:
    import ibis

    results = _known_results(tables)
    # A whole assessment already holds its questions: single answers count only where there is nothing else.
    each = ibis.window(group_by=POINT)
    results = results.mutate(only_items=results.is_item.cast("int32").min().over(each))
    results = results.filter(lambda t: t.is_item.cast("int32") == t.only_items)
    newest = ibis.window(group_by=POINT, order_by=(ibis.desc(results.moment), ibis.desc(results["key"])))
    # Scores have an order of their own: a bare pass or fail among them must not use up one of the places.
    newest_score = ibis.window(
        group_by=POINT,
        order_by=(results.score.isnull(), ibis.desc(results.moment), ibis.desc(results["key"])),
    )
    return results.mutate(
        recency=ibis.row_number().over(newest) + 1, score_recency=ibis.row_number().over(newest_score) + 1
    )


def _answers(tables: dict[str, Any]) -> Any:
    results = _known_results(tables)
    return results.mutate(age=(results.as_of - results.moment) / DAY)


def _concepts(tables: dict[str, Any]) -> Any:
    results = _known_results(tables)
    results = results.mutate(tried=results.concept.coalesce(results.activity))
    concepts = results.group_by(*POINT, "tried").aggregate(
        failures=results.moment.count(where=results.failed),
        failed_at=results.moment.max(where=results.failed),
        passed_at=results.moment.max(where=~results.failed),
    )
    return concepts.mutate(
        is_open=concepts.failed_at.notnull()
        & (concepts.passed_at.isnull() | (concepts.passed_at < concepts.failed_at))
    )


def _steps(tables: dict[str, Any]) -> Any:
    import ibis

    points = tables["enrolment"].select(*POINT, "course_id", "start_day")
    steps = points.inner_join(tables["plan"], "course_id")
    steps = steps.mutate(due_at=end_of(steps.start_day + steps.due_day)).drop(
        "due_day", "start_day", "course_id"
    )
    # A plan that weighs nothing weighs all its steps alike.
    whole = steps.weight.sum().over(ibis.window(group_by=POINT))
    steps = steps.mutate(weight=(whole > 0).ifelse(steps.weight, 1.0))
    done = (
        points.select(*POINT)
        .inner_join(tables["completion"], "enrolment_id")
        .filter(lambda t: t.moment <= t.as_of)
    )
    done = done.group_by(*POINT, "activity").aggregate(done_at=done.moment.min())
    scores = _known_results(tables)
    scores = scores.group_by(*POINT, "activity").aggregate(score=scores.score.max())
    steps = steps.left_join(done, [*POINT, "activity"]).select(
        *POINT, "activity", "due_at", "weight", "done_at"
    )
    return steps.left_join(scores, [*POINT, "activity"]).select(
        *POINT, "activity", "due_at", "weight", "done_at", "score"
    )


def _ratings(tables: dict[str, Any]) -> Any:
    import ibis

    points = tables["enrolment"].select(*POINT)
    ratings = points.inner_join(tables["rating"], "enrolment_id").filter(
        lambda t: (t.moment <= t.as_of) & t.scaled.notnull()
    )
    # Two at one moment count as one, by the better of them.
    newest = ibis.window(group_by=POINT, order_by=(ibis.desc(ratings.moment), ibis.desc(ratings.scaled)))
    return ratings.mutate(recency=ibis.row_number().over(newest) + 1)


def _as_they_are(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda tables: tables[name]


_SOURCES: dict[Source, Callable[[dict[str, Any]], Any]] = {
    Source.DAYS: _days,
    Source.MATERIALS: _materials,
    Source.WATCHED: _as_they_are("watched"),
    Source.RESULTS: _results,
    Source.ANSWERS: _answers,
    Source.CONCEPTS: _concepts,
    Source.STEPS: _steps,
    Source.RATINGS: _ratings,
    Source.GAPS: _as_they_are("gap"),
    Source.HISTORY: _as_they_are("history"),
    Source.MASTERY: _as_they_are("mastery"),
}
