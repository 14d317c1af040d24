"""One mail per finding to those who can mend it: never two, and never before the finding is committed."""

import logging
import smtplib
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction

from learners.models import Role, User
from signals.models import Finding

log = logging.getLogger(__name__)

MOST_MAILS = 3  # more findings than this come as one mail
AT_ONCE = 200


def tell(*, now: datetime) -> int:
    """How many findings somebody was told of, or no longer needs to be.

    A finding is claimed first and mailed after the claim is committed: a mail that fails on the way is on the page,
    and in the log, but not sent again. A mail server that does not answer leaves everything for the next time.
    """
    if not Finding.objects.filter(told_at__isnull=True).exists():
        return 0
    to = recipients()
    server = get_connection()
    try:
        if to:
            server.open()
    except (OSError, smtplib.SMTPException) as fault:
        log.warning("mail server not reached, findings wait: %s", type(fault).__name__)
        return 0
    with transaction.atomic():
        claimed = list(
            Finding.objects.select_for_update(of=("self",), skip_locked=True)
            .select_related("source", "model")
            .filter(told_at__isnull=True)
            .order_by("opened_at", "pk")[:AT_ONCE]
        )
        Finding.objects.filter(pk__in=[finding.pk for finding in claimed]).update(told_at=now)
        # What is over before anybody was told needs no mail.
        mails = messages([finding for finding in claimed if finding.closed_at is None], to)
        transaction.on_commit(lambda: _send(server, mails))
    return len(claimed)


def recipients() -> list[str]:
    """QUALITY_ALERTS_TO where it is set (to nothing: nobody), else every administrator who signs in by an address."""
    if settings.QUALITY_ALERTS_TO is not None:
        return list(settings.QUALITY_ALERTS_TO)
    admins = User.objects.with_role(Role.ADMIN).order_by("pk")
    return [user.login for user in admins if "@" in user.login]


def messages(findings: Sequence[Finding], to: Sequence[str]) -> list[EmailMessage]:
    """A mail for each finding, or one for all of them where they are many."""
    if not findings or not to:
        return []
    if len(findings) <= MOST_MAILS:
        return [
            _mail(f"{finding.about}: {finding.get_kind_display().lower()}", [finding], to)
            for finding in findings
        ]
    names = len({(finding.source_id, finding.model_id) for finding in findings})
    of = "place" if any(finding.model_id for finding in findings) else "source"
    return [_mail(f"{len(findings)} findings in {names} {of}{'s' if names > 1 else ''}", list(findings), to)]


def _mail(subject: str, findings: Sequence[Finding], to: Sequence[str]) -> EmailMessage:
    parts = [
        f"{finding.about}: {finding.get_kind_display()}\n{finding.says}\n\nWhat to do: {finding.mend}"
        for finding in findings
    ]
    parts.append(
        f"All sources: {settings.PUBLIC_URL}/quality/\nThis is told once; a finding closes by itself when it is over."
    )
    return EmailMessage(
        # A source's name may hold anything; a subject is one line.
        subject=" ".join(f"Rekindle data quality: {subject}".split()),
        body="\n\n".join(parts) + "\n",
        to=list(to),
        headers={"Message-ID": f"<finding-{findings[0].pk}@rekindle>", "Auto-Submitted": "auto-generated"},
    )


def _send(server: BaseEmailBackend, mails: Sequence[EmailMessage]) -> None:
    try:
        for mail in mails:
            mail.connection = server
            mail.send()
    except (OSError, smtplib.SMTPException) as fault:
        log.error("a mail about findings failed and is not repeated: %s", type(fault).__name__)
    finally:
        server.close()
