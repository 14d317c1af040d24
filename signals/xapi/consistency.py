"""Up to which moment everything stored can be read: the standard's X-Experience-API-Consistent-Through.

A statement's ``stored`` is read before its transaction commits, so a later one can become readable first. Writers
therefore announce their moment (a shared advisory lock on its second) until they have committed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from django.db import DatabaseError, connection

WRITING = 0x58415049
# A writer reads the clock a moment before its announcement can be seen.
MARGIN = timedelta(milliseconds=500)
LATELY = timedelta(milliseconds=50)

_answered: list[tuple[datetime, datetime]] = []  # when it was asked last, and the answer


# Planning ingest's queries anew for every batch costs more than running them for a small one, so each connection plans
# them once. A plan made while a table was still small must not read all of it later: it keeps to the indexes.
_PLAN_ONCE = (
    "set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false)"
)
_PLAN_ANEW = "set_config('plan_cache_mode', 'auto', false), set_config('enable_seqscan', 'on', false)"


@contextmanager
def announced(now: datetime) -> Iterator[None]:
    """Lets readers know, while the block runs, that statements stored at this moment are on their way."""
    second = int(now.timestamp())
    # What is stored inside somebody's transaction can be read when that one is over, and if it fails nothing more can
    # be asked of it: there the announcement ends with the transaction.
    is_theirs = connection.in_atomic_block
    lock = "pg_advisory_xact_lock_shared" if is_theirs else "pg_advisory_lock_shared"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {lock}(%s, %s), {_PLAN_ONCE}", [WRITING, second])
    try:
        yield
    finally:
        try:
            with connection.cursor() as cursor:
                if is_theirs:
                    cursor.execute(f"SELECT {_PLAN_ANEW}")
                else:
                    cursor.execute(
                        f"SELECT pg_advisory_unlock_shared(%s, %s), {_PLAN_ANEW}", [WRITING, second]
                    )
        except DatabaseError:
            # The connection is lost, or an outer transaction has failed: either releases by itself.
            if not connection.in_atomic_block:
                connection.close()


def consistent_through(*, now: datetime) -> datetime:
    """Everything stored before this can be read."""
    # What could be read a moment ago can be read still: most answers need not ask again. Within a transaction the
    # answer holds for this connection alone, which reads what it is itself still writing.
    is_shared = not connection.in_atomic_block
    if is_shared and _answered and timedelta(0) < now - _answered[0][0] < LATELY:
        return _answered[0][1]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT min(objid::bigint) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objsubid = 2"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND (%s OR pid <> pg_backend_pid())",
            [WRITING, is_shared],
        )
        oldest = cursor.fetchone()[0]
    through = now - MARGIN
    if oldest is not None:
        through = min(through, datetime.fromtimestamp(oldest, tz=UTC))
    if is_shared:
        _answered[:] = [(now, through)]
    return through
