"""E-mail through whatever the installation configures: plain SMTP, or a provider's interface by django-anymail."""

import smtplib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from uuid import UUID

from anymail.exceptions import AnymailError, AnymailRecipientsRefused
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend

from interventions import mail_codes
from interventions.addresses import refusing
from interventions.channels import letter
from interventions.channels.base import Channel, ChannelError
from interventions.models import Delivery

_PROVIDER_MAY_RELENT = (408, 425, 429)


class Email(Channel):
    def __init__(self) -> None:
        self._held = threading.local()

    @contextmanager
    def session(self) -> Iterator[None]:
        """One connection for many mails; opened by the first, and given up after a fault."""
        self._held.connection = get_connection()
        try:
            yield
        finally:
            connection, self._held.connection = self._held.connection, None
            _close(connection)

    def refused(self, deliveries: Sequence[Delivery]) -> dict[UUID, ChannelError]:
        refusals = refusing(delivery.learner.email for delivery in deliveries)
        return {
            delivery.pk: ChannelError(
                "this address refused before; waiting for another one from HR"
                if delivery.learner.email
                else "the learner has no address any more",
                permanent=True,
            )
            for delivery in deliveries
            if not delivery.learner.email or delivery.learner.email in refusals
        }

    def send(self, delivery: Delivery, *, now: datetime) -> str:
        words = letter.write(delivery, now=now)
        message = letter.mail(words, to=delivery.learner.email, delivery_id=delivery.pk)
        return post(message, connection=getattr(self._held, "connection", None))


def post(message: EmailMultiAlternatives, *, connection: BaseEmailBackend | None = None) -> str:
    """Hands a mail over and returns the answer. Raises ChannelError."""
    used = connection or get_connection()
    message.connection = used
    try:
        if connection is not None:
            connection.open()  # stays open for the next; does nothing where it is
        sent = message.send()
    except Exception as fault:
        _close(used)  # what it is in the middle of, nobody knows
        told = _told(fault)
        if told is None:
            raise
        raise told from fault
    status = getattr(message, "anymail_status", None)
    if status is not None and status.message_id:
        return f"accepted by the provider: {status.message_id}"[:300]
    return "accepted by the mail server" if sent else "not accepted"


def _told(fault: Exception) -> ChannelError | None:
    """What went wrong, and whether trying again can help; None where it is no fault of mailing."""
    match fault:
        case smtplib.SMTPRecipientsRefused():
            answers = [(code, _text(said)) for code, said in fault.recipients.values()]
            codes = ", ".join(sorted(_code(code, text) for code, text in answers))
            gone = all(mail_codes.is_no_mailbox(code, text) for code, text in answers)
            return ChannelError(
                f"recipient refused ({codes})",
                permanent=all(code >= 500 for code, _ in answers),
                bounced=codes if gone else "",
            )
        case smtplib.SMTPAuthenticationError():
            # Our own password: nothing is wrong with the message, and somebody will mend it.
            return ChannelError(f"the mail server does not let us in ({fault.smtp_code})", permanent=False)
        case smtplib.SMTPResponseException():
            code = _code(fault.smtp_code, _text(fault.smtp_error))
            return ChannelError(f"mail server answered {code}", permanent=fault.smtp_code >= 500)
        case AnymailRecipientsRefused():
            return ChannelError("the provider refused the recipient", permanent=True)
        case AnymailError():
            status = int(getattr(fault, "status_code", None) or 0)
            permanent = 400 <= status < 500 and status not in (401, 403, *_PROVIDER_MAY_RELENT)
            return ChannelError(
                f"the provider answered {status or type(fault).__name__}", permanent=permanent
            )
        case OSError() | smtplib.SMTPException():
            return ChannelError(f"mail server not reached ({type(fault).__name__})", permanent=False)
    return None


def _code(code: int, text: str) -> str:
    """The codes alone: the rest of an answer often repeats the address."""
    return f"{code} {mail_codes.enhanced(text)}".strip()


def _text(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said


def _close(connection: BaseEmailBackend) -> None:
    with suppress(OSError, smtplib.SMTPException):  # it may be broken already
        connection.close()
