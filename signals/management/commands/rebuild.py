"""manage.py rebuild: events, rollups, features and risks again, from what was sent."""

from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from signals.rebuild import rebuild, work_ahead


class Command(BaseCommand):
    help = "Rebuilds events, features and risks from raw statements, and prints what changed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--since", metavar="DATE", help="only what was stored, and days, from this date on"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        since = _day(options["since"])
        with tqdm(total=work_ahead(since=since), desc="Rebuilding", unit=" rows", delay=2) as bar:
            done = rebuild(now=timezone.now(), since=since, progress=bar.update)
        self.stdout.write(f"{done.statements} statements and {done.enrolments} enrolments looked at.")
        if not done.changed:
            self.stdout.write("Nothing changed.")
            return
        for name in ("events", "rollups", "features", "risks"):
            self.stdout.write(f"{getattr(done, name):>8} {name} changed")


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as fault:
        raise CommandError(f"--since takes a date such as 2026-03-01, not {text!r}.") from fault
