"""Which runs of a course are over, so that it is known how they ended for nearly everyone.

In a run that goes on, those whose end is known are those who gave up: a model that learned from it, or was judged by
it, would think that everybody fails.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import connection

OVER = 0.95  # of a run's people have ended
LEAST_HELD_OUT = 400  # people


@dataclass(frozen=True, slots=True)
class Run:
    """One course with one start."""

    course_id: int
    starts_on: date
    people: int
    over_at: datetime  # when nearly everybody's end was known


_OVER = """
SELECT course_id, starts_on, people, over_at FROM (
    SELECT e.course_id, e.starts_on, count(*) AS people,
           count(ended.at)::float8 / count(*) AS share,
           percentile_disc(%(over)s) WITHIN GROUP (ORDER BY coalesce(ended.at, 'infinity')) AS over_at
    FROM learners_enrolment e
    JOIN learners_course c ON c.id = e.course_id
    CROSS JOIN LATERAL (SELECT CASE
        WHEN e.ended_at <= %(now)s THEN e.ended_at
        -- Nobody said how it ended, and the time for it is over.
        ELSE nullif((coalesce(e.due_on, e.starts_on + c.length_days) + 1)::timestamp AT TIME ZONE 'UTC',
                    'infinity') END AS at) ended
    WHERE e.starts_on <= %(today)s
    GROUP BY e.course_id, e.starts_on
) runs
WHERE share >= %(over)s AND over_at <= %(now)s
ORDER BY over_at, course_id, starts_on
"""


def over(*, now: datetime) -> list[Run]:
    """Every run that is over, the one that ended first at the front."""
    with connection.cursor() as cursor:
        cursor.execute(_OVER, {"over": OVER, "now": now, "today": now.date()})
        return [Run(*row) for row in cursor.fetchall()]


def held_out(runs: list[Run], *, least: int = LEAST_HELD_OUT) -> list[Run]:
    """The runs to keep aside: the last ones to end, until they hold enough people; never more than half of all.

    Of a single run nothing is: a candidate that learned from it waits until another has ended.
    """
    chosen: list[Run] = []
    people = 0
    for run in reversed(runs[(len(runs) + 1) // 2 :]):
        if people >= least:
            break
        chosen.append(run)
        people += run.people
    return chosen[::-1]


def learn_as_of(*, now: datetime) -> datetime:
    """Up to when a candidate may learn: just before the first of the runs that are kept aside was over."""
    kept = held_out(over(now=now))
    return min((run.over_at for run in kept), default=now) - timedelta(seconds=1) if kept else now
