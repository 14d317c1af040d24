"""``manage.py api_token``: makes, lists and revokes tokens for the API."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.utils import timezone

from consent.actors import SYSTEM
from interventions import tokens
from interventions.models import ApiToken


class Command(BaseCommand):
    help = "Makes a token for the API and shows it once; a token of the same name gets a new text."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", help="what the token is called, such as the LMS's name")
        parser.add_argument(
            "--allow", nargs="+", default=[], metavar="SCOPE", help=", ".join(ApiToken.Scope.values)
        )
        parser.add_argument("--days", type=int, default=tokens.LASTS_DAYS, help="it ends after so many days")
        parser.add_argument("--per-minute", type=int, help="requests a minute; 0: no limit (600 unless said)")
        parser.add_argument("--list", action="store_true", help="all tokens, and when each was last used")
        parser.add_argument("--revoke", metavar="NAME", help="takes a token out of use at once")
        parser.add_argument("--json", action="store_true", help="prints JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        if options["list"]:
            for token in ApiToken.objects.order_by("name"):
                state = "in use" if token.is_active and token.expires_at > now else "out of use"
                used = f"{token.last_used_at:%Y-%m-%d %H:%M}" if token.last_used_at else "never"
                self.stdout.write(
                    f"{token.name}: {', '.join(token.scopes)}; {state}; ends {token.expires_at:%Y-%m-%d}; used {used}"
                )
            return
        if options["revoke"]:
            if not tokens.revoke(name=options["revoke"], by=SYSTEM, now=now):
                raise CommandError(f"No token called {options['revoke']} is in use; --list shows them.")
            self.stdout.write(f"{options['revoke']} is out of use.")
            return
        if not options["name"]:
            raise CommandError("Give the token a name, or ask for --list.")
        if options["days"] < 1:
            raise CommandError("A token lasts a day or longer; give --days 1 or more.")
        try:
            made = tokens.create(
                name=options["name"],
                scopes=options["allow"],
                by=SYSTEM,
                now=now,
                days=options["days"],
                per_minute=options["per_minute"],
            )
        except tokens.UnknownScope as fault:
            raise CommandError(f"--allow: {fault}") from fault
        if options["json"]:
            told = {
                "name": made.token.name,
                "token": made.text,
                "scopes": made.token.scopes,
                "expires_at": made.token.expires_at.isoformat(),
            }
            self.stdout.write(json.dumps(told))
        else:
            self.stdout.write(
                f"token: {made.text}\nIt is shown only now, and ends on {made.token.expires_at:%Y-%m-%d}."
            )
