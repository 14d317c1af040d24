"""When nobody is to be disturbed: leave, business-critical weeks and public holidays, as moments on somebody's clock.

Leave holds every step; weeks and holidays hold what is sent to learners and managers, as a coach can judge for
themself. What a learner asks for is held by nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from interventions.decide import LOOK_AGAIN
from interventions.models import BusyPeriod, Decision, Delivery, Hold
from interventions.models.holding import HoldReason
from interventions.timing import first_instant
from learners import workdays, zones
from learners.workdays import Workplace

# Days ahead for which holidays are looked up. A hold that is longer is looked at again when these are over.
AHEAD = timedelta(days=92)
_RANK = {reason.value: place for place, reason in enumerate(HoldReason)}


class Closed(NamedTuple):
    """A stretch of time in which somebody is not to be disturbed, from its first moment to the one it is over."""

    reason: str  # HoldReason
    name: str
    begins: datetime
    ends: datetime


def closed_times(
    learner_ids: Iterable[UUID], *, now: datetime, zone_of: Mapping[UUID, ZoneInfo] | None = None
) -> dict[UUID, tuple[Closed, ...]]:
    """Each learner's closed times that are not over, on their own clock, by their beginning; three queries at most."""
    wanted = list(dict.fromkeys(learner_ids))
    if not wanted:
        return {}
    places = workdays.workplaces(wanted)
    zone = zone_of or zones.zones_of(wanted)
    first, last = now.date() - timedelta(days=2), (now + AHEAD).date()
    periods = _periods({unit for place in places.values() for unit in place.units}, first)
    shared: dict[tuple[object, ...], tuple[Closed, ...]] = {}
    found = {}
    for pk in wanted:
        place = places.get(pk, Workplace())
        key = (place, zone[pk].key)
        if key not in shared:
            shared[key] = _closed(place, zone[pk], periods, first, last, now)
        found[pk] = shared[key]
    return found


def current(closed: Sequence[Closed], at: datetime) -> Closed | None:
    """The closed time to be named at that moment: leave before a busy week, a busy week before a holiday."""
    now = [one for one in closed if one.begins <= at < one.ends]
    return min(now, key=lambda one: (_RANK[one.reason], -one.ends.timestamp(), one.name), default=None)


def reopening(closed: Sequence[Closed], at: datetime) -> datetime:
    """The first moment from ``at`` on that lies in no closed time."""
    for one in sorted(closed, key=lambda one: one.begins):
        if one.begins <= at < one.ends:
            at = one.ends
    return at


def lasting(start: datetime, hours: float, closed: Sequence[Closed]) -> datetime:
    """The moment at which so many hours have passed, closed time not counted."""
    end = start + timedelta(hours=hours)
    reached = start
    for one in sorted(closed, key=lambda one: one.begins):
        begins, ends = max(one.begins, reached), one.ends
        if begins < end and ends > begins:
            end += ends - begins
            reached = ends
    return end


def hold(
    decision: Decision, *, closed: Closed, due: Sequence[Delivery], until: datetime, now: datetime
) -> None:
    """Keeps an alert's messages back until then; their own time runs no further meanwhile. Inside a transaction.

    A long hold is looked at again on the way, as declared weeks are shortened and leave ends early.
    """
    looked_at = min(until, now + LOOK_AGAIN)
    Hold.objects.update_or_create(
        decision=decision,
        defaults={"until": until, "released_at": None},
        create_defaults={"reason": closed.reason, "name": closed.name, "since": now, "until": until},
    )
    for delivery in due:
        left = max(delivery.expires_at - delivery.due_at, timedelta(0))
        Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.QUEUED).update(
            due_at=looked_at, expires_at=until + left
        )


def _periods(units: set[int], since: date) -> dict[int, list[BusyPeriod]]:
    found: dict[int, list[BusyPeriod]] = defaultdict(list)
    rows = BusyPeriod.objects.filter(unit_id__in=units, last_date__gte=since).order_by("first_date", "pk")
    for period in rows:
        found[period.unit_id].append(period)
    return found


def _closed(
    place: Workplace,
    zone: ZoneInfo,
    periods: Mapping[int, Sequence[BusyPeriod]],
    first: date,
    last: date,
    now: datetime,
) -> tuple[Closed, ...]:
    spans = [
        (HoldReason.BUSY_WEEK, period.name, period.first_date, period.last_date)
        for unit in place.units
        for period in periods.get(unit, ())
    ]
    if place.leave is not None:
        spans.append((HoldReason.LEAVE, "", *place.leave))
    spans += [
        (HoldReason.HOLIDAY, name, day, day)
        for day, name in workdays.public_holidays(place.holidays, first=first, last=last).items()
    ]
    closed = (
        Closed(
            reason.value,
            name,
            first_instant(begins, time(0), zone),
            first_instant(ends + timedelta(days=1), time(0), zone),
        )
        for reason, name, begins, ends in spans
        if ends >= first
    )
    return tuple(sorted((one for one in closed if one.ends > now), key=lambda one: (one.begins, one)))
