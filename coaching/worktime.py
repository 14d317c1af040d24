"""Hours that count: working days, and the working hours within them, in the organisation's zone. Pure arithmetic."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

WORKDAY = (9, 17)  # a coach's hours
ALL_DAY = (0, 24)
SATURDAY = 5


def add_hours(start: datetime, hours: float, zone: ZoneInfo, *, day: tuple[int, int] = WORKDAY) -> datetime:
    """The moment so many counting hours after ``start``; weekends and the hours outside ``day`` do not count."""
    left = timedelta(hours=hours)
    at = start
    while True:
        opens, closes = _hours(at.astimezone(zone).date(), zone, day)
        at = max(at, opens)
        if opens < closes and at < closes:
            if at + left <= closes:
                return at + left
            left -= closes - at
        at = _midnight_after(at, zone)


def hours_between(start: datetime, end: datetime, zone: ZoneInfo, *, day: tuple[int, int] = WORKDAY) -> float:
    """How many counting hours lie between two moments; negative where the end is past."""
    if end < start:
        return -hours_between(end, start, zone, day=day)
    total = timedelta()
    at = start
    while at < end:
        opens, closes = _hours(at.astimezone(zone).date(), zone, day)
        total += max(min(end, closes) - max(at, opens), timedelta())
        at = _midnight_after(at, zone)
    return total.total_seconds() / 3600


def next_working_morning(after: datetime, zone: ZoneInfo, *, hour: int = 9) -> datetime:
    """The next working day's morning that lies after a moment."""
    at = after
    while True:
        local = at.astimezone(zone)
        opens = datetime.combine(local.date(), time(hour), zone)
        if local.weekday() < SATURDAY and opens > after:
            return opens
        at = _midnight_after(at, zone)


def _hours(on: date, zone: ZoneInfo, day: tuple[int, int]) -> tuple[datetime, datetime]:
    """When the counting hours of a day begin and end; the same moment on a weekend."""
    midnight = datetime.combine(on, time(), zone)
    if on.weekday() >= SATURDAY:
        return _utc(midnight), _utc(midnight)
    first, last = day
    closes = (
        datetime.combine(on + timedelta(days=1), time(), zone)
        if last == 24
        else datetime.combine(on, time(last), zone)
    )
    return _utc(datetime.combine(on, time(first), zone)), _utc(closes)


def _midnight_after(at: datetime, zone: ZoneInfo) -> datetime:
    return _utc(datetime.combine(at.astimezone(zone).date() + timedelta(days=1), time(), zone))


def _utc(at: datetime) -> datetime:
    # Differences between two times of one zone ignore its clock changes; those between UTC times do not.
    return at.astimezone(ZoneInfo("UTC"))
