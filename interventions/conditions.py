"""Each trigger for itself: whether it holds and since when, when it is over, when time alone next makes it true. Pure.

An unknown never makes a condition true. What ends one lies further than what begins it, so nobody goes in and out.
"""

from collections.abc import Callable
from datetime import datetime, time, timedelta

import msgspec

from interventions.policy.triggering import (
    CERTIFICATE,
    DEADLINE,
    ENGAGEMENT,
    FAILURES,
    INACTIVITY,
    MASTERY,
    PACE,
    Triggers,
)
from interventions.snapshot import Certified, Snapshot

WEEK, FOUR_WEEKS = 7, 28
_A_MOMENT = timedelta(seconds=1)


class Condition(msgspec.Struct, frozen=True):
    """One trigger's three questions, each of a snapshot and the triggers that count for this person."""

    since: Callable[[Snapshot, Triggers], datetime | None]  # None: it does not hold
    is_over: Callable[[Snapshot, Triggers, datetime], bool]  # for an episode opened at that moment
    next_at: Callable[[Snapshot, Triggers], datetime | None]
    # The last moment at which what it looks at began anew; a relapse is one that began after the last episode's end.
    began_at: Callable[[Snapshot, Triggers], datetime | None]


def quiet_since(snapshot: Snapshot) -> datetime | None:
    """The last activity, or the start for somebody who never came."""
    return snapshot.seen.last_active_at or snapshot.seen.started_at


def came_back(snapshot: Snapshot, opened_at: datetime) -> bool:
    """Was there activity since?"""
    return snapshot.seen.last_active_at is not None and snapshot.seen.last_active_at > opened_at


def inactivity_days(snapshot: Snapshot, triggers: Triggers) -> float:
    """Days without activity that are unusual for this learner."""
    usual = snapshot.seen.usual_gap_days or 0.0
    return max(triggers.inactivity.days, triggers.inactivity.times_usual_gap * usual)


def pace(snapshot: Snapshot) -> float | None:
    """Steps of the plan done, against those due by now; None where nothing is due or known."""
    seen = snapshot.seen
    return None if seen.steps_done is None or not seen.steps_due else seen.steps_done / seen.steps_due


def progress(snapshot: Snapshot) -> float | None:
    """Share of the plan's steps done; None without a plan."""
    seen = snapshot.seen
    return None if seen.steps_done is None or not seen.steps else seen.steps_done / seen.steps


def active_days(snapshot: Snapshot, *, first: int, last: int, ahead: int = 0) -> int | None:
    """Active days from ``first`` to ``last`` days ago, as it would be ``ahead`` quiet days from now."""
    if snapshot.seen.active_days is None:
        return None
    window = (1 << (last - first + 1)) - 1
    return ((snapshot.seen.active_days << ahead) >> first & window).bit_count()


def usual_week(snapshot: Snapshot, *, ahead: int = 0) -> float | None:
    """Active days of an average week of the four before the last seven days."""
    before = active_days(snapshot, first=WEEK, last=WEEK + FOUR_WEEKS - 1, ahead=ahead)
    return None if before is None else before / 4


def _inactive_since(snapshot: Snapshot, triggers: Triggers) -> datetime | None:
    quiet, days = quiet_since(snapshot), snapshot.days_inactive
    threshold = inactivity_days(snapshot, triggers)
    return None if quiet is None or days is None or days < threshold else quiet + timedelta(days=threshold)


def _inactive_at(snapshot: Snapshot, triggers: Triggers) -> datetime | None:
    quiet = quiet_since(snapshot)
    return None if quiet is None else quiet + timedelta(days=inactivity_days(snapshot, triggers))


def _is_below_goal(snapshot: Snapshot, triggers: Triggers) -> bool:
    mastery = snapshot.seen.mastery
    return mastery is not None and mastery < triggers.mastery.below


