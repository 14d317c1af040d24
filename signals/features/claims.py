"""Which enrolments a refresh computes anew, and whether what it computed still holds when it comes to be written.

Two locks, for two purposes. An advisory lock keeps other workers from computing the same enrolment, and nobody else
waits for it. The lock on the mark, which ingest takes too, is held only while results are written: then the mark says
whether more has become known since, or whether somebody else (a withdrawal, a merge, a rebuild) has come first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.db.backends.utils import CursorWrapper

from signals.models import EnrolmentMark

CLAIMING = 0x52465253  # the class of these advisory locks


@dataclass(frozen=True, slots=True)
class Claim:
    """An enrolment that this transaction computes, and its mark as it was before anything was read."""

    enrolment_id: int
    known_seq: int
    dirty_since: datetime | None


class Held(NamedTuple):
    """Claims whose marks are locked now: what may be written, and what a next refresh has to see to."""

    current: set[int]  # nothing has become known since: written, and done
    overtaken: set[int]  # more has become known since: written, and the mark stands


# OFFSET keeps the condition outside, where it is asked row by row and in order until there are enough: a lock that is
# taken for a row beyond the limit would keep others from it. Who holds none of these locks may have written the row
# since this statement began, so marks are read after it.
_CLAIM = """
SELECT enrolment_id FROM ({waiting} OFFSET 0) waiting
WHERE pg_try_advisory_xact_lock({claiming}, hashint8(enrolment_id)) LIMIT {limit}
"""
# A mark with stale days comes when its rollups are made.
_DIRTY = """
SELECT enrolment_id FROM signals_enrolmentmark WHERE dirty_since IS NOT NULL AND dirty_days = '{}'
ORDER BY dirty_since, enrolment_id
"""
_DUE = """
SELECT enrolment_id FROM signals_risk JOIN signals_enrolmentmark USING (enrolment_id)
WHERE review_at <= %s AND dirty_since IS NULL ORDER BY review_at, enrolment_id
"""
_READ = """
SELECT m.enrolment_id, m.known_seq, m.dirty_since
FROM signals_enrolmentmark m LEFT JOIN signals_risk r USING (enrolment_id)
WHERE m.enrolment_id = ANY(%s)
  AND (m.dirty_since IS NOT NULL AND m.dirty_days = '{}' OR m.dirty_since IS NULL AND r.review_at <= %s)
ORDER BY m.enrolment_id
"""


def claim(*, now: datetime, limit: int) -> list[Claim]:
    """Up to ``limit`` enrolments that have changed, the longest waiting first, then those that time alone has changed.

    They are this transaction's until it ends; their marks are not locked.
    """
    with connection.cursor() as cursor:
        ids = _claimed(cursor, _DIRTY, limit)
        if len(ids) < limit:
            ids += _claimed(cursor, _DUE, limit - len(ids), now)
        if not ids:
            return []
        cursor.execute(_READ, [ids, now])
        return [Claim(*row) for row in cursor.fetchall()]


def _claimed(cursor: CursorWrapper, waiting: str, limit: int, *values: datetime) -> list[int]:
    cursor.execute(_CLAIM.format(waiting=waiting, claiming=CLAIMING, limit=int(limit)), values or None)
    return [row[0] for row in cursor.fetchall()]


def lock(claims: Sequence[Claim]) -> Held:
    """Locks the marks, in the order of all who lock them, and says which claims still stand.

    A claim is in neither set where somebody else has seen to it since: computed, withdrawn, erased or merged.
    """
    locked = EnrolmentMark.objects.select_for_update().filter(pk__in=[one.enrolment_id for one in claims])
    marks = {
        pk: (known_seq, dirty_since, bool(dirty_days))
        for pk, known_seq, dirty_since, dirty_days in locked.order_by("pk").values_list(
            "pk", "known_seq", "dirty_since", "dirty_days"
        )
    }
    held = Held(set(), set())
    for one in claims:
        mark = marks.get(one.enrolment_id)
        if mark is None:
            continue
        known_seq, dirty_since, has_stale_days = mark
        is_as_before = (known_seq, dirty_since) == (one.known_seq, one.dirty_since)
        # Days may have become stale without anything new to know (signals.features.outdated). Those of people who
        # refuse stay noted on a mark that waits for nothing.
        if is_as_before and (not has_stale_days or dirty_since is None):
            held.current.add(one.enrolment_id)
        elif dirty_since is not None:
            held.overtaken.add(one.enrolment_id)
    return held
