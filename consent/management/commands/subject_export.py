"""Everything kept about one person."""

import json
import os
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from consent import subject_requests
from consent.actors import SYSTEM
from consent.registry import KeptElsewhereFault


class Command(BaseCommand):
    help = "Writes everything kept about one learner as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("uuid", type=UUID, help="the learner's uuid")
        parser.add_argument("--to", type=Path, help="a file (default: standard output)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = subject_requests.export(subject=options["uuid"], by=SYSTEM, now=timezone.now())
        except KeptElsewhereFault as fault:
            raise CommandError(f"Nothing was exported. {fault}") from fault
        text = json.dumps(found, indent=2, ensure_ascii=False, default=str)
        if not options["to"]:
            self.stdout.write(text)
            return
        try:
            # Only for the eyes of whoever asked for it, also where the file was there before.
            with open(
                options["to"], "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)
            ) as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(text + "\n")
        except OSError as fault:
            raise CommandError(f"{options['to']} cannot be written: {fault.strerror}.") from fault
        self.stdout.write(f"Written to {options['to']}.")
