"""Writes everything into one file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.dumps import DumpFailed, backup


class Command(BaseCommand):
    help = "Writes a plain PostgreSQL dump of everything."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            size = backup(options["file"])
        except (DumpFailed, OSError) as fault:
            raise CommandError(f"No backup was made: {fault}") from fault
        self.stdout.write(
            f"{options['file']}: {size / 1e6:.1f} MB. The key ring is not in it: keep FIELD_KEYS apart and safe, for "
            "without it no name and no statement in this file can ever be read again."
        )
