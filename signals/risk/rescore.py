"""After a model became live or was taken back, or a feature was retired or restored: every risk from before is due
again, a few at a time."""

from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Max

from signals.models import RetiredFeature, Risk
from signals.risk.live import live_model, open_faults

# So many wait at once. New events come before them in the refresh, and no transaction grows with the organisation.
WAITING = 5_000

# For so long risks from before a retirement are looked for; after it, the weekly look has found those that are left.
FOLLOWS = timedelta(days=2)

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
_OUTDATED = """
UPDATE signals_risk SET review_at = %(now)s
WHERE enrolment_id IN (
    SELECT enrolment_id FROM signals_risk
    WHERE as_of < %(changed)s AND (review_at IS NULL OR review_at > %(now)s)
    ORDER BY enrolment_id LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED)
"""


def mark(*, now: datetime, limit: int = WAITING) -> int:
    """How many risks became due: those of another model than the live one, and those that a feature is part of which
    has been retired since (or is not and was), while fewer than ``limit`` wait.

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
        marked: int = cursor.rowcount
        changed = _features_changed_at(now)
        if changed is not None and marked < limit - waiting:
            cursor.execute(_OUTDATED, {"now": now, "changed": changed, "limit": limit - waiting - marked})
            marked += cursor.rowcount
    return marked


def _features_changed_at(now: datetime) -> datetime | None:
    """When a feature was last retired or restored; None where that is long past."""
    newest = RetiredFeature.objects.aggregate(retired=Max("retired_at"), restored=Max("restored_at"))
    changed = max((at for at in newest.values() if at is not None), default=None)
    return changed if changed is not None and changed > now - FOLLOWS else None
