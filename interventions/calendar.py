"""A suggestion as an entry for a calendar (RFC 5545). Pure, except for the wording it is given."""

from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from interventions import timing
from interventions.policy.document import Limits

BEGINS = time(9)
_SHORTEST = timedelta(minutes=15)  # an entry for five minutes is hard to see


def starts_at(*, after: datetime, zone: ZoneInfo, limits: Limits, own: timing.OwnHours = None) -> datetime:
    """The next morning, or the first open moment after it, where the recipient is."""
    day = after.astimezone(zone).date() + timedelta(days=1)
    return timing.next_open(datetime.combine(day, BEGINS, zone).astimezone(UTC), zone, limits, own)


def entry(
    *, uid: UUID, title: str, text: str, address: str, starts_at: datetime, minutes: int, said_at: datetime
) -> bytes:
    """One entry, the same bytes each time; taken in twice it is one. It takes no time away: others see "free"."""
    from icalendar import Calendar, Event

    calendar = Calendar()
    calendar.add("prodid", "-//Rekindle//Suggestions//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    event = Event()
    event.add("uid", f"{uid}@rekindle")
    event.add("dtstamp", said_at.astimezone(UTC))
    event.add("dtstart", starts_at.astimezone(UTC))
    event.add("dtend", starts_at.astimezone(UTC) + max(timedelta(minutes=minutes), _SHORTEST))
    event.add("summary", title)
    event.add("description", text)
    event.add("url", address)
    event.add("transp", "TRANSPARENT")
    event.add("class", "PRIVATE")
    calendar.add_component(event)
    return calendar.to_ical()
