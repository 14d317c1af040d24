"""Moves everything encrypted onto the newest key."""

from typing import Any

from django.core.management.base import BaseCommand
from tqdm import tqdm

from consent import keys


class Command(BaseCommand):
    help = "Re-encrypts everything with the last key of FIELD_KEYS. Can be stopped and run again."

    def handle(self, *args: Any, **options: Any) -> None:
        with tqdm(desc="Re-encrypting", unit=" rows", delay=2) as bar:
            changed = keys.rotate(progress=bar.update)
        self.stdout.write(f"{changed} rows are on the newest key; older keys may leave FIELD_KEYS.")
