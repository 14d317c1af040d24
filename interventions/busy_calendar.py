"""Reads a calendar file (iCalendar, RFC 5545) as business-critical days; no database.

Every event counts, on each day it touches; cancelled ones do not. What recurs is followed for a year and a half.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from interventions.models.holding import LONGEST_DAYS

LARGEST_FILE = 1_000_000  # bytes
MOST_EVENTS = 500
FURTHEST = timedelta(days=550)
LONGEST_NAME = 120
LONGEST_UID = 255
# An event that recurs within a day can only be meant for something else, and would take hours to follow.
TOO_OFTEN = ("SECONDLY", "MINUTELY", "HOURLY")
UNNAMED = "Busy"


class Busy(NamedTuple):
    """One stretch of business-critical days, both included."""

    uid: str
    name: str
    first: date
    last: date


class CalendarFault(ValueError):
    """The file cannot be used as it is; the message says what to mend, and nothing of it was taken."""


def read(content: bytes, *, since: date, zone: ZoneInfo) -> list[Busy]:
    """The calendar's events that end on or after this day, by their first day. Raises CalendarFault.

    ``zone``: on whose clock a time of day falls on a day.
    """
    if len(content) > LARGEST_FILE:
        raise CalendarFault("The file is larger than 1 MB: export only the calendar with these weeks.")
    calendars = _calendars(content)
    found = sorted(
        {busy for calendar in calendars for busy in _events(calendar, since, zone)},
        key=lambda one: (one.first, one.uid, one.last),
    )
    once = {(one.uid, one.first): one for one in found}
    if not once:
        raise CalendarFault("The calendar has no event from today on, so there is nothing to declare.")
    if len(once) > MOST_EVENTS:
        raise CalendarFault(
            f"The calendar has more than {MOST_EVENTS} events to come: export one that holds only busy weeks."
        )
    for one in once.values():
        if (one.last - one.first).days >= LONGEST_DAYS:
            raise CalendarFault(
                f"“{one.name}” from {one.first:%-d %B %Y} lasts longer than {LONGEST_DAYS // 7} weeks."
            )
    return list(once.values())


def _calendars(content: bytes) -> list[Any]:
    import icalendar

    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CalendarFault("The file is not UTF-8, as calendar files are: export it again.") from None
    if "BEGIN:VCALENDAR" not in text.upper():
        raise CalendarFault("This is no calendar file: it does not contain BEGIN:VCALENDAR.")
    if "END:VCALENDAR" not in text.upper():
        raise CalendarFault("The file ends in the middle of the calendar: export it again.")
    try:
        calendars = list(icalendar.Calendar.from_ical(text, multiple=True))
    except (ValueError, KeyError, IndexError) as fault:
        raise CalendarFault(f"The calendar cannot be read: {_short(fault)}.") from fault
    for calendar in calendars:
        for event in calendar.walk("VEVENT"):
            _check(event)
    return calendars


def _check(event: Any) -> None:
    name = _name(event)
    broken = getattr(event, "errors", None)
    if broken:
        raise CalendarFault(f"“{name}” has a line that cannot be read: {broken[0][0]}.")
    if event.get("DTSTART") is None:
        raise CalendarFault(f"“{name}” has no first day (DTSTART).")
    end = event.get("DTEND")
    if end is not None and _is_before(end.dt, event["DTSTART"].dt):
        raise CalendarFault(f"“{name}” ends before it begins.")
    rules = event.get("RRULE") or []
    for rule in rules if isinstance(rules, list) else [rules]:
        often = [str(value).upper() for value in rule.get("FREQ", [])]
        if any(value in TOO_OFTEN for value in often) or any(
            rule.get(part) for part in ("BYSECOND", "BYMINUTE")
        ):
            raise CalendarFault(
                f"“{name}” recurs within a day; busy weeks recur by days, weeks, months or years."
            )


def _is_before(end: date | datetime, start: date | datetime) -> bool:
    """Whether these two, as far as they can be compared, are the wrong way round."""
    if isinstance(end, datetime) and isinstance(start, datetime):
        if (end.tzinfo is None) != (start.tzinfo is None):
            return end.date() < start.date()
        return end < start
    return not isinstance(end, datetime) and not isinstance(start, datetime) and end < start


def _events(calendar: Any, since: date, zone: ZoneInfo) -> Iterator[Busy]:
    import recurring_ical_events

    begins = datetime.combine(since - timedelta(days=1), time(0), UTC)
    try:
        occurring = recurring_ical_events.of(calendar).between(begins, begins + FURTHEST)
    except (ValueError, TypeError, KeyError, OverflowError, recurring_ical_events.InvalidCalendar) as fault:
        raise CalendarFault(f"The calendar cannot be followed: {_short(fault)}.") from fault
    for event in occurring:
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        start, end = event["DTSTART"].dt, event["DTEND"].dt if event.get("DTEND") else event["DTSTART"].dt
        first, last = _day(start, zone), _last_day(start, end, zone)
        if last >= max(since, first):
            yield Busy(str(event.get("UID", ""))[:LONGEST_UID] or _name(event), _name(event), first, last)


def _name(event: Any) -> str:
    return " ".join(str(event.get("SUMMARY", "")).split())[:LONGEST_NAME] or UNNAMED


def _day(moment: date | datetime, zone: ZoneInfo) -> date:
    if not isinstance(moment, datetime):
        return moment
    # A time without a zone is meant on the clock of whoever reads it.
    return (moment.astimezone(zone) if moment.tzinfo else moment).date()


def _last_day(start: date | datetime, end: date | datetime, zone: ZoneInfo) -> date:
    """The last day an event touches: its end is the first moment, or day, that is free again."""
    if not isinstance(end, datetime):
        return max(end - timedelta(days=1), _day(start, zone)) if end >= _day(start, zone) else end
    if end == start:
        return _day(end, zone)
    return _day(end - timedelta(microseconds=1), zone)


def _short(fault: Exception) -> str:
    return " ".join(str(fault).split())[:160].rstrip(".") or type(fault).__name__
