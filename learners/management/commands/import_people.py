"""Brings the people of an HR roster in line with its file."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from learners.roster import RosterFaults, import_people


class Command(BaseCommand):
    help = "Imports an HR roster (CSV; columns in docs/roster.md) and prints what changed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE.csv")
        parser.add_argument("--dry-run", action="store_true", help="say what would change and change nothing")
        parser.add_argument(
            "--missing-left", action="store_true", help="people who are not in the file left today"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            content = path.read_bytes()
        except OSError as fault:
            raise CommandError(f"{path} cannot be read: {fault.strerror}.") from fault
        try:
            difference = import_people(
                content,
                now=timezone.now(),
                dry_run=options["dry_run"],
                missing_left=options["missing_left"],
                progress=_bar,
            )
        except RosterFaults as faults:
            count = len(faults.faults)
            raise CommandError(
                f"{faults}\nNothing was changed. Mend {'this' if count == 1 else f'these {count} faults'} and run "
                "it again."
            ) from faults
        for line in difference.lines():
            self.stdout.write(line)
        if options["dry_run"] and not difference.is_empty:
            self.stdout.write("Dry run: nothing was changed.")


def _bar(items: Iterable[Any], label: str) -> Iterable[Any]:
    return tqdm(items, desc=label, delay=2, file=sys.stderr)
