"""Features of the enrolments that changed, in PostgreSQL: a fixed number of queries, however many they are."""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import DataError, ProgrammingError, connection

from consent.arrays import float8s, int2s, int4s, int8s, moments, texts, uuids
from learners.models import CompetencyItem, CompetencyLesson, Enrolment, JobRole, PlanStep
from signals.features import faults, grids
from signals.features.cohort import add_percentiles
from signals.features.compile import compiled, readable
from signals.features.halving import find_raising
from signals.features.kinds import KINDS
from signals.features.planned import fetch_planned
from signals.features.rollup import COMPLETING, QUARTERS
from signals.mastery import estimate as mastery
from signals.models.events import Verb
from signals.xapi.keys import activity_key

logger = logging.getLogger(__name__)

_AMOUNTS = ", ".join(f"r.{name}" for name in [*(f"kind_{kind}" for kind in KINDS), *QUARTERS])

# The tables that signals.features.expression describes, for the points asked for. OFFSET 0 keeps a look-up a look-up,
# whatever the planner thinks of the table. date_part is a float at once; extract goes by way of numeric, at ten times
# the cost.
_TABLES = f"""
WITH enrolment AS MATERIALIZED (
    SELECT e.id AS enrolment_id, date_part('epoch', p.as_of) AS as_of,
           (p.as_of AT TIME ZONE 'UTC')::date - DATE '1970-01-01' AS as_of_day,
           e.course_id, e.starts_on - DATE '1970-01-01' AS start_day, e.due_on - DATE '1970-01-01' AS due_day,
           c.pass_mark, c.length_days, (e.enrolled_at AT TIME ZONE 'UTC')::date - DATE '1970-01-01' AS enrolled_day,
           e.earlier_attempts, e.study_load, l.started_on - DATE '1970-01-01' AS hired_day,
           array_position(%(impacts)s::text[], j.impact::text) - 1 AS role_impact,
           e.learner_id, l.job_role_id, p.as_of AS at
    FROM unnest(%(ids)s::bigint[], %(as_of)s::timestamptz[]) AS p (id, as_of)
    CROSS JOIN LATERAL (SELECT * FROM learners_enrolment WHERE id = p.id OFFSET 0) e
    CROSS JOIN LATERAL (SELECT * FROM learners_learner WHERE id = e.learner_id OFFSET 0) l
    JOIN learners_course c ON c.id = e.course_id
    LEFT JOIN learners_jobrole j ON j.id = l.job_role_id
),
rollup AS MATERIALIZED (
    -- A clock a few minutes ahead of ours means "now".
    SELECT r.enrolment_id, r.day - DATE '1970-01-01' AS day, r.events, r.amount, r.learning_sessions, r.seconds,
           r.hasty, r.activities, {_AMOUNTS}, least(date_part('epoch', r.last_at), e.as_of) AS last_at
    FROM enrolment e CROSS JOIN LATERAL (
        SELECT * FROM signals_dailyrollup d WHERE d.enrolment_id = e.enrolment_id OFFSET 0
    ) r
),
material AS MATERIALIZED (
    -- Counted person by person: one hash of everybody's materials would not fit into a processor's cache.
    SELECT e.enrolment_id, e.as_of, m.activity, m.first_day, m.last_day, m.days
    FROM enrolment e CROSS JOIN LATERAL (
        SELECT activity, min(day) AS first_day, max(day) AS last_day, count(*)::int AS days
        FROM (
            SELECT d.day - DATE '1970-01-01' AS day, unnest(d.opened) AS activity FROM signals_dailyrollup d
            WHERE d.enrolment_id = e.enrolment_id AND d.day <= (e.at AT TIME ZONE 'UTC')::date OFFSET 0
        ) each_day
        GROUP BY activity
    ) m
),
special AS MATERIALIZED (
    -- The few days on which something was finished or watched.
    SELECT e.enrolment_id, e.as_of, e.as_of_day, r.*
    FROM enrolment e CROSS JOIN LATERAL (
        SELECT day AS date, day - DATE '1970-01-01' AS day, completions, watched, watched_shares
        FROM signals_dailyrollup d
        WHERE d.enrolment_id = e.enrolment_id AND (d.completions > 0 OR d.watched IS NOT NULL) OFFSET 0
    ) r
),
watched AS MATERIALIZED (
    SELECT enrolment_id, as_of, w.activity, max(w.share) AS share
    FROM special CROSS JOIN LATERAL unnest(watched, watched_shares) AS w (activity, share)
    WHERE day <= as_of_day AND watched IS NOT NULL
    GROUP BY enrolment_id, as_of, w.activity
),
result AS MATERIALIZED (
    SELECT e.enrolment_id, r.statement_id::text COLLATE "C" AS key,
           least(date_part('epoch', r.occurred_at), e.as_of) AS moment,
           least(date_part('epoch', r.occurred_at), e.as_of) AS seen,
           r.scaled, r.success, r.is_item, r.activity, c.concept, i.difficulty
    FROM enrolment e CROSS JOIN LATERAL (
        SELECT * FROM signals_assessmentresult a
        WHERE a.enrolment_id = e.enrolment_id AND a.voided_seq IS NULL OFFSET 0
    ) r
    LEFT JOIN unnest(%(concept_activities)s::bigint[], %(concepts)s::bigint[]) AS c (activity, concept)
        ON c.activity = r.activity
    LEFT JOIN signals_itemdifficulty i ON i.activity = r.activity
),
completion AS MATERIALIZED (
    SELECT enrolment_id, activity, moment FROM result
    UNION ALL
    -- Rollups know the days on which anything was finished, so only those days' events are read.
    SELECT r.enrolment_id, v.activity, least(date_part('epoch', v.occurred_at), r.as_of)
    FROM special r
    CROSS JOIN LATERAL (
        SELECT * FROM signals_event v
        WHERE v.enrolment_id = r.enrolment_id
          AND (v.occurred_at AT TIME ZONE 'UTC')::date = r.date  -- as the index event_by_enrolment_day has it
          AND v.occurred_at >= r.date::timestamp AT TIME ZONE 'UTC'
          AND v.occurred_at < (r.date + 1)::timestamp AT TIME ZONE 'UTC'
          AND v.verb = ANY(%(completing)s::smallint[]) AND v.voided_seq IS NULL
        OFFSET 0
    ) v
    WHERE r.completions > 0
),
plan AS MATERIALIZED (
    SELECT * FROM unnest(%(courses)s::bigint[], %(activities)s::bigint[], %(due_days)s::int[], %(weights)s::float8[])
        AS p (course_id, activity, due_day, weight)
),
rating AS MATERIALIZED (
    SELECT e.enrolment_id, date_part('epoch', r.at) AS moment, r.scaled
    FROM unnest(%(rated)s::uuid[], %(rated_at)s::timestamptz[], %(ratings)s::float8[]) AS r (learner_id, at, scaled)
    JOIN enrolment e USING (learner_id)
),
gap AS MATERIALIZED (
    SELECT e.enrolment_id, e.as_of, greatest(c.level - s.level, 0)::float8 AS gap
    FROM enrolment e
    JOIN learners_rolecompetency c ON c.job_role_id = e.job_role_id
    CROSS JOIN LATERAL (
        SELECT b.level FROM learners_baselineskill b
        WHERE b.learner_id = e.learner_id AND b.competency_id = c.competency_id
          AND b.as_of <= (e.at AT TIME ZONE 'UTC')::date
        ORDER BY b.as_of DESC, b.id DESC LIMIT 1
    ) s
    WHERE c.level IS NOT NULL
),
history AS MATERIALIZED (
    SELECT e.enrolment_id, e.as_of, h.ended, h.passed
    FROM enrolment e CROSS JOIN LATERAL (
        SELECT count(*)::int AS ended, (count(*) FILTER (WHERE o.state = 'completed'))::int AS passed
        FROM learners_enrolment o
        WHERE o.learner_id = e.learner_id AND o.id <> e.enrolment_id AND o.ended_at <= e.at
    ) h
),
mastery AS MATERIALIZED (
    SELECT * FROM unnest(%(mastery_ids)s::bigint[], %(mastery_as_of)s::float8[], %(weakest)s::float8[],
                         %(means)s::float8[], %(known)s::int[]) AS m (enrolment_id, as_of, weakest, mean, known)
)
"""


