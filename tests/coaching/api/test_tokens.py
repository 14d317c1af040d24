"""Who may use the API: nobody without a token, and each token only as far as it goes."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import URLPattern, get_resolver
from time_machine import travel

from coaching.api.access import HasScope, TokenAuthentication
from consent.actors import SYSTEM
from consent.models import AuditEntry
from interventions import tokens
from interventions.models import ApiToken
from tests.coaching.api.conftest import asking
from tests.guards.test_access import ADDRESSES, Address
from tests.support.coaching import NOW
from tests.support.interventions import make_admin

pytestmark = pytest.mark.django_db
OURS = [address for address in ADDRESSES if address.route.startswith("api/v1/")]


def make(*scopes: str, **fields: Any) -> tokens.NewToken:
    return tokens.create(name="LMS", scopes=scopes or ("policy:read",), by=SYSTEM, now=NOW, **fields)


@pytest.mark.parametrize("address", OURS, ids=lambda address: address.route)
class TestEveryAddress:
    def test_it_declares_a_scope_for_each_method_it_has(self, address: Address) -> None:
        view = address.callback.cls

        methods = {name for name in ("GET", "POST", "PUT", "PATCH", "DELETE") if hasattr(view, name.lower())}

        assert set(view.scopes) == methods
        assert view.permission_classes == [HasScope]

    @pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
    def test_it_answers_nobody_without_a_token(self, client: Client, address: Address, method: str) -> None:
        answer = getattr(client, method)(address.example)

        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.headers["Content-Type"] == "application/problem+json"

    def test_it_answers_no_token_of_other_scopes(self, client: Client, address: Address) -> None:
        view = address.callback.cls
        if TokenAuthentication not in view.authentication_classes:
            return  # a pass has one scope only
        others = set(ApiToken.Scope.values) - {str(scope) for scope in view.scopes.values()}
        ask = asking(client, make(*others).text)
        path = str(address.example).removeprefix("/api/v1/")

        answer = ask(path) if "GET" in view.scopes else ask(path, {})

        assert answer.status_code == 403
        assert answer.json()["title"] == "This token may not do that"


class TestToken:
    def test_it_is_kept_as_a_hash_only(self) -> None:
        made = make()
        with connection.cursor() as cursor:
            cursor.execute("SELECT interventions_apitoken::text FROM interventions_apitoken")
            stored = cursor.fetchone()[0]

        assert made.text not in stored
        assert made.text.startswith("rk-api-")

    def test_it_ends(self, client: Client) -> None:
        ask = asking(client, make(days=1).text)

        with travel(NOW + timedelta(hours=23), tick=False):
            before = ask("policy/").status_code
        with travel(NOW + timedelta(days=1), tick=False):
            after = ask("policy/").status_code

        assert (before, after) == (200, 401)

    def test_it_can_be_taken_back_at_once(self, client: Client) -> None:
        ask = asking(client, make().text)

        tokens.revoke(name="LMS", by=SYSTEM, now=NOW)

        assert ask("policy/").status_code == 401
        assert AuditEntry.objects.filter(action="api_token.revoked").exists()

    def test_a_new_text_ends_the_old_one(self, client: Client) -> None:
        old, new = make(), make()

        assert asking(client, old.text)("policy/").status_code == 401
        assert asking(client, new.text)("policy/").status_code == 200

    def test_it_notes_when_it_was_last_used(self, client: Client) -> None:
        asking(client, make().text)("policy/")

        assert ApiToken.objects.get().last_used_at == NOW

    def test_it_may_ask_so_often_in_a_minute(self, client: Client) -> None:
        ask = asking(client, make(per_minute=2).text)

        answers = [ask("policy/") for _ in range(3)]

        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert 0 < int(answers[2].headers["Retry-After"]) <= 60
        with travel(NOW + timedelta(minutes=1), tick=False):
            assert ask("policy/").status_code == 200


class TestCommand:
    def run(self, *args: str) -> str:
        out = StringIO()
        call_command("api_token", *args, stdout=out)
        return out.getvalue()

    def test_it_shows_the_token_once(self, client: Client) -> None:
        told = json.loads(self.run("Moodle", "--allow", "policy:read", "--days", "7", "--json"))

        assert asking(client, told["token"])("policy/").status_code == 200
        assert told["token"] not in self.run("--list")
        assert "policy:read; in use; ends 2026-03-09" in self.run("--list")

    def test_it_takes_one_back(self) -> None:
        self.run("Moodle", "--allow", "policy:read")

        assert "out of use" in self.run("--revoke", "Moodle")
        with pytest.raises(CommandError, match="No token called Moodle"):
            self.run("--revoke", "Moodle")

    @pytest.mark.parametrize("args", [("Moodle",), ("Moodle", "--allow", "everything"), ()])
    def test_it_says_what_is_missing(self, args: tuple[str, ...]) -> None:
        with pytest.raises(CommandError):
            self.run(*args)

    def test_it_makes_none_that_ends_before_it_begins(self) -> None:
        with pytest.raises(CommandError, match="a day or longer"):
            self.run("Moodle", "--allow", "policy:read", "--days", "0")


class TestAdmin:
    def test_it_shows_a_new_token_once_and_revokes_it(self, client: Client) -> None:
        client.force_login(make_admin())

        answer = client.post(
            "/admin/interventions/apitoken/add/",
            {"name": "Moodle", "scopes": ["policy:read", "card"], "per_minute": "60", "days": "30"},
            follow=True,
        )
        token = ApiToken.objects.get()
        page = client.get(f"/admin/interventions/apitoken/{token.pk}/change/").content.decode()
        client.post(
            "/admin/interventions/apitoken/", {"action": "revoke", "_selected_action": [str(token.pk)]}
        )

        assert "rk-api-" in answer.content.decode()
        assert "rk-api-" not in page
        assert token.expires_at == NOW + timedelta(days=30)
        token.refresh_from_db()
        assert not token.is_active


class TestDescription:
    def test_it_describes_every_address(self, client: Client) -> None:
        answer = client.get("/api/schema/", headers={"Accept": "application/json"})

        described = {path.strip("/") for path in json.loads(answer.content)["paths"]}
        routes = {
            str(pattern.pattern)
            for pattern in get_resolver("coaching.api.urls").url_patterns[1].url_patterns  # type: ignore[union-attr]
            if isinstance(pattern, URLPattern)
        }
        assert len(described) == len(routes) == len(OURS)

    def test_it_is_valid_and_without_warnings(self) -> None:
        call_command("spectacular", "--validate", "--fail-on-warn", stdout=StringIO())

    def test_an_address_that_is_not_there_is_a_problem(self, client: Client) -> None:
        answer = client.get("/api/v2/learners/")

        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"
