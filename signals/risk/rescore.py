"""After a model became live or was taken back: every risk of another model is due again, a few at a time."""

from datetime import datetime

from django.db import connection

from signals.models import Risk
from signals.risk.live import live_model, open_faults

# So many wait at once. New events come before them in the refresh, and no transaction grows with the organisation.
WAITING = 5_000

_MARK = """
UPDATE signals_risk SET review_at = %(now)s
WHERE enrolment_id IN (
    SELECT enrolment_id FROM signals_risk
    -- Names the others rather than "not the live one", so that the index by model answers.
    WHERE model_version_id IN (SELECT id FROM signals_modelversion WHERE id <> %(live)s)
      AND (review_at IS NULL OR review_at > %(now)s)
    ORDER BY enrolment_id LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED)
"""


def mark(*, now: datetime, limit: int = WAITING) -> int:
    """How many risks became due: those of another model than the live one, while fewer than ``limit`` wait.

    Only marks: the refresh claims them like any that time has changed, a thousand to a transaction. Finds its work as
    rows, so it goes on wherever it was stopped.
    """
    if open_faults().exists():
        return (
            0  # the live model cannot score: another stands in, and whatever were marked would never be done
        )
    live = live_model(now=now)
    waiting = Risk.objects.filter(review_at__lte=now)[:limit].count()
    if waiting >= limit:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_MARK, {"now": now, "live": live.pk, "limit": limit - waiting})
        return cursor.rowcount
