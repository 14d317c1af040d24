"""Moves everything encrypted onto the newest key."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from consent import audit, keys
from consent.actors import SYSTEM
from consent.crypto import AlteredToken, WrongKeyRing, ring


class Command(BaseCommand):
    help = "Re-encrypts everything with the last key of FIELD_KEYS. Can be stopped and run again."
    requires_system_checks: list[str] = []  # a ring that cannot read the database is reported below

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch-size", type=int, default=1000, help="rows a transaction (default: 1000)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["batch_size"] < 1:
            raise CommandError("--batch-size takes a number above 0.")
        if faults := keys.ring_faults():
            raise CommandError(" ".join(faults))
        try:
            with tqdm(desc="Re-encrypting", unit=" rows", delay=2) as bar:
                changed = keys.rotate(batch_size=options["batch_size"], progress=bar.update)
        except (WrongKeyRing, AlteredToken) as fault:
            raise CommandError(str(fault)) from fault
        primary = ring().names[ring().primary]
        audit.record(
            actor=SYSTEM,
            action="keys.rotated",
            target=SYSTEM,
            now=timezone.now(),
            detail={"key": ring().primary.hex(), "rows": changed},
        )
        self.stdout.write(
            f"Done: {changed} rows were re-encrypted and all are on the key {primary!r}. Other keys may leave "
            "FIELD_KEYS, except index, once every process runs with this ring and no older backup is needed."
        )
