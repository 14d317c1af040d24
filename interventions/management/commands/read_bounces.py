"""``manage.py read_bounces``: takes in mails that came back, from a pipe or from a mailbox."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from interventions import bounces, mailboxes


class Command(BaseCommand):
    help = (
        "Reads one mail from standard input (a mail server's pipe), or all unread ones of BOUNCE_MAILBOX_URL."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--mailbox", action="store_true", help="read the mailbox instead of standard input"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        if not options["mailbox"]:
            counts = bounces.read_all([sys.stdin.buffer.read(bounces.LARGEST)], now=now)
        elif not settings.BOUNCE_MAILBOX_URL:
            raise CommandError("Set BOUNCE_MAILBOX_URL, as imaps://user:password@host/INBOX.")
        else:
            try:
                counts = mailboxes.read(settings.BOUNCE_MAILBOX_URL, now=now)
            except mailboxes.MailboxFault as fault:
                raise CommandError(str(fault)) from fault
        for verdict in bounces.Verdict:
            if counts[verdict]:
                self.stdout.write(f"{counts[verdict]} {verdict}")
        if not counts:
            self.stdout.write("Nothing to read.")
