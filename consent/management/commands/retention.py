"""manage.py retention: what is older than its purpose allows goes."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from consent import retention


class Command(BaseCommand):
    help = (
        "Removes what is past the retention of its purpose (edited in the admin) and leaves old months to the cold "
        "store. Each step commits alone and is audited."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would go, and touch nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        steps = 0
        if options["dry_run"]:
            for found in retention.find(now=now):
                self._say(found)
                steps += 1
        else:
            try:
                steps = retention.apply(now=now, done=self._say)
            except retention.NotAllTaken as fault:
                raise CommandError(str(fault)) from fault
        if not steps:
            self.stdout.write("Nothing is past its retention.")
        elif options["dry_run"]:
            self.stdout.write(f"{steps} steps would be taken; nothing has changed.")

    def _say(self, found: retention.Found) -> None:
        step = found.step
        said = f"{found.scope or 'moves':<10} {found.store:<34} {step.rows:>10} rows"
        if step.bytes:
            said += f", {step.bytes} bytes"
        if step.partitions:
            said += f", {step.partitions} whole"
        if step.people:
            said += f", {step.people} people"
        if step.stays:
            said += f"; stays in {step.stays}"
        self.stdout.write(said)
