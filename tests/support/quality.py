"""Sources with a past: days of counts without the statements behind them."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from signals.models import Credential, SourceDay, TallyMark
from signals.xapi import credentials

MONDAY = date(2026, 3, 2)
DAY = timedelta(days=1)


def moment_of(day: date, hour: int = 6) -> datetime:
    return datetime.combine(day, time(hour), tzinfo=UTC)


def counted_through(now: datetime) -> None:
    """Says that everything that came before is counted."""
    TallyMark.objects.update_or_create(pk=1, defaults={"through": now})


def office(day: date, usual: int = 1000) -> int:
    """Busy from Monday to Friday, quiet at weekends, and never twice the same."""
    noise = random.Random(day.toordinal()).uniform(0.8, 1.25)
    return round((usual if day.weekday() < 5 else usual * 0.01) * noise)


def put(source: Credential, day: date, **counts: Any) -> SourceDay:
    """One day of a source, replacing what was there."""
    row, _ = SourceDay.objects.update_or_create(
        source=source, day=day, defaults={"last_at": moment_of(day, 17), **counts}
    )
    return row


def make_source(
    name: str = "lms",
    per_day: Callable[[date], int] = office,
    *,
    until: date = MONDAY,
    weeks: int = 10,
    permissions: tuple[str, ...] = ("write",),
    **shares: Callable[[int], int],
) -> Credential:
    """A source that has sent so many statements a day up to ``until``; ``shares`` are parts of each day's number."""
    source = credentials.create(
        name=name, permissions=permissions, now=moment_of(until - timedelta(weeks=weeks))
    ).credential
    rows = []
    for back in range(weeks * 7, 0, -1):
        day = until - back * DAY
        number = per_day(day)
        parts = {key: share(number) for key, share in shares.items()}
        rows.append(SourceDay(source=source, day=day, statements=number, last_at=moment_of(day, 17), **parts))
    SourceDay.objects.bulk_create(rows)
    return source
