"""The features in an engine's own SQL: on Django's cursor for what changed, on DuckDB in bulk."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.db import connection

from learners.models import Enrolment, PlanStep
from signals.features.definitions import BY_KEY, COUNTS, FEATURES
from signals.features.rollup import COMPLETING
from signals.xapi.keys import activity_key

# The tables that signals.features.definitions describes, for the enrolments asked for.
_TABLES = """
WITH enrolment AS MATERIALIZED (
    SELECT e.id AS enrolment_id, extract(epoch FROM p.as_of)::float8 AS as_of,
           (p.as_of AT TIME ZONE 'UTC')::date - DATE '1970-01-01' AS as_of_day,
           e.course_id, e.starts_on - DATE '1970-01-01' AS start_day, e.due_on - DATE '1970-01-01' AS due_day,
           c.pass_mark
    FROM unnest(%(ids)s::bigint[], %(as_of)s::timestamptz[]) AS p (id, as_of)
    JOIN learners_enrolment e USING (id)
    JOIN learners_course c ON c.id = e.course_id
),
rollup AS MATERIALIZED (
    -- A clock a few minutes ahead of ours means "now".
    SELECT r.enrolment_id, r.day - DATE '1970-01-01' AS day, r.amount, r.completions, r.day AS date,
           least(extract(epoch FROM r.last_at)::float8, e.as_of) AS last_at
    FROM enrolment e JOIN signals_dailyrollup r USING (enrolment_id)
),
result AS MATERIALIZED (
    SELECT r.enrolment_id, r.statement_id::text COLLATE "C" AS key,
           least(extract(epoch FROM r.occurred_at)::float8, e.as_of) AS moment,
           r.scaled, r.success, r.is_item, r.activity
    FROM enrolment e JOIN signals_assessmentresult r USING (enrolment_id)
    WHERE r.voided_seq IS NULL
),
completion AS MATERIALIZED (
    SELECT enrolment_id, activity, moment FROM result
    UNION ALL
    -- Rollups know the days on which anything was finished, so only those days' events are read.
    SELECT e.enrolment_id, v.activity, least(extract(epoch FROM v.occurred_at)::float8, e.as_of)
    FROM enrolment e
    JOIN rollup r ON r.enrolment_id = e.enrolment_id AND r.completions > 0
    CROSS JOIN LATERAL (
        SELECT * FROM signals_event v
        WHERE v.enrolment_id = e.enrolment_id
          AND (v.occurred_at AT TIME ZONE 'UTC')::date = r.date  -- as the index event_by_enrolment_day has it
          AND v.occurred_at >= r.date::timestamp AT TIME ZONE 'UTC'
          AND v.occurred_at < (r.date + 1)::timestamp AT TIME ZONE 'UTC'
          AND v.verb = ANY(%(completing)s) AND v.voided_seq IS NULL
        OFFSET 0
    ) v
),
plan AS MATERIALIZED (
    SELECT * FROM unnest(%(courses)s::bigint[], %(activities)s::bigint[], %(due_days)s::int[])
        AS p (course_id, activity, due_day)
)
"""


@lru_cache(maxsize=1)
def postgres_sql() -> str:
    """The features as PostgreSQL reads them, from tables or WITH names as in signals.features.definitions."""
    return _sql("postgres")


@lru_cache(maxsize=1)
def duckdb_sql() -> str:
    """The features as DuckDB reads them, from tables, views or Parquet scans of the same names."""
    return _sql("duckdb")


def _sql(dialect: str) -> str:
    import ibis

    from signals.features.definitions import feature_rows

    return str(ibis.to_sql(feature_rows(), dialect=dialect))


def compute(points: Sequence[tuple[int, datetime]]) -> dict[int, dict[str, Any]]:
    """The features of these enrolments, each as of its own moment: {enrolment: {key: value}}.

    A fixed number of queries, in the caller's transaction.
    """
    if not points:
        return {}
    ids = [enrolment_id for enrolment_id, _ in points]
    steps = list(
        PlanStep.objects.filter(course__in=Enrolment.objects.filter(pk__in=ids).values("course"))
        .order_by("course_id", "pk")
        .values_list("course_id", "activity_iri", "due_day")
    )
    with connection.cursor() as cursor:
        # Compiling this statement to machine code takes PostgreSQL 5 s, running it 0.5 s.
        cursor.execute("SET LOCAL jit = off")
        cursor.execute(
            # psycopg reads a lone percent sign as the beginning of a parameter.
            _TABLES + "SELECT * FROM (" + postgres_sql().replace("%", "%%") + ") AS features",
            {
                "ids": ids,
                "as_of": [as_of for _, as_of in points],
                "completing": [int(verb) for verb in COMPLETING],
                "courses": [course_id for course_id, _, _ in steps],
                "activities": [activity_key(iri) for _, iri, _ in steps],
                "due_days": [due_day for _, _, due_day in steps],
            },
        )
        return {enrolment_id: values for enrolment_id, _, values in _readable(cursor.fetchall())}


def compute_in_bulk(duck: Any) -> list[tuple[int, float, dict[str, Any]]]:
    """The same features on a DuckDB connection that has the five tables: (enrolment, as_of, {key: value})."""
    return list(_readable(duck.execute(duckdb_sql()).fetchall()))


def _readable(rows: Iterable[tuple[Any, ...]]) -> Iterable[tuple[int, float, dict[str, Any]]]:
    """Engine's rows as JSON values: whole counts, ISO date-times, null for what is not known."""
    keys = [feature.key for feature in FEATURES]
    for enrolment_id, as_of, *values in rows:
        yield (
            enrolment_id,
            as_of,
            {key: _json_value(key, value) for key, value in zip(keys, values, strict=True)},
        )


def _json_value(key: str, value: Any) -> Any:
    if value is None:
        return None
    if key in COUNTS:
        return int(value)
    if BY_KEY[key].is_time:
        return datetime.fromtimestamp(value, UTC).isoformat()
    return float(value)
