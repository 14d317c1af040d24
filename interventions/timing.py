"""When a message may go out: outside quiet hours in the recipient's zone. Pure."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from interventions.policy.document import Document, Limits

OwnHours = tuple[time, time] | None  # from, until: what the recipient asked for on top of the policy's
SATURDAY = 5
WORKING_MORNING = time(9)


def _clock(text: str) -> time:
    return time.fromisoformat(text)


def _is_within(clock: time, start: time, end: time) -> bool:
    if start <= end:
        return start <= clock < end
    return clock >= start or clock < end


def _honoured(own: OwnHours, limits: Limits) -> OwnHours:
    """The recipient's own quiet hours; none where, with the policy's, they would leave no half hour of a day."""
    if own is None:
        return None
    policy = (_clock(limits.quiet_from), _clock(limits.quiet_to))
    halves = (time(half // 2, half % 2 * 30) for half in range(48))
    return own if any(not _is_within(one, *own) and not _is_within(one, *policy) for one in halves) else None


def is_quiet(at: datetime, zone: ZoneInfo, limits: Limits, own: OwnHours = None) -> bool:
    """Is it quiet hours, the recipient's own ones, or a quiet weekend, where the recipient is?"""
    local = at.astimezone(zone)
    if limits.quiet_weekends and local.weekday() >= SATURDAY:
        return True
    clock, own = local.time(), _honoured(own, limits)
    if own is not None and _is_within(clock, *own):
        return True
    return _is_within(clock, _clock(limits.quiet_from), _clock(limits.quiet_to))


def next_open(at: datetime, zone: ZoneInfo, limits: Limits, own: OwnHours = None) -> datetime:
    """The first moment from ``at`` on that is not quiet, in UTC."""
    if not is_quiet(at, zone, limits, own):
        return at
    day = at.astimezone(zone).date()
    ends = {time(0), _clock(limits.quiet_to), *((own[1],) if own is not None else ())}
    for offset in range(8):
        for clock in sorted(ends):
            moment = _instant(day + timedelta(days=offset), clock, zone)
            if moment >= at and not is_quiet(moment, zone, limits, own):
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


def due_at(now: datetime, zone: ZoneInfo, policy: Document, own: OwnHours = None) -> datetime:
    """When a step decided now should go out, by the policy's timing strategy."""
    if policy.timing == "next_working_morning":
        local = now.astimezone(zone)
        day = local.date() if local.time() < WORKING_MORNING else local.date() + timedelta(days=1)
        return next_open(max(_instant(day, WORKING_MORNING, zone), now), zone, policy.limits, own)
    return next_open(now, zone, policy.limits, own)
