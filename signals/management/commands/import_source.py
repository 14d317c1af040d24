"""manage.py import_source: a file of another source, as facts."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from signals.sources import SOURCES, FileRefused
from signals.sources.files import bring_file


class Command(BaseCommand):
    help = (
        "Imports a file of another source (docs/sources.md) and prints what changed. Twice changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", choices=sorted(SOURCES))
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--dry-run", action="store_true", help="say what would change and change nothing")
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="how to read the file; see docs/sources.md",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        source, path = SOURCES[options["source"]], options["file"]
        try:
            content = path.read_bytes()
        except OSError as fault:
            raise CommandError(f"{path} cannot be read: {fault.strerror}.") from fault
        settings = _settings(options["set"])
        unknown = sorted(set(settings) - set(source.options))
        if unknown:
            known = ", ".join(f"{name} ({what})" for name, what in source.options.items()) or "none"
            raise CommandError(f"{source.name} has no setting {unknown[0]}; it has: {known}.")
        with tqdm(desc="Importing", unit=" rows", delay=2, file=sys.stderr, disable=None) as bar:
            try:
                report = bring_file(
                    source,
                    content,
                    file_name=path.name,
                    options=settings,
                    clock=timezone.now,
                    dry_run=options["dry_run"],
                    progress=bar.update,
                )
            except FileRefused as refused:
                raise CommandError(f"{refused}\nNothing was changed.") from refused
        for line in report.lines():
            self.stdout.write(line)
        if options["dry_run"]:
            self.stdout.write("Dry run: nothing was changed.")


def _settings(pairs: list[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign:
            raise CommandError(f"--set takes NAME=VALUE, not {pair!r}.")
        found[name] = value
    return found
