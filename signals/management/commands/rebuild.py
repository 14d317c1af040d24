"""manage.py rebuild: events, rollups, features and risks again, from what was sent."""

from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from consent.registry import KeptElsewhereFault
from signals.rebuild import Mode, rebuild, work_ahead


class Command(BaseCommand):
    help = "Rebuilds events, features and risks from raw statements, and prints what changed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--since", metavar="DATE", help="only what was stored, and days, from this date on"
        )
        mode = parser.add_mutually_exclusive_group()
        mode.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
        mode.add_argument(
            "--verify",
            action="store_true",
            help="change nothing; exit code 1 when anything is not what the statements say",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        since = _day(options["since"])
        mode = Mode.VERIFY if options["verify"] else Mode.PREVIEW if options["dry_run"] else Mode.KEEP
        try:
            with tqdm(total=work_ahead(since=since), desc="Rebuilding", unit=" rows", delay=2) as bar:
                done = rebuild(now=timezone.now(), since=since, mode=mode, progress=bar.update)
        except KeptElsewhereFault as fault:
            raise CommandError(str(fault)) from fault
        self.stdout.write(f"{done.statements} statements and {done.enrolments} enrolments looked at.")
        if done.waiting:
            self.stdout.write(f"{done.waiting} enrolments wait for the refresh stage and were left out.")
        for name, before in done.before.items():
            same = "=" if before == done.after[name] else "≠"
            self.stdout.write(f"{name:>8}  {before}  {same}  {done.after[name]}")
        if not done.changed:
            self.stdout.write("Nothing changed." if mode is Mode.KEEP else "Nothing differs.")
            return
        verb = "changed" if mode is Mode.KEEP else "would change" if mode is Mode.PREVIEW else "differ"
        for name in ("events", "orphans", "rollups", "features", "risks"):
            self.stdout.write(f"{getattr(done, name):>8} {name} {verb}")
        for line in done.lines():
            self.stdout.write(line)
        if mode is Mode.VERIFY:
            raise CommandError("What is derived is not what the statements say; run rebuild to put it right.")


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as fault:
        raise CommandError(f"--since takes a date such as 2026-03-01, not {text!r}.") from fault
