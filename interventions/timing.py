"""When a message may go out: outside quiet hours in the recipient's zone. Pure."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from interventions.policy.document import Document, Limits

SATURDAY = 5
WORKING_MORNING = time(9)


def _clock(text: str) -> time:
    return time.fromisoformat(text)


def is_quiet(at: datetime, zone: ZoneInfo, limits: Limits) -> bool:
    """Is it quiet hours, or a quiet weekend, where the recipient is?"""
    local = at.astimezone(zone)
    if limits.quiet_weekends and local.weekday() >= SATURDAY:
        return True
    start, end, clock = _clock(limits.quiet_from), _clock(limits.quiet_to), local.time()
    if start == end:
        return False
    if start < end:
        return start <= clock < end
    return clock >= start or clock < end


def next_open(at: datetime, zone: ZoneInfo, limits: Limits) -> datetime:
    """The first moment from ``at`` on that is not quiet, in UTC."""
    if not is_quiet(at, zone, limits):
        return at
    day = at.astimezone(zone).date()
    for offset in range(8):
        for clock in sorted({time(0), _clock(limits.quiet_to)}):
            moment = _instant(day + timedelta(days=offset), clock, zone)
            if moment >= at and not is_quiet(moment, zone, limits):
                return moment
    raise ValueError(
        "The policy's quiet hours leave no hour of the week open; change limits.quiet_from or quiet_to."
    )


def _instant(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """The moment at which clocks in the zone first show this time; the end of the gap where they skip it."""
    moment = datetime.combine(day, clock, zone).astimezone(UTC)
    if moment.astimezone(zone).time() != clock:
        # Skipped by a change of clocks: reading it with the offset of before lands just after the gap.
        moment = datetime.combine(day, clock, zone).replace(fold=0).astimezone(UTC)
    return moment


def due_at(now: datetime, zone: ZoneInfo, policy: Document) -> datetime:
    """When a step decided now should go out, by the policy's timing strategy."""
    if policy.timing == "next_working_morning":
        local = now.astimezone(zone)
        day = local.date() if local.time() < WORKING_MORNING else local.date() + timedelta(days=1)
        return next_open(max(_instant(day, WORKING_MORNING, zone), now), zone, policy.limits)
    return next_open(now, zone, policy.limits)
