"""Makes a credential with which a system talks to the record store."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from signals.models import Credential
from signals.xapi import credentials


class Command(BaseCommand):
    help = "Creates a record store credential and prints its key and secret, once. A name used before gets new ones."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the system that will use it")
        parser.add_argument(
            "--allow",
            action="append",
            choices=[*Credential.Permission.values],
            help="a permission; may be given more than once (default: all)",
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        made = credentials.create(
            name=options["name"],
            permissions=options["allow"] or [Credential.Permission.ALL],
            now=timezone.now(),
        )
        if options["json"]:
            self.stdout.write(json.dumps({"key": made.key, "secret": made.secret}))
        else:
            self.stdout.write(f"key     {made.key}\nsecret  {made.secret}")
