"""manage.py features: every feature with its name, window, unit, version and owner."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from signals.features import catalogue


class Command(BaseCommand):
    help = "Lists every feature: key, name, window, unit, version, owner, sensitivity, what it speaks for."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--markdown", action="store_true", help="as the page docs/features.md")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["markdown"]:
            self.stdout.write(catalogue.page(), ending="")
            return
        table = [catalogue.HEAD, *catalogue.rows()]
        widths = [max(len(row[place]) for row in table) for place in range(len(catalogue.HEAD))]
        for row in table:
            self.stdout.write(
                "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
            )
