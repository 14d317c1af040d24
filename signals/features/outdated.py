"""Rollups of an earlier recipe are brought up to date, a few at a time, while nothing more urgent waits.

After an upgrade the new columns of rollups that are there already hold nothing. Their days are marked as stale, so
that the refresh computes them again from their events as it does any other; doing it twice changes nothing.
"""

from datetime import datetime

from django.db import connection

from signals.features.rollup import RECIPE
from signals.models import EnrolmentMark

AT_ONCE = 500  # enrolments; they queue before what changes meanwhile, so they must not be many


def mark(*, now: datetime, limit: int = AT_ONCE) -> int:
    """How many enrolments were marked; none while that many wait already."""
    waiting = EnrolmentMark.objects.filter(dirty_since__isnull=False)[:limit].count()
    if waiting >= limit:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            # A day that is marked already waits for its refresh, or for its learner to agree again.
            f"""
            WITH old AS (
                SELECT r.enrolment_id, array_agg(r.day) AS days
                FROM signals_dailyrollup r JOIN signals_enrolmentmark m USING (enrolment_id)
                WHERE r.recipe < {RECIPE} AND r.day <> ALL(m.dirty_days)
                GROUP BY r.enrolment_id ORDER BY r.enrolment_id LIMIT %s
            ), locked AS (
                SELECT m.enrolment_id, old.days FROM signals_enrolmentmark m JOIN old USING (enrolment_id)
                ORDER BY m.enrolment_id FOR UPDATE OF m SKIP LOCKED
            )
            UPDATE signals_enrolmentmark m
            SET dirty_days = ARRAY(SELECT DISTINCT unnest(m.dirty_days || locked.days) ORDER BY 1),
                dirty_since = coalesce(m.dirty_since, %s)
            FROM locked WHERE m.enrolment_id = locked.enrolment_id
            """,
            [limit - waiting, now],
        )
        return cursor.rowcount
