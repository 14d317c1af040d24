"""Everything kept about one person."""

import json
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from consent import subject_requests
from consent.actors import SYSTEM


class Command(BaseCommand):
    help = "Writes everything kept about one learner as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("uuid", type=UUID, help="the learner's uuid")
        parser.add_argument("--to", type=Path, help="a file (default: standard output)")

    def handle(self, *args: Any, **options: Any) -> None:
        found = subject_requests.export(subject=options["uuid"], by=SYSTEM, now=timezone.now())
        text = json.dumps(found, indent=2, ensure_ascii=False, default=str)
        if options["to"]:
            options["to"].write_text(text + "\n", encoding="utf-8")
        else:
            sys.stdout.write(text + "\n")
