"""manage.py model_card: what a model is, what it learned from, how well it does and for whom."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from signals.models import ModelVersion
from signals.training.card import UnreadableCard
from signals.training.markdown import markdown


class Command(BaseCommand):
    help = "Prints a model's card."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the model version")
        parser.add_argument("--markdown", action="store_true", help="as Markdown (otherwise plain text)")

    def handle(self, *args: Any, **options: Any) -> None:
        model = ModelVersion.objects.filter(name=options["name"]).first()
        if model is None:
            known = ", ".join(ModelVersion.objects.order_by("name").values_list("name", flat=True)[:20])
            raise CommandError(f"There is no model “{options['name']}”. There are: {known or 'none yet'}.")
        try:
            text = markdown(model)
        except UnreadableCard as fault:
            raise CommandError(str(fault)) from fault
        self.stdout.write(text if options["markdown"] else _plain(text))


def _plain(text: str) -> str:
    """The same without the signs that only mean something in Markdown, columns under each other."""
    lines: list[str] = []
    table: list[list[str]] = []

    def flush() -> None:
        widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))] if table else []
        lines.extend(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in table
        )
        table.clear()

    for line in text.splitlines():
        if line.startswith("| "):
            cells = [cell.strip().replace("\\|", "|") for cell in line[2:-2].split(" | ")]
            if set(cells) != {"---"}:
                table.append(cells)
            continue
        flush()
        lines.append(line.lstrip("# ") if line.startswith("#") else line)
    flush()
    return "\n".join(lines) + "\n"
