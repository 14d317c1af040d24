"""manage.py archive: whole months into the cold store."""

from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from consent.registry import KeptElsewhereFault
from signals.archive.write import archive, due


class Command(BaseCommand):
    help = "Writes whole months of events and statements to the cold store. Twice changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--before",
            metavar="MONTH",
            help="only months before this one, such as 2026-03 (default: this month)",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be written, and write nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now, before = timezone.now(), _month(options["before"])
        months = due(now=now, before=before)
        if options["dry_run"]:
            for month in months:
                late = ", again: something came later" if month.is_late else ""
                self.stdout.write(f"{month.month:%Y-%m} {month.kind:<9} {month.rows:>10} rows{late}")
            self.stdout.write(f"{len(months)} files would be written.")
            return
        try:
            with tqdm(
                total=sum(month.rows for month in months), desc="Archiving", unit=" rows", delay=2
            ) as bar:
                done = archive(now=now, before=before, progress=bar.update)
        except KeptElsewhereFault as fault:
            raise CommandError(str(fault)) from fault
        for file in done.files:
            self.stdout.write(f"{file.name}  {file.rows} rows, {file.bytes} bytes")
        self.stdout.write(f"{len(done.files)} files written: {done.rows} rows in {done.bytes} bytes.")


def _month(text: str | None) -> date | None:
    try:
        return date.fromisoformat(f"{text}-01") if text else None
    except ValueError as fault:
        raise CommandError(f"--before takes a month such as 2026-03, not {text!r}.") from fault
