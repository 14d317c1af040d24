"""Walks the audit log's chain of seals."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from consent import audit


class Command(BaseCommand):
    help = "Checks that no sealed entry of the audit log was altered or removed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--head", help="the hash that an earlier run printed: is it still in the chain?")

    def handle(self, *args: Any, **options: Any) -> None:
        found = audit.verify(head=options["head"])
        if not found.ok:
            raise CommandError(f"The chain does not hold: {found.first_fault}.")
        self.stdout.write(
            f"The chain holds: {found.sealed} of {found.entries} entries are sealed; "
            f"{found.entries - found.sealed} wait for the next seal. Its head is {found.head}"
        )
