"""Tells the owner of a lesson, once, that it will soon be suggested to nobody any more."""

import logging
import smtplib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.db.models import F, Q

from interventions.models import Lesson

log = logging.getLogger(__name__)

AHEAD_DAYS = 30
AT_ONCE = 200


def tell_owners(*, now: datetime) -> int:
    """How many lessons their owners were told of. One mail for an owner, whatever the number of lessons.

    A lesson is claimed first and mailed once the claim is committed: a mail that fails on the way is in the log, and
    the list of lessons shows it all the same. Another day of expiry is told of anew.
    """
    due = Lesson.objects.filter(
        Q(told_for__isnull=True) | ~Q(told_for=F("expires_on")),
        is_active=True,
        expires_on__lte=now.date() + timedelta(days=AHEAD_DAYS),
        owner__is_active=True,
    )
    with transaction.atomic():
        claimed = list(
            due.select_for_update(of=("self",), skip_locked=True)
            .select_related("owner")
            .order_by("pk")[:AT_ONCE]
        )
        Lesson.objects.filter(pk__in=[lesson.pk for lesson in claimed]).update(told_for=F("expires_on"))
        to: dict[str, list[Lesson]] = defaultdict(list)
        for lesson in claimed:
            if lesson.owner is not None and "@" in lesson.owner.login:
                to[lesson.owner.login].append(lesson)
        if to:
            transaction.on_commit(lambda: _send(to))
    return len(claimed)


def _mail(address: str, lessons: Sequence[Lesson]) -> EmailMessage:
    lines = "\n".join(f"- {lesson.key}, on {lesson.expires_on}: {_page(lesson)}" for lesson in lessons)
    return EmailMessage(
        subject=f"{len(lessons)} lesson{'s' if len(lessons) > 1 else ''} of yours: please look again",
        body="You answer for these lessons. From the day beside each it is suggested to nobody any more;"
        " who is in the middle of it can finish.\n\n"
        f"{lines}\n\nIs it still right? Set a later day. Else change it, or take it out of use.\n"
        "This is told once for each day that is set.\n",
        to=[address],
        headers={
            "Message-ID": f"<lesson-{lessons[0].pk}-{lessons[0].expires_on}@rekindle>",
            "Auto-Submitted": "auto-generated",
        },
    )


def _page(lesson: Lesson) -> str:
    return f"{settings.PUBLIC_URL}/admin/interventions/lesson/{lesson.pk}/change/"


def _send(to: Mapping[str, Sequence[Lesson]]) -> None:
    try:
        with get_connection() as server:
            for address, lessons in to.items():
                mail = _mail(address, lessons)
                mail.connection = server
                mail.send()
    except (OSError, smtplib.SMTPException) as fault:
        log.error("a mail about expiring lessons failed and is not repeated: %s", type(fault).__name__)
