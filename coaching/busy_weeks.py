"""Business-critical weeks as those who answer for a unit see them."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, QuerySet

from interventions import busy_periods
from interventions.models import BusyPeriod
from learners.models import Learner, OrgUnit, Role, User
from learners.zones import organisation_zone

SMALLEST_GROUP = 5


@dataclass(frozen=True)
class BusyWeek:
    """One period, with what waits because of it."""

    period: BusyPeriod
    unit: str  # its path, from the top
    is_now: bool
    held: int | None  # alerts that wait now in this unit and below; None: too few people to say


def units_of(user: User) -> QuerySet[OrgUnit]:
    """The units this user may speak for: an administrator for all, a manager for theirs and those below."""
    if user.has_role(Role.ADMIN):
        return OrgUnit.objects.with_path()
    if user.has_role(Role.MANAGER):
        return OrgUnit.objects.filter(manager=user).descendants(include_self=True).with_path()
    return OrgUnit.objects.none()


def to_come(user: User, *, now: datetime) -> list[BusyWeek]:
    """The periods of this user's units that are not over, the next one first."""
    paths: dict[int, str] = {unit.pk: unit.path for unit in _with_path(units_of(user))}
    today = now.astimezone(organisation_zone()).date()
    periods = (
        BusyPeriod.objects.filter(unit__in=list(paths), last_date__gte=today)
        .select_related("unit")
        .order_by("first_date", "unit", "pk")
    )
    on = {period.unit_id for period in periods if period.first_date <= today}
    held = _held(on) if on else {}
    return [
        BusyWeek(
            period=period,
            unit=paths[period.unit_id],
            is_now=period.first_date <= today,
            held=held.get(period.unit_id) if period.first_date <= today else None,
        )
        for period in periods
    ]


def now_in(user: User, *, now: datetime) -> list[BusyPeriod]:
    """The periods that are on today in the units this manager is in charge of."""
    today = now.astimezone(organisation_zone()).date()
    return list(
        BusyPeriod.objects.filter(
            unit__in=OrgUnit.objects.filter(manager=user).values("pk"),
            first_date__lte=today,
            last_date__gte=today,
        ).order_by("last_date", "pk")
    )


def _with_path(units: QuerySet[OrgUnit]) -> list[Any]:
    return list(units)


def _held(units: Collection[int]) -> dict[int, int]:
    """Alerts that wait now, by unit with all below it; units with too few people are left out. Three queries."""
    parents = dict(OrgUnit.objects.values_list("pk", "parent_id"))
    here = Learner.objects.filter(erased_at__isnull=True, merged_into__isnull=True, unit__isnull=False)
    people = Counter(dict(here.order_by().values_list("unit").annotate(Count("pk"))))
    waiting = Counter(busy_periods.held_by_unit())
    found: dict[int, int] = {}
    for unit in units:
        below = [one for one in {*people, *waiting} if _lies_below(one, unit, parents)]
        if sum(people[one] for one in below) >= SMALLEST_GROUP:
            found[unit] = sum(waiting[one] for one in below)
    return found


def _lies_below(unit: int | None, top: int, parents: Mapping[int, int | None]) -> bool:
    for _ in range(64):  # a circle, which only a direct write can make, ends
        if unit is None or unit == top:
            break
        unit = parents.get(unit)
    return unit == top
