"""People as the time of day sees them, for a batch: zones, wishes, closed times and habits."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from consent import gate
from consent.scopes import Scope
from interventions import holds
from interventions.policy.document import Document
from interventions.strategies import Recipient, best_hour
from learners import zones
from learners.models import Preferences
from signals.active_hours import active_hours


def recipients(
    learner_ids: Collection[UUID],
    *,
    policy: Document,
    now: datetime,
    wishes: Mapping[UUID, Preferences] | None = None,
    by_habit: Collection[UUID] = (),
) -> dict[UUID, Recipient]:
    """What to respect of each learner, in a fixed number of queries. ``by_habit``: whose best hour is wanted.

    Habits are looked at only of those who allow their activity to be used.
    """
    wanted = list(dict.fromkeys(learner_ids))
    known = zones.known_of(wanted)
    zone = {pk: known.get(pk) or zones.organisation_zone() for pk in wanted}
    closed = holds.closed_times(wanted, now=now, zone_of=zone)
    said = Preferences.objects.in_bulk(wanted) if wishes is None else wishes
    hours: dict[UUID, list[datetime]] = {}
    if by_habit:
        willing = gate.filter_allowed(set(by_habit), Scope.PROFILE)
        willing = gate.filter_allowed(willing, Scope.RECORD)
        hours = active_hours(willing, since=now - timedelta(weeks=policy.timings.habit_weeks), until=now)
    least = policy.timings.habit_least_days
    return {
        pk: Recipient(
            zone=zone[pk],
            own=said[pk].quiet_hours if pk in said else None,
            zone_is_known=pk in known,
            closed=closed.get(pk, ()),
            best_hour=best_hour(hours[pk], zone=zone[pk], least_days=least) if pk in hours else None,
        )
        for pk in wanted
    }
