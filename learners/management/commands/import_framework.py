"""Brings the competency framework in line with a file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from learners.framework.importing import FrameworkFaults, import_framework


class Command(BaseCommand):
    help = "Imports a competency framework (CSV, JSON or CASE; docs/people.md) and prints what changed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--dry-run", action="store_true", help="say what would change and change nothing")
        parser.add_argument(
            "--prune",
            action="store_true",
            help="remove what roles and competencies of the file no longer have; without it, it is listed",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            content = path.read_bytes()
        except OSError as fault:
            raise CommandError(f"{path} cannot be read: {fault.strerror}.") from fault
        try:
            change = import_framework(
                content, now=timezone.now(), dry_run=options["dry_run"], prune=options["prune"]
            )
        except FrameworkFaults as faults:
            count = len(faults.faults)
            raise CommandError(
                f"{faults}\nNothing was changed. Mend {'this' if count == 1 else f'these {count} faults'} and run "
                "it again."
            ) from faults
        for line in change.text():
            self.stdout.write(line)
        if options["dry_run"] and change.lines:
            self.stdout.write("Dry run: nothing was changed.")
