"""Makes a token with which an identity provider tells us who works here."""

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from learners.models import ScimClient
from learners.scim import clients


class Command(BaseCommand):
    help = "Creates a SCIM client and prints its token, once. A name used before gets a new token and keeps its people."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the identity provider, such as Okta")
        parser.add_argument(
            "--groups",
            choices=ScimClient.Groups.values,
            help="what its groups stand for (default: unit; a name used before keeps what it has)",
        )
        parser.add_argument(
            "--home-page", help="the home page of xAPI accounts that statements name people by, if they do"
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"].strip()
        longest = ScimClient._meta.get_field("name").max_length or 0
        if not 0 < len(name) <= longest:
            raise CommandError(f"The name takes 1 to {longest} characters.")
        made = clients.create(
            name=name,
            groups_mean=options["groups"],
            home_page=options["home_page"],
            now=timezone.now(),
        )
        base = f"{settings.PUBLIC_URL.rstrip('/')}/scim/v2"
        if options["json"]:
            self.stdout.write(json.dumps({"url": base, "token": made.token}))
        else:
            self.stdout.write(f"url    {base}\ntoken  {made.token}")
