"""Takes in baseline skills from a file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from learners.skills import SkillFaults, import_skills


class Command(BaseCommand):
    help = "Imports baseline skills (CSV; columns in docs/people.md) and prints how many changed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE.csv")
        parser.add_argument("--dry-run", action="store_true", help="say what would change and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            content = path.read_bytes()
        except OSError as fault:
            raise CommandError(f"{path} cannot be read: {fault.strerror}.") from fault
        try:
            taken = import_skills(content, now=timezone.now(), dry_run=options["dry_run"])
        except SkillFaults as faults:
            raise CommandError(f"{faults}\nNothing was changed. Mend the file and run it again.") from faults
        self.stdout.write(f"{taken.new} new, {taken.changed} changed, {taken.same} as before.")
        if taken.unwilling:
            self.stdout.write(f"{taken.unwilling} left out: about people who allow no profile of themselves.")
        if options["dry_run"]:
            self.stdout.write("Dry run: nothing was changed.")