def _mastery_since(snapshot: Snapshot, triggers: Triggers) -> datetime | None:
    quiet, days = quiet_since(snapshot), snapshot.days_inactive
    paired = triggers.mastery.with_days_inactive
    if not _is_below_goal(snapshot, triggers) or quiet is None or days is None or days < paired:
        return None
    return quiet + timedelta(days=paired)


def _mastery_at(snapshot: Snapshot, triggers: Triggers) -> datetime | None:
    quiet = quiet_since(snapshot)
    if quiet is None or not _is_below_goal(snapshot, triggers):
        return None
    return quiet + timedelta(days=triggers.mastery.with_days_inactive)


def _mastery_over(snapshot: Snapshot, triggers: Triggers, opened_at: datetime) -> bool:
    """The goal is reached; or, where low mastery counts only beside silence, the learner came back."""
    mastery = snapshot.seen.mastery
    if mastery is not None and mastery >= triggers.mastery.recovered_at:
        return True
    return triggers.mastery.with_days_inactive > 0 and came_back(snapshot, opened_at)


def _pace_since(snapshot: Snapshot, triggers: Triggers) -> datetime | None:
    now_at, due = pace(snapshot), snapshot.seen.steps_due or 0
    return (
        snapshot.now
        if now_at is not None and due >= triggers.pace.steps_due and now_at < triggers.pace.below
        else None
    )


def _pace_over(snapshot: Snapshot, triggers: Triggers, opened_at: datetime) -> bool:
    now_at = pace(snapshot)
    return now_at is not None and now_at >= triggers.pace.recovered_at


def _pace_at(snapshot: Snapshot, triggers: Triggers) -> datetime | None:
    # The next step that falls due may tip it; if not, the one after is looked at then.
    due_at = snapshot.seen.next_step_due_at
    return None if due_at is None else due_at + _A_MOMENT


def _failures_since(snapshot: Snapshot, triggers: Triggers) -> datetime | None:
    seen, bounds = snapshot.seen, triggers.failures
    on_one = bool(seen.open_concepts) and (seen.repeated_failures or 0) >= bounds.on_one_concept
    if on_one or seen.failures_in_a_row >= bounds.in_a_row:
        return seen.last_result_at or snapshot.now
    return None


def _failures_over(snapshot: Snapshot, triggers: Triggers, opened_at: datetime) -> bool:
    """A result that is no failure, and nothing left open: one passed quiz beside an open concept is not enough."""
    seen = snapshot.seen
    newer = seen.last_result_at is not None and seen.last_result_at > opened_at
    return newer and seen.failures_in_a_row == 0 and not seen.open_concepts


def _deadline_since(snapshot: Snapshot, triggers: Triggers) -> datetime | None:
    done, due_at, bounds = progress(snapshot), snapshot.seen.due_at, triggers.deadline
    if done is None or due_at is None or done >= bounds.done_below:
        return None
    begins = due_at - timedelta(days=bounds.days)
    return begins if begins <= snapshot.now <= due_at else None


def _deadline_over(snapshot: Snapshot, triggers: Triggers, opened_at: datetime) -> bool:
    """Enough is done, or the day has moved away by more than it takes to come near again.

    That it has passed is no recovery: whoever missed it is not to be told that all is well.
    """
    done, due_at, bounds = progress(snapshot), snapshot.seen.due_at, triggers.deadline
    if done is not None and done >= bounds.recovered_at:
        return True
    return due_at is None or due_at - timedelta(days=bounds.days + 2) > snapshot.now


def _deadline_at(snapshot: Snapshot, triggers: Triggers) -> datetime | None:
    done, due_at, bounds = progress(snapshot), snapshot.seen.due_at, triggers.deadline
    if done is None or due_at is None or done >= bounds.done_below:
        return None
    return due_at - timedelta(days=bounds.days)


def _dropped(snapshot: Snapshot, triggers: Triggers, ahead: int = 0) -> bool:
    bounds = triggers.engagement
    recent = active_days(snapshot, first=0, last=WEEK - 1, ahead=ahead)
    usual = usual_week(snapshot, ahead=ahead)
    if recent is None or usual is None or usual * 4 < bounds.active_days_before:
        return False
    return recent < bounds.below * usual


