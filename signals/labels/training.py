"""What a model learns from: the labels of enrolments as of given moments, from reports and from facts.

A recorded label wins over one derived here, as whoever recorded it saw more. Nothing that happened after `now` is
used, so that a training as of an earlier day sees what was known on that day.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from consent import gate
from consent.scopes import Scope
from learners.models import CompetencyItem, PlanStep
from signals.labels.definitions import (
    GAIN,
    GAIN_SCORES,
    RECOVERED_BELOW,
    ROSE_ABOVE,
    SETTLES_DAYS,
    Definition,
    definition_of,
)
from signals.labels.recorded import LabelTooEarly
from signals.xapi.keys import activity_key

AT_ONCE = 50_000  # points in one statement


class LabelRow(NamedTuple):
    """What became of an enrolment, seen from a moment."""

    enrolment_id: int
    as_of: datetime
    value: bool | None  # in the definition's own sense; None: censored, or not yet known
    treated: bool  # somebody acted on it within the horizon
    propensity: float | None  # with which probability that was chosen


class UnknownEnrolment(ValueError):
    """A label was asked for an enrolment that does not exist."""


def for_training(*, label: str, points: Sequence[tuple[int, datetime]], now: datetime) -> list[LabelRow]:
    """A row for each point, in the same order. Raises LabelTooEarly for a point that lies after `now`.

    A point outside of its enrolment (before it, or after it ended) has no answer, and neither has anybody whose data
    may not be used for this any more.
    """
    definition = definition_of(label)
    ahead = max((as_of for _, as_of in points), default=now)
    if ahead > now:
        raise LabelTooEarly(
            f"{label} as of {ahead.isoformat()} lies after {now.isoformat()}: nothing is known of it yet."
        )
    found: list[LabelRow] = []
    for first in range(0, len(points), AT_ONCE):
        found += _labels(definition, points[first : first + AT_ONCE], now)
    return found


def _labels(definition: Definition, points: Sequence[tuple[int, datetime]], now: datetime) -> list[LabelRow]:
    activities, competencies = _measures() if definition.name == "skill_gain_10pt" else ([], [])
    with transaction.atomic(), connection.cursor() as cursor:
        # Compiling such a statement to machine code takes PostgreSQL longer than running it.
        cursor.execute("SET LOCAL jit = off")
        cursor.execute(
            _POINTS.format(until=_UNTIL[definition.key], value=_VALUES.get(definition.key, "NULL::boolean")),
            {
                "ids": [enrolment_id for enrolment_id, _ in points],
                "as_of": [as_of for _, as_of in points],
                "definition": definition.key,
                "horizon_days": definition.horizon_days or 0,
                "settles_days": SETTLES_DAYS,
                "now": now,
                "rose": ROSE_ABOVE,
                "recovered": RECOVERED_BELOW,
                "gain": GAIN,
                "scores": GAIN_SCORES,
                "activities": activities,
                "competencies": competencies,
            },
        )
        rows = cursor.fetchall()
    if len(rows) != len(points):
        missing = {enrolment_id for enrolment_id, _ in points} - {row[0] for row in rows}
        raise UnknownEnrolment(f"There is no enrolment {', '.join(map(str, sorted(missing)))}.")
    usable = _usable({row[5] for row in rows})
    return [_row(row, usable) for row in rows]


def _row(row: tuple[Any, ...], usable: set[UUID]) -> LabelRow:
    enrolment_id, as_of, value, treated, propensity, learner = row
    return LabelRow(enrolment_id, as_of, value if learner in usable else None, treated, propensity)


def _usable(learners: set[UUID]) -> set[UUID]:
    """Those who let us learn from them."""
    return gate.filter_allowed(learners, Scope.PROFILE) & gate.filter_allowed(learners, Scope.RECORD)


def _measures() -> tuple[list[int], list[int]]:
    """Which activities measure which competency."""
    items = CompetencyItem.objects.order_by("pk").values_list("iri", "competency_id")
    steps = PlanStep.objects.filter(competency__isnull=False).order_by("pk")
    found = {activity_key(iri): competency for iri, competency in items}
    for iri, competency in steps.values_list("activity_iri", "competency_id"):
        found.setdefault(activity_key(iri), competency)
    return list(found), list(found.values())


_POINTS = """
WITH point AS MATERIALIZED (
    SELECT p.n, p.enrolment_id, p.as_of, e.learner_id, e.enrolled_at, person.left_on, person.erased_at,
           person.merged_into_id,
           -- Nobody knew at that time how it would end.
           CASE WHEN e.ended_at <= %(now)s THEN e.state ELSE 'active' END AS state,
           CASE WHEN e.ended_at <= %(now)s THEN e.ended_at END AS ended_at,
           (coalesce(e.due_on, e.starts_on + c.length_days) + 1)::timestamp AT TIME ZONE 'UTC' AS deadline
    FROM unnest(%(ids)s::bigint[], %(as_of)s::timestamptz[]) WITH ORDINALITY AS p (enrolment_id, as_of, n)
    JOIN learners_enrolment e ON e.id = p.enrolment_id
    JOIN learners_course c ON c.id = e.course_id
    JOIN learners_learner person ON person.id = e.learner_id
),
watched AS MATERIALIZED (
    SELECT point.*, {until} AS until FROM point
),
derived AS MATERIALIZED (
    SELECT w.*,
           CASE WHEN w.enrolled_at > w.as_of OR w.ended_at <= w.as_of THEN NULL
                -- What a person does is known under one of their records only.
                WHEN w.merged_into_id IS NOT NULL OR w.erased_at <= w.until THEN NULL
                ELSE {value} END AS value
    FROM watched w
)
SELECT d.enrolment_id, d.as_of, CASE WHEN said.id IS NULL THEN d.value ELSE said.value END,
       coalesce(said.treated, acted.id IS NOT NULL),
       CASE WHEN said.id IS NULL THEN acted.propensity ELSE said.propensity END,
       d.learner_id
