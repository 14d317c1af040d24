"""E-mail, plain text, through whatever mail backend the installation configures."""

import smtplib

from django.core.mail import EmailMessage

from interventions.channels.base import Channel, ChannelError
from interventions.models import Delivery


class Email(Channel):
    def send(self, delivery: Delivery) -> str:
        message = EmailMessage(
            subject=delivery.subject,
            body=delivery.body,
            to=[delivery.learner.email],
            # The same delivery is always the same message, so a mail server can drop a repeat.
            headers={"Message-ID": f"<{delivery.pk}@rekindle>", "Auto-Submitted": "auto-generated"},
        )
        try:
            sent = message.send()
        except smtplib.SMTPRecipientsRefused as fault:
            codes = {code for code, _ in fault.recipients.values()}
            raise ChannelError(
                f"recipient refused ({', '.join(map(str, sorted(codes)))})",
                permanent=all(code >= 500 for code in codes),
            ) from fault
        except smtplib.SMTPResponseException as fault:
            raise ChannelError(
                f"mail server answered {fault.smtp_code}", permanent=fault.smtp_code >= 500
            ) from fault
        except (OSError, smtplib.SMTPException) as fault:
            raise ChannelError(
                f"mail server not reached ({type(fault).__name__})", permanent=False
            ) from fault
        return "accepted by the mail server" if sent else "not accepted"
