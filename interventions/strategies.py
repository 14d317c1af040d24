"""Timing strategies: the moment for which a step is meant. Quiet hours and holds come on top. Pure."""

from collections import defaultdict
from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from interventions import holds, timing
from interventions.holds import Closed
from interventions.policy.document import Document, Limits
from interventions.policy.when import Strategy, Timings

MORNING = time(9)
A_DAY = timedelta(hours=24)
HALF_AN_HOUR = timedelta(minutes=30)


class Recipient(NamedTuple):
    """What the time of day has to respect of one person."""

    zone: ZoneInfo
    own: timing.OwnHours = None
    zone_is_known: bool = True
    closed: tuple[Closed, ...] = ()
    best_hour: int | None = None  # 0 to 23, on their own clock; None where too little is known

    def is_quiet(self, at: datetime, limits: Limits) -> bool:
        """Quiet hours only; what holds is asked separately."""
        return timing.is_quiet(at, self.zone, limits, self.own, working_only=not self.zone_is_known)

    def open_at(self, at: datetime, limits: Limits) -> datetime:
        """The first moment from ``at`` on that is neither quiet nor held."""
        while True:
            opens = holds.reopening(self.closed, at)
            opens = timing.next_open(opens, self.zone, limits, self.own, working_only=not self.zone_is_known)
            if holds.current(self.closed, opens) is None:
                return opens
            at = opens


def strategy_of(action: str, policy: Document) -> Strategy:
    """The strategy of an action: its own, else the policy's."""
    own: Strategy | None = getattr(policy.timings, action, None) or None
    return own or policy.timing


def due_at(
    strategy: Strategy, *, now: datetime, recipient: Recipient, policy: Document, deadline: date | None
) -> datetime:
    """When a step decided now should go out. Never before now, never at a quiet or held moment."""
    wanted = {
        "immediate": lambda: now,
        "within_24h": lambda: _within_a_day(now, recipient, policy.limits),
        "next_working_morning": lambda: _next_morning(now, recipient.zone),
        "before_deadline": lambda: _before(deadline, now, recipient.zone, policy.timings),
        "best_hour": lambda: _at_hour(recipient.best_hour, now, recipient, policy.limits),
    }[strategy]()
    return recipient.open_at(max(wanted, now), policy.limits)


def best_hour(active: Collection[datetime], *, zone: ZoneInfo, least_days: int) -> int | None:
    """The hour of the learner's day in which they were active on most days, at least two; the earlier of equals.

    ``active``: the hours in which something happened. None where they were active on fewer than ``least_days`` days.
    """
    days: dict[int, set[date]] = defaultdict(set)
    for moment in active:
        local = moment.astimezone(zone)
        days[local.hour].add(local.date())
    if len({day for found in days.values() for day in found}) < least_days:
        return None
    hour = max(days, key=lambda one: (len(days[one]), -one))
    return hour if len(days[hour]) >= 2 else None


def _within_a_day(now: datetime, recipient: Recipient, limits: Limits) -> datetime:
    """The latest open half hour of the coming day: time to come back by oneself, and still within 24 hours."""
    at = now + A_DAY
    while at > now:
        if not recipient.is_quiet(at, limits) and holds.current(recipient.closed, at) is None:
            return at
        at -= HALF_AN_HOUR
    return now


def _next_morning(now: datetime, zone: ZoneInfo) -> datetime:
    local = now.astimezone(zone)
    day = local.date() if local.time() < MORNING else local.date() + timedelta(days=1)
    return timing.first_instant(day, MORNING, zone)


def _before(deadline: date | None, now: datetime, zone: ZoneInfo, timings: Timings) -> datetime:
    """The morning some days before the deadline; at once where none of them comes soon enough."""
    if deadline is None:
        return now
    for days in (timings.deadline_first_days, timings.deadline_last_days):
        at = timing.first_instant(deadline - timedelta(days=days), MORNING, zone)
        if now <= at <= now + timedelta(days=timings.deadline_wait_days):
            return at
    return now


def _at_hour(hour: int | None, now: datetime, recipient: Recipient, limits: Limits) -> datetime:
    """The next time this hour begins at an open moment within a week; at once where there is none."""
    if hour is None:
        return now
    local = now.astimezone(recipient.zone)
    if local.hour == hour and not recipient.is_quiet(now, limits):
        return now
    for offset in range(8):
        at = timing.first_instant(local.date() + timedelta(days=offset), time(hour), recipient.zone)
        if at >= now and not recipient.is_quiet(at, limits) and holds.current(recipient.closed, at) is None:
            return at
    return now