FROM derived d
LEFT JOIN LATERAL (
    SELECT l.id, l.value, l.treated, l.propensity FROM signals_label l
    WHERE l.enrolment_id = d.enrolment_id AND l.as_of = d.as_of AND l.definition = %(definition)s
      AND l.recorded_at <= %(now)s
) said ON true
LEFT JOIN LATERAL (
    -- Who acted reports it as a label of the moment of deciding, by whatever definition.
    SELECT l.id, l.propensity FROM signals_label l
    WHERE l.enrolment_id = d.enrolment_id AND l.treated AND l.recorded_at <= %(now)s
      AND l.as_of >= d.as_of AND l.as_of <= d.until
    ORDER BY l.as_of, l.id LIMIT 1
) acted ON true
ORDER BY d.n
"""

_SETTLED = "deadline + make_interval(days => %(settles_days)s)"
_FIXED = "point.as_of + make_interval(days => %(horizon_days)s)"
_UNTIL = {
    # Nothing that anybody does after the end can change it; one without a deadline is watched until now.
    "passed_by_end@1": f"coalesce(ended_at, {_SETTLED}, %(now)s)",
    "pass_30d@1": _FIXED,
    "recovered_14d@1": _FIXED,
    "skill_gain_10pt@1": _FIXED,
    "next_course_45d@1": _FIXED,
    "accepted_and_passed@1": _FIXED,
    "needed_help@1": _FIXED,
}

# What is not here no fact answers: only somebody's report does.
_VALUES = {
    "passed_by_end@1": f"""CASE
        WHEN w.as_of >= w.{_SETTLED} THEN NULL  -- nothing is left to be foreseen
        WHEN w.state = 'completed' AND (w.deadline IS NULL OR w.ended_at < w.{_SETTLED}) THEN true
        WHEN w.state <> 'active' OR w.{_SETTLED} <= %(now)s THEN false END""",
    "pass_30d@1": """CASE
        WHEN w.until > %(now)s THEN NULL
        WHEN w.state = 'completed' AND w.ended_at <= w.until THEN true
        WHEN w.state = 'withdrawn' AND w.ended_at <= w.until THEN NULL
        ELSE false END""",
    "recovered_14d@1": """CASE
        WHEN w.until > %(now)s THEN NULL
        -- Only somebody in difficulty can recover.
        WHEN NOT coalesce((SELECT r.after > %(rose)s FROM signals_riskchange r
                           WHERE r.enrolment_id = w.enrolment_id AND r.at <= w.as_of
                           ORDER BY r.at DESC, r.id DESC LIMIT 1), false) THEN NULL
        WHEN w.state = 'completed' AND w.ended_at <= w.until THEN true
        WHEN EXISTS (SELECT FROM signals_riskchange later
                     WHERE later.enrolment_id = w.enrolment_id AND later.at > w.as_of AND later.at <= w.until
                       AND later.after < %(recovered)s) THEN true
        WHEN w.state = 'withdrawn' AND w.ended_at <= w.until THEN NULL
        ELSE false END""",
    # Of the competency that was weakest: the one that help would have been about.
    "skill_gain_10pt@1": """CASE
        WHEN w.until > %(now)s THEN NULL
        ELSE (
            SELECT s.later - s.before >= %(gain)s - 1e-9
            FROM (
                SELECT m.competency_id,
                       avg(m.score) FILTER (WHERE m.is_before AND m.place <= %(scores)s) AS before,
                       avg(m.score) FILTER (WHERE NOT m.is_before AND m.place <= %(scores)s) AS later
                FROM (
                    SELECT measure.competency_id, r.occurred_at <= w.as_of AS is_before,
                           coalesce(greatest(r.scaled, 0), r.success::int::float8) AS score,
                           row_number() OVER (PARTITION BY measure.competency_id, r.occurred_at <= w.as_of
                                              ORDER BY r.occurred_at DESC, r.statement_id DESC) AS place
                    FROM learners_enrolment own
                    JOIN signals_assessmentresult r ON r.enrolment_id = own.id
                    JOIN unnest(%(activities)s::bigint[], %(competencies)s::bigint[])
                         AS measure (activity, competency_id) ON measure.activity = r.activity
                    WHERE own.learner_id = w.learner_id AND r.voided_seq IS NULL AND r.occurred_at <= w.until
                ) m
                GROUP BY m.competency_id
            ) s
            WHERE s.before IS NOT NULL
            ORDER BY s.before, s.competency_id LIMIT 1
        ) END""",
    "next_course_45d@1": """CASE
        WHEN w.until > %(now)s THEN NULL
        WHEN EXISTS (SELECT FROM learners_enrolment other
                     WHERE other.learner_id = w.learner_id AND other.id <> w.enrolment_id
                       AND greatest(other.enrolled_at, other.starts_on::timestamp AT TIME ZONE 'UTC') > w.as_of
                       AND greatest(other.enrolled_at, other.starts_on::timestamp AT TIME ZONE 'UTC') <= w.until
                    ) THEN true
        WHEN w.left_on < (w.until AT TIME ZONE 'UTC')::date THEN NULL
        ELSE false END""",
}