def _engagement_since(snapshot: Snapshot, triggers: Triggers) -> datetime | None:
    return snapshot.now if _dropped(snapshot, triggers) else None


def _engagement_over(snapshot: Snapshot, triggers: Triggers, opened_at: datetime) -> bool:
    """Back to most of the usual, by activity since: a quiet month lowers the usual, and ends nothing by itself."""
    recent, usual = active_days(snapshot, first=0, last=WEEK - 1), usual_week(snapshot)
    if recent is None or usual is None or not came_back(snapshot, opened_at):
        return False
    return recent >= max(triggers.engagement.recovered_at * usual, 1)


def _engagement_at(snapshot: Snapshot, triggers: Triggers) -> datetime | None:
    for ahead in range(1, WEEK + 1):
        if _dropped(snapshot, triggers, ahead):
            midnight = datetime.combine(snapshot.now.date(), time(), snapshot.now.tzinfo)
            return midnight + timedelta(days=ahead)
    return None


def next_to_end(snapshot: Snapshot) -> Certified | None:
    """The certificate that ends next; None where none ends any more."""
    return next((one for one in snapshot.seen.certificates if one.ends_at >= snapshot.now), None)


def days_before(certificate: Certified, days: float) -> datetime:
    """The start of the learner's own day that lies so many days before the last one of the certificate."""
    return (certificate.ends_at - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)


def renewed(snapshot: Snapshot, since: datetime) -> bool:
    """Was any of the certificates that end earned since?"""
    return any(one.earned_at > since for one in snapshot.seen.certificates)


def _ending(snapshot: Snapshot, triggers: Triggers) -> list[datetime]:
    """Since when each of those has been near its end that is; nobody could know before we did."""
    days = triggers.certificate.days
    begun = (
        (days_before(one, days), one) for one in snapshot.seen.certificates if one.ends_at >= snapshot.now
    )
    return [max(at, one.known_at) for at, one in begun if at <= snapshot.now]


def _certificate_over(snapshot: Snapshot, triggers: Triggers, opened_at: datetime) -> bool:
    """None that was still good is near its end, or past it: ending is no recovery, only renewing is."""
    far = triggers.certificate.days + 2
    return all(
        one.ends_at < opened_at or days_before(one, far) > snapshot.now for one in snapshot.seen.certificates
    )


def _certificate_at(snapshot: Snapshot, triggers: Triggers) -> datetime | None:
    begin = (days_before(one, triggers.certificate.days) for one in snapshot.seen.certificates)
    return min((at for at in begin if at > snapshot.now), default=None)


CONDITIONS: dict[str, Condition] = {
    MASTERY: Condition(_mastery_since, _mastery_over, _mastery_at, _mastery_since),
    INACTIVITY: Condition(
        _inactive_since, lambda snapshot, _, at: came_back(snapshot, at), _inactive_at, _inactive_since
    ),
    PACE: Condition(_pace_since, _pace_over, _pace_at, lambda snapshot, _: snapshot.seen.last_step_done_at),
    FAILURES: Condition(
        _failures_since, _failures_over, lambda *_: None, lambda snapshot, _: snapshot.seen.last_result_at
    ),
    DEADLINE: Condition(_deadline_since, _deadline_over, _deadline_at, _deadline_since),
    # Whatever fell within the last week fell then: before it lies the usual that it is compared with.
    ENGAGEMENT: Condition(
        _engagement_since,
        _engagement_over,
        _engagement_at,
        lambda snapshot, _: snapshot.now - timedelta(days=WEEK),
    ),
    CERTIFICATE: Condition(
        lambda snapshot, triggers: min(_ending(snapshot, triggers), default=None),
        _certificate_over,
        _certificate_at,
        lambda snapshot, triggers: max(_ending(snapshot, triggers), default=None),
    ),
}
