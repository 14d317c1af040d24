"""Removes one person."""

import json
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from consent import subject_requests
from consent.actors import SYSTEM
from consent.registry import KeptElsewhereFault


class Command(BaseCommand):
    help = "Erases one learner and prints the receipt: each store and how many rows it lost."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("uuid", type=UUID, help="the learner's uuid")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["yes"] and not _agrees():
            raise CommandError("Nothing was erased.")
        try:
            request = subject_requests.erase(subject=options["uuid"], by=SYSTEM, now=timezone.now())
        except subject_requests.NothingHeld as fault:
            raise CommandError(f"{fault} Check the uuid.") from fault
        except KeptElsewhereFault as fault:
            raise CommandError(f"Nothing was erased. {fault}") from fault
        receipt = {"request": str(request.pk), "at": request.at.isoformat(), **request.receipt}
        self.stdout.write(json.dumps(receipt, indent=2))


def _agrees() -> bool:
    try:
        return input("This cannot be undone. Type yes to go on: ") == "yes"
    except EOFError:  # nobody is there to answer
        return False
