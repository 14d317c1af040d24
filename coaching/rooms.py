"""Tells rooms of coaches once a working morning that something waits in the inbox: a number and a link.

No names, no courses, no reasons; and no number below FEWEST, because "one since yesterday" says to those who were there
whom it is about.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from coaching.models import Case
from interventions.channels import ChannelError, rooms
from interventions.models import CoachRoom
from learners.workdays import public_holidays
from learners.zones import organisation_zone

FEWEST = 3
LATEST = timedelta(hours=3)  # after its hour a morning is over, and the next one is as good


def tell(*, now: datetime) -> int:
    """Tells each room that is due this morning; returns how many. A stage.

    A room is marked as told before it is: should we die in between, it hears nothing this morning rather than twice.
    """
    local = timezone.localtime(now, organisation_zone())
    today = local.date()
    rows = CoachRoom.objects.filter(is_active=True).exclude(last_told_on=today).order_by("pk")
    due = [room for room in rows if room.at <= local.time() and not _is_over(room, local)]
    if not due or not _is_workday(local):
        return 0
    waiting = Case.objects.filter(state=Case.State.OPEN).count()
    told = 0
    for room in due:
        if not CoachRoom.objects.filter(pk=room.pk).exclude(last_told_on=today).update(last_told_on=today):
            continue
        told += 1
        if waiting:
            say(room, waiting)
    return told


def say(room: CoachRoom, waiting: int) -> bool:
    """Says it now, and keeps what went wrong; False where something did."""
    fault = ""
    try:
        rooms.post(
            room,
            sentence(waiting),
            link=f"{settings.PUBLIC_URL}{reverse('inbox')}",
            label="Open the inbox",
        )
    except ChannelError as refused:
        fault = str(refused)[:300]
    CoachRoom.objects.filter(pk=room.pk).update(last_error=fault)
    return not fault


def sentence(waiting: int) -> str:
    """How much waits; exact only where the number says nothing of one person."""
    return f"{waiting} things wait in the inbox." if waiting >= FEWEST else "Something waits in the inbox."


def _is_over(room: CoachRoom, local: datetime) -> bool:
    begins = local.replace(hour=room.at.hour, minute=room.at.minute, second=0, microsecond=0)
    return local > begins + LATEST


def _is_workday(local: datetime) -> bool:
    calendar, day = settings.ORGANISATION_HOLIDAYS, local.date()
    if local.weekday() >= 5:
        return False
    return not (calendar and day in public_holidays(calendar, first=day, last=day))
