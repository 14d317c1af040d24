"""Makes, lists and revokes the credentials with which systems talk to the record store."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from learners.models import OrgUnit
from signals.models import Credential
from signals.xapi import credentials

MOST_PER_MINUTE = 2_147_483_647  # a PostgreSQL integer


class Command(BaseCommand):
    help = (
        "Creates a record store credential and prints its key and secret, once. A name used before gets new ones,"
        " and the old ones stop working."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", help="the system that will use it")
        parser.add_argument(
            "--allow",
            action="append",
            choices=[*Credential.Permission.values],
            help="a permission; may be given more than once (default: all)",
        )
        parser.add_argument("--source", help="the system its statements come from (default: the name)")
        parser.add_argument("--unit", metavar="CODE", help="the organisation unit it is bound to")
        parser.add_argument(
            "--authority",
            metavar="JSON",
            help="the agent who vouches for its statements (default: an account of ours)",
        )
        parser.add_argument(
            "--per-minute", type=int, metavar="N", help="how many requests it may make in a minute"
        )
        parser.add_argument("--list", action="store_true", help="list all credentials, without secrets")
        parser.add_argument("--revoke", metavar="KEY", help="take the credential of this key out of use")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        asked = [options["name"] is not None, options["list"], options["revoke"] is not None]
        if sum(asked) != 1:
            raise CommandError("Give a name to create a credential, or --list, or --revoke KEY.")
        if options["list"]:
            self._list(as_json=options["json"])
        elif options["revoke"] is not None:
            self._revoke(options["revoke"])
        else:
            self._create(options)

    def _create(self, options: dict[str, Any]) -> None:
        fields = {"name": Credential._meta.get_field("name"), "source": Credential._meta.get_field("source")}
        for option, field in fields.items():
            longest = field.max_length or 0
            if options[option] is not None and not 0 < len(options[option].strip()) <= longest:
                raise CommandError(f"The {option} takes 1 to {longest} characters.")
        try:
            made = credentials.create(
                name=options["name"].strip(),
                permissions=options["allow"] or [Credential.Permission.ALL],
                now=timezone.now(),
                **_binding(options),
            )
        except (credentials.AuthorityIsSet, credentials.NoAuthority) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps({"key": made.key, "secret": made.secret}))
        else:
            self.stdout.write(f"key     {made.key}\nsecret  {made.secret}")

    def _revoke(self, key: str) -> None:
        try:
            revoked = credentials.revoke(key=key, now=timezone.now())
        except credentials.NotRecognised as error:
            raise CommandError(f"{key} {error}.") from error
        self.stdout.write(f"{revoked.name} is out of use.")

    def _list(self, *, as_json: bool) -> None:
        shown: list[dict[str, Any]] = [
            {
                "name": one.name,
                "key": one.key,
                "source": one.source_name,
                "permissions": one.permissions,
                "unit": one.unit.code if one.unit else None,
                "active": one.is_active,
                "last_used_at": one.last_used_at.isoformat() if one.last_used_at else None,
            }
            for one in Credential.objects.select_related("unit")
        ]
        if as_json:
            self.stdout.write(json.dumps(shown))
            return
        for row in shown:
            state = "in use" if row["active"] else "revoked"
            allowed = ",".join(row["permissions"])
            used = row["last_used_at"] or "never"
            self.stdout.write(f"{row['key']}  {state:8}{row['name']}  [{allowed}]  last used: {used}")


def _binding(options: dict[str, Any]) -> dict[str, Any]:
    """What the credential is bound to, as far as it is said."""
    bound: dict[str, Any] = {}
    if options["source"] is not None:
        bound["source"] = options["source"]
    if options["unit"] is not None:
        bound["unit"] = OrgUnit.objects.filter(code=options["unit"]).first()
        if bound["unit"] is None:
            raise CommandError(f"There is no unit of the code {options['unit']}.")
    if options["per_minute"] is not None:
        if not 0 < options["per_minute"] <= MOST_PER_MINUTE:
            raise CommandError(f"--per-minute takes a number from 1 to {MOST_PER_MINUTE}.")
        bound["requests_per_minute"] = options["per_minute"]
    if options["authority"] is not None:
        try:
            bound["authority"] = json.loads(options["authority"])
        except ValueError as error:
            raise CommandError("--authority is not JSON.") from error
    return bound
