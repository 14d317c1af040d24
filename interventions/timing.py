"""When a message may go out: outside quiet hours in the recipient's zone. Pure."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from interventions.policy.document import Limits

OwnHours = tuple[time, time] | None  # from, until: what the recipient asked for on top of the policy's
Span = tuple[time, time]
SATURDAY = 5
WORKING_MORNING = time(9)
# Quiet hours are shorter than a day, and two weekend days may follow each other; the date line may skip one more.
FURTHEST_DAYS = 10
_DAY = timedelta(days=1)


def is_quiet(
    at: datetime, zone: ZoneInfo, limits: Limits, own: OwnHours = None, *, working_only: bool = False
) -> bool:
    """Is it quiet hours, the recipient's own ones, or a quiet weekend, where the recipient is?

    ``working_only``: for somebody whose zone nobody knows, everything outside the policy's working hours is quiet.
    """
    local = at.astimezone(zone)
    if (limits.quiet_weekends or working_only) and local.weekday() >= SATURDAY:
        return True
    clock = local.time()
    return any(_is_within(clock, *span) for span in _quiet_spans(limits, own, working_only))


def next_open(
    at: datetime, zone: ZoneInfo, limits: Limits, own: OwnHours = None, *, working_only: bool = False
) -> datetime:
    """The first moment from ``at`` on that is not quiet, in UTC."""
    if not is_quiet(at, zone, limits, own, working_only=working_only):
        return at
    # Quiet can end only where a quiet span ends on the clock, at midnight, or where the clocks are changed.
    ends = {time(0), *(end for _, end in _quiet_spans(limits, own, working_only))}
    day = at.astimezone(zone).date() - _DAY
    for moment in sorted({*_instants(day, ends, zone), *_changes(day, zone)}):
        if moment >= at and not is_quiet(moment, zone, limits, own, working_only=working_only):
            return moment
    raise ValueError(
        "The policy's quiet hours leave no hour of the week open; change limits.quiet_from or quiet_to."
    )


def first_instant(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """The first moment of that day at which clocks in the zone show this time or, where they skip it, a later one."""
    moment = datetime.combine(day, clock, zone).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == datetime.combine(day, clock):
        return moment
    # Skipped: read with the offset of after the change it lies before it, with that of before it lies after.
    early = datetime.combine(day, clock, zone).replace(fold=1).astimezone(UTC)
    return _change_between(early, moment, zone)


@lru_cache(maxsize=1024)
def _quiet_spans(limits: Limits, own: OwnHours, working_only: bool) -> tuple[Span, ...]:
    """The quiet spans of a day. What would leave no half hour of it open, with those before it, is left out."""
    spans: list[Span] = [(_clock(limits.quiet_from), _clock(limits.quiet_to))]
    wanted: list[OwnHours] = [own]
    if working_only:
        wanted.insert(0, (_clock(limits.working_to), _clock(limits.working_from)))
    for span in wanted:
        if span is not None and _leave_time([*spans, span]):
            spans.append(span)
    return tuple(spans)


def _leave_time(spans: list[Span]) -> bool:
    halves = (time(half // 2, half % 2 * 30) for half in range(48))
    return any(not any(_is_within(one, *span) for span in spans) for one in halves)


def _clock(text: str) -> time:
    return time.fromisoformat(text)


def _is_within(clock: time, start: time, end: time) -> bool:
    if start <= end:
        return start <= clock < end
    return clock >= start or clock < end


def _instants(first: date, clocks: set[time], zone: ZoneInfo) -> Iterator[datetime]:
    """Every moment of some days at which clocks in the zone show one of these times, twice where they go back."""
    for offset in range(FURTHEST_DAYS + 2):
        for clock in clocks:
            shown = datetime.combine(first + offset * _DAY, clock, zone)
            once, again = shown.astimezone(UTC), shown.replace(fold=1).astimezone(UTC)
            yield once
            if again != once:
                yield again


def _changes(first: date, zone: ZoneInfo) -> Iterator[datetime]:
    """The moments in these days at which the zone's clocks are changed."""
    begins = datetime.combine(first, time(0), UTC) - _DAY
    for offset in range(FURTHEST_DAYS + 4):
        start = begins + offset * _DAY
        if start.astimezone(zone).utcoffset() != (start + _DAY).astimezone(zone).utcoffset():
            yield _change_between(start, start + _DAY, zone)


def _change_between(start: datetime, end: datetime, zone: ZoneInfo) -> datetime:
    """The moment, to the second, at which the zone's offset is no longer the one of ``start``."""
    before = start.astimezone(zone).utcoffset()
    while end - start > timedelta(seconds=1):
        middle = start + (end - start) // 2
        middle = middle.replace(microsecond=0)
        if middle <= start:
            break
        if middle.astimezone(zone).utcoffset() == before:
            start = middle
        else:
            end = middle
    return end
