"""The monthly partitions of the event table: made ahead by the beat, or when a statement first needs one."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

TABLE = "signals_event"
MONTHS_AHEAD = 2
# One writer makes partitions at a time; the others wait for its (short) transaction.
MAKING = 0x52454B49
# A clock further ahead than this is wrong, and so is what it says.
AHEAD_ALLOWED = timedelta(minutes=10)

# The newest partitions are never dropped, so a process may remember that it has seen them.
NEVER_DROPPED = 6
_made: dict[str, set[date]] = {}


def earliest_day() -> date:
    """The first day an event may be of. Before it a clock is taken to be wrong."""
    return getattr(settings, "EARLIEST_EVENT_DAY", date(2012, 1, 1))


def month_of(moment: datetime) -> date:
    """The first day of the (UTC) month."""
    return date(moment.year, moment.month, 1)


def next_month(month: date) -> date:
    """The first day of the month after."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def make_ahead(*, now: datetime, limit: int = 12) -> int:
    """How many partitions were made so that this month and the next two exist."""
    months = [month_of(now)]
    for _ in range(MONTHS_AHEAD):
        months.append(next_month(months[-1]))
    return ensure(months[:limit])


def ensure(months: Iterable[date]) -> int:
    """How many of these months' partitions had to be made; afterwards all exist."""
    # Inside somebody's transaction what is made may still be rolled back, so nothing is remembered there.
    known = (
        set()
        if connection.in_atomic_block
        else _made.setdefault(str(connection.settings_dict["NAME"]), set())
    )
    missing = sorted(set(months) - known)
    if not missing:
        return 0
    there = existing()
    made = 0
    if not set(missing) <= there:
        made = _make(missing)
        there.update(missing)
    # Not added to: a month that was among the newest once may be dropped some day.
    known.clear()
    known.update(newest(there))
    return made


def newest(months: Iterable[date]) -> set[date]:
    """Those of the months that no retention drops."""
    return set(sorted(months)[-NEVER_DROPPED:])


def drop(month: date) -> int:
    """How many bytes were given back: the month's partition goes, whatever its size. In the caller's transaction.

    One of the newest, which every process may remember as being there, is emptied instead.
    """
    there = existing()
    if month not in there:
        return 0
    name = f"{TABLE}_{month:%Y_%m}"
    with patience(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_total_relation_size(%s::regclass)", [name])
        size = int(cursor.fetchone()[0])
        cursor.execute(f"TRUNCATE {name}" if month in newest(there) else f"DROP TABLE {name}")
    return size


def existing() -> set[date]:
    """The months that have a partition."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid"
            " WHERE inhparent = %s::regclass",
            [TABLE],
        )
        return {_month_in(name) for (name,) in cursor.fetchall()}


def _make(months: list[date]) -> int:
    made = 0
    with transaction.atomic(), patience(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [MAKING])
        there = existing()
        for month in months:
            if month in there:
                continue
            name = f"{TABLE}_{month:%Y_%m}"
            start, end = (datetime(day.year, day.month, 1, tzinfo=UTC) for day in (month, next_month(month)))
            # A table of its own, then attached: that lets writers of other months go on (CREATE … PARTITION OF
            # would lock the whole table against them).
            cursor.execute(f"CREATE TABLE {name} (LIKE {TABLE} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
            cursor.execute(
                f"ALTER TABLE {TABLE} ATTACH PARTITION {name} FOR VALUES FROM (%s) TO (%s)",
                [start, end],
            )
            made += 1
    return made


@contextmanager
def patience() -> Iterator[None]:
    """Waits at most five seconds for a lock, here only: a stuck writer must not stop all others."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout'), set_config('lock_timeout', '5s', true)")
        before = cursor.fetchone()[0]
    yield
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [before])


def _month_in(name: str) -> date:
    year, month = name.rsplit("_", 2)[-2:]
    return date(int(year), int(month), 1)
