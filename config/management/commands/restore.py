"""Puts everything back from one file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from config.dumps import DumpFailed, restore
from consent.keys import ring_faults


class Command(BaseCommand):
    help = "Replaces everything in the database by a backup: all of it or nothing."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--yes", action="store_true", help="replace what is there without asking")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["file"].is_file():
            raise CommandError(f"There is no file {options['file']}.")
        if connection.introspection.table_names() and not options["yes"]:
            raise CommandError("The database is not empty; --yes replaces everything in it.")
        connection.close()
        try:
            restore(options["file"])
        except (DumpFailed, OSError) as fault:
            raise CommandError(f"Nothing was changed: {fault}") from fault
        faults = ring_faults()
        if faults:
            raise CommandError("The data is back, but FIELD_KEYS does not fit it. " + " ".join(faults))
        self.stdout.write(f"Everything is back as it was in {options['file']}.")
