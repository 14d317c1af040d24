"""Business-critical weeks of units: declared, read from a calendar file, taken back. What waits is looked at anew."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Count

from consent import audit
from consent.actors import SYSTEM, Party
from interventions import turns
from interventions.busy_calendar import Busy
from interventions.models import BusyPeriod, Delivery, Hold, Watch
from interventions.models.holding import LONGEST_DAYS
from learners.models import Learner, OrgUnit


class NotAPeriod(ValueError):
    """These days make no business-critical period; the message says what to mend."""


class Read(NamedTuple):
    """What a calendar file changed."""

    added: list[BusyPeriod]
    removed: int
    unchanged: int


def check(first: date, last: date) -> None:
    """Raises NotAPeriod where the days are no period that may be declared."""
    if last < first:
        raise NotAPeriod("The last day lies before the first.")
    if (last - first).days >= LONGEST_DAYS:
        raise NotAPeriod(
            f"This lasts longer than {LONGEST_DAYS // 7} weeks. Declare a shorter time, and again when it is over."
        )


def declare(
    *, unit: OrgUnit, name: str, first: date, last: date, source: str, by: UUID | None, now: datetime
) -> BusyPeriod:
    """A business-critical period of this unit and all below it. Raises NotAPeriod."""
    check(first, last)
    with transaction.atomic():
        period = BusyPeriod.objects.create(
            unit=unit,
            name=name.strip(),
            first_date=first,
            last_date=last,
            source=source,
            declared_by=by,
            declared_at=now,
        )
        _audit("busy_period.added", by=by, now=now, unit=unit.code, first=first, last=last)
    return period


def take_back(period: BusyPeriod, *, by: UUID | None, now: datetime) -> None:
    """The period holds nothing any more; what waited for it is looked at now."""
    with transaction.atomic():
        BusyPeriod.objects.filter(pk=period.pk).delete()
        look_again(period.unit_id, now=now)
        _audit(
            "busy_period.taken_back",
            by=by,
            now=now,
            unit=period.unit.code,
            first=period.first_date,
            last=period.last_date,
        )


def read_calendar(
    *, unit: OrgUnit, events: Sequence[Busy], since: date, by: UUID | None, now: datetime
) -> Read:
    """Brings the unit's periods that came from calendars in line with a file's events; those over stay as they were.

    Reading the same file twice changes nothing. Declared periods are left alone.
    """
    wanted = {(event.uid, event.first): event for event in events if event.last >= since}
    with transaction.atomic():
        OrgUnit.objects.select_for_update(no_key=True).get(pk=unit.pk)  # two readers come one after the other
        known = {
            (period.calendar_uid, period.first_date): period
            for period in BusyPeriod.objects.filter(
                unit=unit, source=BusyPeriod.Source.CALENDAR, last_date__gte=since
            )
        }
        same = {
            key
            for key, period in known.items()
            if key in wanted and (period.name, period.last_date) == (wanted[key].name, wanted[key].last)
        }
        gone = [period.pk for key, period in known.items() if key not in same]
        BusyPeriod.objects.filter(pk__in=gone).delete()
        added = BusyPeriod.objects.bulk_create(
            BusyPeriod(
                unit=unit,
                name=event.name,
                first_date=event.first,
                last_date=event.last,
                source=BusyPeriod.Source.CALENDAR,
                calendar_uid=event.uid,
                declared_by=by,
                declared_at=now,
            )
            for key, event in sorted(wanted.items(), key=lambda one: (one[0][1], one[0][0]))
            if key not in same
        )
        if gone:
            look_again(unit.pk, now=now)
        _audit("busy_period.read", by=by, now=now, unit=unit.code, added=len(added), removed=len(gone))
    return Read(added, len(gone), len(same))


def look_again(unit_id: int, *, now: datetime) -> None:
    """Has everything that waits in this unit, or below it, looked at now: a period is gone, or has changed."""
    below = OrgUnit.objects.filter(pk=unit_id).descendants(include_self=True)
    people = Learner.objects.filter(unit__in=below).values("pk")
    held = Hold.objects.filter(
        released_at__isnull=True, decision__enrolment__learner__in=people, decision__lapsed_at__isnull=True
    )
    turns.wait_for(Watch.objects.filter(enrolment__learner__in=people).values_list("pk", flat=True))
    Delivery.objects.filter(decision__in=held.values("decision_id"), state=Delivery.State.QUEUED).update(
        due_at=now
    )
    Watch.objects.filter(enrolment__learner__in=people, review_at__gt=now).update(review_at=now)


def held_by_unit() -> dict[int, int]:
    """How many alerts wait for a hold to end, by the learner's own unit; one query."""
    rows = (
        Hold.objects.filter(
            released_at__isnull=True,
            decision__lapsed_at__isnull=True,
            decision__enrolment__learner__unit__isnull=False,
        )
        .order_by()
        .values_list("decision__enrolment__learner__unit")
        .annotate(Count("pk"))
    )
    return dict(rows)


def _audit(action: str, *, by: UUID | None, now: datetime, unit: str, **detail: object) -> None:
    told = {key: value.isoformat() if isinstance(value, date) else value for key, value in detail.items()}
    audit.record(
        actor=Party("user", by) if by else SYSTEM,
        action=action,
        target=SYSTEM,
        now=now,
        detail={"unit": unit, **told},
    )