def warm() -> None:
    """Compiles the features now, so that the first refresh of a worker need not."""
    compiled("postgres")


def compute(points: Sequence[tuple[int, datetime]]) -> dict[int, dict[str, Any]]:
    """The features of these enrolments, each as of its own moment: {enrolment: {key: value}}.

    In the caller's transaction. A definition that raises is unknown, and noted; the others go on.
    """
    if not points:
        return {}
    values = computed(points)
    compared = grids.grids_for(points)
    for enrolment_id, known in values.items():
        add_percentiles(known, compared.get(enrolment_id, {}))
    return values


def computed(points: Sequence[tuple[int, datetime]]) -> dict[int, dict[str, Any]]:
    """The same without percentiles."""
    given = _given(points)
    last = max(as_of for _, as_of in points)
    statement = compiled("postgres")
    if statement.faults:
        faults.note(statement.faults, now=last)
    try:
        rows = _run(statement.sql, given, len(points))
    except (DataError, ProgrammingError) as fault:
        raising = _find_raising(given, len(points), raised=_kind(fault))
        if not raising:
            raise
        faults.note(raising, now=last)
        rows = _run(compiled("postgres", frozenset(raising)).sql, given, len(points))
    return {enrolment_id: values for enrolment_id, _, values in readable(rows)}


