"""Runs every stage once, in the foreground."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from config.health import unmigrated
from config.stages import STAGES


class Command(BaseCommand):
    help = "Runs every stage once, in order, and prints how many rows each worked on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--now", metavar="ISO", help="pretend it is this moment (2026-03-01T09:30:00+00:00)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        if options["now"]:
            try:
                now = datetime.fromisoformat(options["now"])
            except ValueError as fault:
                raise CommandError(f"--now {options['now']!r} is not an ISO 8601 moment.") from fault
            if now.tzinfo is None:
                raise CommandError("--now needs a time zone, for example 2026-03-01T09:30:00+00:00.")
            if not settings.DELIVERY_SANDBOX:
                raise CommandError(
                    "With another time than now, real messages would go out at the wrong moment: unset EMAIL_URL, so "
                    "that deliveries go to the sandbox."
                )
        if unmigrated():
            raise CommandError("The database is empty or behind the code: run `bin/manage migrate` first.")
        for stage in STAGES:
            self.stdout.write(f"{stage.name:<12}{stage.run(now=now).rows:>8}")
