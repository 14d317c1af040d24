"""Mastery of competencies as of any moment, and the current one kept for whoever changed."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction

from signals.mastery.answers import CLOCK_AHEAD, PAST, PRESENT, current_fit, items, parameters
from signals.mastery.factors import LEAST_ANSWERS
from signals.models import Mastery

AT_ONCE = 50_000  # points in one statement


class Estimate(NamedTuple):
    """What answers say, as of a moment, of the competencies that an enrolment has asked about."""

    enrolment_id: int
    as_of: datetime
    weakest: float
    mean: float
    known: int  # competencies with enough answers


_AS_OF = """
WITH point AS MATERIALIZED (
    SELECT p.n, p.enrolment_id, p.as_of, e.learner_id
    FROM unnest(%(ids)s::bigint[], %(as_of)s::timestamptz[]) WITH ORDINALITY AS p (enrolment_id, as_of, n)
    JOIN learners_enrolment e ON e.id = p.enrolment_id
),
{summed}
SELECT point.enrolment_id, point.as_of, min(value), avg(value), count(*)
FROM estimated JOIN point USING (n)
-- A competency is a person's, whatever course it was shown in; here are those that this course has asked about.
WHERE answers >= %(least)s AND point.enrolment_id = ANY(enrolments)
GROUP BY point.n, point.enrolment_id, point.as_of
ORDER BY point.n
"""


def as_of(points: Sequence[tuple[int, datetime]], *, mark_lag_days: int = 0) -> list[Estimate]:
    """The estimate for each of these (enrolment, moment), in their order; none for those of whom too little is known.

    Only answers that were known at the moment count; with a lag, only so many days after they were given. The
    parameters are those of the newest fit.
    """
    return _estimates(points, PAST, timedelta(days=mark_lag_days))


def present(points: Sequence[tuple[int, datetime]]) -> list[Estimate]:
    """The same as things stand, each with its own "now": everything that is stored counts."""
    return _estimates(points, PRESENT, -CLOCK_AHEAD)


def _estimates(points: Sequence[tuple[int, datetime]], summed: str, lag: timedelta) -> list[Estimate]:
    shown = items()
    if not points or not shown:
        return []
    fixed = {
        **parameters(shown, current_fit()),
        "lag_s": lag.total_seconds(),
        "least": LEAST_ANSWERS,
    }
    found: list[Estimate] = []
    for first in range(0, len(points), AT_ONCE):
        some = points[first : first + AT_ONCE]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL jit = off")
            cursor.execute(
                _AS_OF.format(summed=summed),
                {**fixed, "ids": [pk for pk, _ in some], "as_of": [at for _, at in some]},
            )
            found += [Estimate(*row) for row in cursor.fetchall()]
    return found


_KEEP = """
WITH point AS MATERIALIZED (
    SELECT id AS n, id AS learner_id, %(now)s::timestamptz AS as_of
    FROM unnest(%(learners)s::uuid[]) AS p (id)
),
{summed},
bounded AS MATERIALIZED (
    SELECT n, competency_id, value, answers, last_answer_at,
           -- Rounding must not push a bound past what it bounds.
           least(greatest((value + z.square / (2 * number) - spread) / (1 + z.square / number), 0), value) AS low,
           greatest(least((value + z.square / (2 * number) + spread) / (1 + z.square / number), 1), value) AS high
    FROM estimated
    CROSS JOIN (SELECT 1.645::float8 AS z, 1.645::float8 ^ 2 AS square) z
    CROSS JOIN LATERAL (SELECT estimated.right + estimated.wrong AS number) many
    CROSS JOIN LATERAL (
        SELECT z.z * sqrt(value * (1 - value) / number + z.square / (4 * number * number)) AS spread
    ) half
),
-- Two courses of one person may be computed at once: the later look stays.
gone AS (
    DELETE FROM signals_mastery m
    WHERE m.learner_id = ANY(%(learners)s) AND m.as_of <= %(now)s
      AND (m.learner_id, m.competency_id) NOT IN (SELECT n, competency_id FROM bounded)  -- hashed once
    RETURNING 1
),
kept AS (
    INSERT INTO signals_mastery AS m
        (learner_id, competency_id, value, low, high, answers, last_answer_at, as_of, fit_id)
    SELECT n, competency_id, value, low, high, answers, last_answer_at, %(now)s, %(fit)s
    FROM bounded ORDER BY n, competency_id  -- one order for all writers
    ON CONFLICT (learner_id, competency_id) DO UPDATE SET
        value = excluded.value, low = excluded.low, high = excluded.high, answers = excluded.answers,
        last_answer_at = excluded.last_answer_at, as_of = excluded.as_of, fit_id = excluded.fit_id
    WHERE m.as_of <= excluded.as_of
      AND (m.value, m.answers, m.last_answer_at, m.fit_id)
          IS DISTINCT FROM (excluded.value, excluded.answers, excluded.last_answer_at, excluded.fit_id)
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM kept)
"""


def keep(learners: Collection[UUID], *, now: datetime) -> int:
    """Keeps the current mastery of these people, in the caller's transaction; how many (person, competency) changed.

    A fixed number of queries. What no answer speaks for any more (voided, or the framework changed) is forgotten.
    """
    shown = items()
    if not learners:
        return 0
    if not shown:
        return Mastery.objects.filter(learner__in=learners, as_of__lte=now).delete()[0]
    fit = current_fit()
    with connection.cursor() as cursor:
        cursor.execute(
            _KEEP.format(summed=PRESENT),
            {
                **parameters(shown, fit),
                "learners": sorted(learners),
                "now": now,
                "lag_s": -CLOCK_AHEAD.total_seconds(),
                "fit": fit.pk if fit is not None else None,
            },
        )
        changed: int = cursor.fetchone()[0]
    return changed