def _run(sql: str, given: dict[str, Any], size: int) -> list[tuple[Any, ...]]:
    return fetch_planned(f"{_TABLES}SELECT * FROM ({sql}) AS features", given, size=size)


def _find_raising(given: dict[str, Any], size: int, *, raised: str) -> dict[str, str]:
    """The definitions without which the rest can be computed on this data: {key: what was raised}."""

    def raised_without(out: frozenset[str]) -> str | None:
        try:
            _run(compiled("postgres", out).sql, given, size)
        except (DataError, ProgrammingError) as fault:
            return _kind(fault)
        return None

    found = find_raising(raised_without, raised=raised)
    for key, kind in found.items():
        logger.error("Feature %s raised %s on data and counts as unknown.", key, kind)
    return found


def _kind(fault: Exception) -> str:
    """What was raised, by its name: the message may quote the data."""
    code = getattr(fault.__cause__, "sqlstate", None) or ""
    return f"{type(fault).__name__} {code}".strip()


def _given(points: Sequence[tuple[int, datetime]]) -> dict[str, Any]:
    ids = [enrolment_id for enrolment_id, _ in points]
    steps = list(
        PlanStep.objects.filter(course__in=Enrolment.objects.filter(pk__in=ids).values("course"))
        .order_by("course_id", "pk")
        .values_list("course_id", "activity_iri", "due_day", "weight", "competency_id")
    )
    known = concepts() | {activity_key(iri): concept for _, iri, _, _, concept in steps if concept}
    mastered = mastery.present(points)
    rated = _ratings(ids, max(as_of for _, as_of in points))
    return {
        "ids": int8s(ids),
        "as_of": moments([as_of for _, as_of in points]),
        "impacts": texts([str(impact) for impact in JobRole.Impact.values]),
        "completing": int2s([int(verb) for verb in COMPLETING]),
        "courses": int8s([step[0] for step in steps]),
        "activities": int8s([activity_key(step[1]) for step in steps]),
        "due_days": int4s([step[2] for step in steps]),
        "weights": float8s([step[3] for step in steps]),
        "concept_activities": int8s(list(known)),
        "concepts": int8s(list(known.values())),
        "rated": uuids([row[0] for row in rated]),
        "rated_at": moments([row[1] for row in rated]),
        "ratings": float8s([row[2] for row in rated]),
        "mastery_ids": int8s([row.enrolment_id for row in mastered]),
        "mastery_as_of": float8s([row.as_of.timestamp() for row in mastered]),
        "weakest": float8s([row.weakest for row in mastered]),
        "means": float8s([row.mean for row in mastered]),
        "known": int4s([row.known for row in mastered]),
    }


def concepts() -> dict[int, int]:
    """Activity → the competency that it teaches or asks about, as the framework says."""
    found: dict[int, int] = {}
    for model in (CompetencyLesson, CompetencyItem):
        rows = model.objects.order_by("pk").values_list("iri", "competency_id")
        found |= {activity_key(iri): competency for iri, competency in rows}
    return found


def _ratings(ids: Sequence[int], until: datetime) -> list[tuple[Any, ...]]:
    """(learner, when, share) of what others said about these people. Few people have any."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT learner_id, occurred_at, scaled FROM signals_event"
            " WHERE learner_id = ANY(SELECT learner_id FROM learners_enrolment WHERE id = ANY(%s))"
            f" AND verb = {int(Verb.WAS_RATED)} AND scaled IS NOT NULL AND voided_seq IS NULL AND occurred_at <= %s",
            [list(ids), until],
        )
        return cursor.fetchall()
