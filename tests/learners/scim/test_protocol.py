"""Tokens, discovery, errors, entity tags, pages: the parts of RFC 7644 that every client relies on."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from consent.models import AuditEntry
from learners.models import Learner, ScimClient
from learners.scim import clients
from tests.support.learners import make_user
from tests.support.scim import ENTERPRISE, GROUP, PATCH, USER, Provider, user

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def ann(provider: Provider) -> dict[str, Any]:
    made = provider.post("Users", user("ann"))
    assert made.status == 201, made.body
    return made.body


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}])
def test_it_answers_nobody_without_a_token(header: dict[str, str]) -> None:
    answer = Client().get("/scim/v2/Users", headers=header)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert json.loads(answer.content)["status"] == "401"


def test_it_takes_a_token_back(provider: Provider) -> None:
    ScimClient.objects.update(is_active=False)

    assert provider.get("Users").status == 401


def test_it_keeps_a_hash_of_the_token_and_when_it_was_last_used(provider: Provider) -> None:
    provider.get("Users")

    client = ScimClient.objects.get()
    assert provider.token.encode() not in bytes(client.token_hash)
    assert client.last_used_at is not None
    before = client.last_used_at
    clients.recognise(f"Bearer {provider.token}", now=before + timedelta(seconds=30))
    client.refresh_from_db()
    assert client.last_used_at == before  # not a write for every request


def test_it_makes_a_client_on_the_command_line_and_keeps_its_people(
    provider: Provider, ann: dict[str, Any]
) -> None:
    out = StringIO()

    call_command("scim_client", "Okta", "--json", stdout=out)

    made = json.loads(out.getvalue())
    assert made["url"].endswith("/scim/v2")
    assert provider.get("Users").status == 401
    provider.token = made["token"]
    assert provider.get("Users").body["totalResults"] == 1
    assert ScimClient.objects.get().groups_mean == "unit"


@pytest.mark.parametrize("name", [" ", "x" * 65])
def test_it_makes_no_client_without_a_proper_name(name: str) -> None:
    with pytest.raises(CommandError, match="1 to 64"):
        call_command("scim_client", name)

    assert not ScimClient.objects.exists()


def test_it_describes_itself(provider: Provider) -> None:
    config = provider.get("ServiceProviderConfig").body
    kinds = provider.get("ResourceTypes").body
    schemas = provider.get("Schemas").body

    assert config["patch"]["supported"] and config["filter"]["supported"] and config["etag"]["supported"]
    assert not config["bulk"]["supported"] and not config["sort"]["supported"]
    assert [one["name"] for one in kinds["Resources"]] == ["User", "Group"]
    assert {one["id"] for one in schemas["Resources"]} == {USER, ENTERPRISE, GROUP}
    names = {one["name"] for one in provider.get(f"Schemas/{USER}").body["attributes"]}
    assert {"userName", "emails", "title", "active"} <= names
    assert not {"password", "phoneNumbers", "addresses"} & names  # what is not kept is not promised
    assert provider.get("ResourceTypes/User").body["schemaExtensions"][0]["schema"] == ENTERPRISE
    assert provider.get("Schemas/urn:x:y").status == 404
    assert provider.get('Schemas?filter=id eq "x"').status == 403


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind"),
    [
        ("GET", "Users/not-a-uuid", None, 404, None),
        ("GET", "Users/00000000-0000-4000-8000-000000000000", None, 404, None),
        ("GET", "Cats", None, 404, None),
        ("POST", "Users", "{", 400, "invalidSyntax"),
        ("POST", "Users", [1], 400, "invalidSyntax"),
        ("POST", "Users", {"schemas": [USER]}, 400, "invalidValue"),
        ("POST", "Users", user("x", timezone="Mars/Base"), 400, "invalidValue"),
        ("POST", "Users", user("x", emails=[{"value": "no address", "primary": True}]), 400, "invalidValue"),
        ("POST", "Users", user("x", **{ENTERPRISE: {"department": "n" * 200}}), 400, "invalidValue"),
        (
            "POST",
            "Groups",
            {"schemas": [GROUP], "displayName": "A", "members": [{"value": "x"}]},
            400,
            "invalidValue",
        ),
        ("GET", "Users?filter=userName%20eq", None, 400, "invalidFilter"),
        ("GET", "Users?filter=shoeSize%20eq%20%229%22", None, 400, "invalidFilter"),
        ("PATCH", "ServiceProviderConfig", {}, 501, None),
        ("DELETE", "Users", None, 501, None),
    ],
)
def test_it_says_what_is_wrong(
    provider: Provider, method: str, path: str, body: Any, status: int, kind: str | None
) -> None:
    answer = provider.ask(method, path, body)

    assert (answer.status, answer.body.get("scimType")) == (status, kind), answer.body
    assert answer.body["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert answer.body["status"] == str(status)
    assert answer.body["detail"]
    assert answer.headers["Content-Type"] == "application/scim+json"
    assert not Learner.objects.exists()


@pytest.mark.parametrize(
    ("operations", "kind"),
    [
        ([], "invalidSyntax"),
        (["x"], "invalidSyntax"),
        ([{"op": "jump", "path": "title", "value": "x"}], "invalidValue"),
        ([{"op": "remove"}], "noTarget"),
        ([{"op": "remove", "path": "userName"}], "mutability"),
        ([{"op": "replace", "path": "id", "value": "x"}], "mutability"),
        ([{"op": "replace", "path": "emails[type eq", "value": "x"}], "invalidPath"),
        ([{"op": "replace", "path": "active", "value": "perhaps"}], "invalidValue"),
        (
            [{"op": "replace", "path": "title", "value": "x"}, {"op": "replace", "path": "id", "value": "x"}],
            "mutability",
        ),
    ],
)
def test_it_applies_a_patch_wholly_or_not_at_all(
    provider: Provider, ann: dict[str, Any], operations: list[Any], kind: str
) -> None:
    answer = provider.ask("PATCH", f"Users/{ann['id']}", {"schemas": [], "Operations": operations})

    assert (answer.status, answer.body.get("scimType")) == (400, kind), answer.body
    assert provider.get(f"Users/{ann['id']}").body == ann


def test_it_lets_nobody_overwrite_what_they_have_not_seen(provider: Provider, ann: dict[str, Any]) -> None:
    place, tag = f"Users/{ann['id']}", ann["meta"]["version"]
    changed = provider.put(place, user("ann", title="Fitter"), **{"If-Match": tag})
    assert changed.status == 200 and changed.etag != tag

    assert provider.put(place, user("ann"), **{"If-Match": tag}).status == 412
    assert provider.patch(place, {"op": "remove", "path": "title"}, **{"If-Match": tag}).status == 412
    assert provider.delete(place, **{"If-Match": tag}).status == 412
    assert provider.get(place, **{"If-None-Match": changed.etag}).status == 304
    assert provider.get(place, **{"If-None-Match": tag}).status == 200
    assert provider.delete(place, **{"If-Match": changed.etag}).status == 204


def test_it_changes_the_tag_when_somebody_else_changes_the_person(
    provider: Provider, ann: dict[str, Any]
) -> None:
    Learner.objects.update(name="Ann Married")

    answer = provider.get(f"Users/{ann['id']}")

    assert answer.body["displayName"] == "Ann Married"
    assert answer.etag != ann["meta"]["version"]


def test_it_answers_in_pages(provider: Provider) -> None:
    for name in ("a", "b", "c"):
        assert provider.post("Users", user(name)).status == 201

    first = provider.get("Users?startIndex=1&count=2").body
    second = provider.get("Users?startIndex=3&count=2").body
    none = provider.get("Users?count=0").body

    assert (first["totalResults"], first["itemsPerPage"], second["startIndex"]) == (3, 2, 3)
    names = [one["userName"] for one in first["Resources"] + second["Resources"]]
    assert names == ["a@example.test", "b@example.test", "c@example.test"]
    assert (none["totalResults"], none.get("Resources", [])) == (3, [])


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ('userName eq "BEA@EXAMPLE.TEST"', ["bea"]),
        ('externalId eq "ext-bea"', ["bea"]),
        ('externalId eq "EXT-BEA"', []),
        ('emails.value eq "Bea@example.test"', ["bea"]),
        ('emails eq "bea@example.test"', ["bea"]),
        ('emails[type eq "work" and value eq "bea@example.test"]', ["bea"]),
        ('emails[type eq "home" and value eq "bea@example.test"]', []),
        ('userName eq "ann@example.test" or userName eq "bea@example.test"', ["ann", "bea"]),
        ('userName eq "ann@example.test" and active eq true', ["ann"]),
        ('userName eq "ann@example.test" and active eq false', []),
        ('userName eq "ann@example.test" and not (title pr)', ["ann"]),
        ("active eq true", ["ann", "bea"]),
        ('displayName sw "B"', ["bea"]),
        (f'{ENTERPRISE}:employeeNumber eq "e-2"', ["bea"]),
        ("title pr", ["bea"]),
    ],
)
def test_it_finds_by_filter(provider: Provider, filter: str, found: list[str]) -> None:
    provider.post("Users", user("ann"))
    provider.post("Users", user("bea", title="Fitter", **{ENTERPRISE: {"employeeNumber": "E-2"}}))

    answer = provider.find("Users", filter)
    posted = provider.post(
        "Users/.search",
        {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": filter},
    )

    assert answer.status == 200, answer.body
    names = [one["userName"].split("@")[0] for one in answer.body.get("Resources", [])]
    assert (names, answer.body["totalResults"]) == (found, len(found))
    assert posted.body.get("Resources", []) == answer.body.get("Resources", [])


def test_it_answers_the_attributes_asked_for(provider: Provider, ann: dict[str, Any]) -> None:
    only = provider.get(f"Users/{ann['id']}?attributes=userName").body
    without = provider.find("Users", 'userName eq "ann@example.test"', excludedAttributes="emails").body

    assert set(only) == {"schemas", "id", "userName"}
    assert "emails" not in without["Resources"][0] and "displayName" in without["Resources"][0]


def test_it_asks_the_database_as_often_for_many_as_for_few(
    provider: Provider, django_assert_max_num_queries: Any
) -> None:
    for number in range(8):
        provider.post(
            "Users",
            user(
                f"u{number}",
                title="Fitter",
                **{ENTERPRISE: {"department": "A", "manager": {"value": "u0@example.test"}}},
            ),
        )

    with django_assert_max_num_queries(14):
        answer = provider.get("Users?count=8")

    assert len(answer.body["Resources"]) == 8


def test_it_shows_a_client_its_own_people_only(ann: dict[str, Any]) -> None:
    other = Provider("Entra")

    assert other.get("Users").body["totalResults"] == 0
    assert other.get(f"Users/{ann['id']}").status == 404
    assert (
        other.patch(f"Users/{ann['id']}", {"op": "replace", "path": "active", "value": False}).status == 404
    )
    assert other.find("Users", f'id eq "{ann["id"]}"').body["totalResults"] == 0


def test_it_leaves_a_trace_without_names(provider: Provider, ann: dict[str, Any]) -> None:
    provider.get(f"Users/{ann['id']}")
    provider.patch(f"Users/{ann['id']}", {"op": "replace", "path": "title", "value": "Secretkeeper"})

    entries = list(AuditEntry.objects.filter(actor_kind="scim_client").order_by("pk"))
    assert [one.action for one in entries] == ["scim.person_created", "scim.read", "scim.person_changed"]
    assert entries[2].detail == {"attributes": ["title"]}
    assert all(one.actor_uuid == provider.client.pk for one in entries)
    assert "Secretkeeper" not in json.dumps([one.detail for one in entries])


def test_it_refuses_what_is_too_large(provider: Provider) -> None:
    answer = provider.ask("POST", "Users", "x" * (4 * 1024 * 1024 + 1))

    assert answer.status == 413


def test_it_lets_a_forged_login_do_nothing(provider: Provider) -> None:
    """A browser's session is no token, so a page elsewhere cannot make it write."""
    browser = Client()
    browser.force_login(make_user("admin"))

    assert browser.post("/scim/v2/Users", json.dumps(user("x")), "application/scim+json").status_code == 401


def test_it_answers_numbers_and_characters_that_no_database_holds(provider: Provider) -> None:
    ann = provider.post("Users", user()).body["id"]

    assert provider.get("Users?startIndex=99999999999999999999").body["Resources"] == []
    for text in (r"\ud800", r"\u0000"):
        body = f'{{"schemas": ["{USER}"], "userName": "{text}"}}'
        assert provider.ask("POST", "Users", body).status == 400
        group = f'{{"schemas": ["{GROUP}"], "displayName": "{text}"}}'
        assert provider.ask("POST", "Groups", group).status == 400
        patch = (
            f'{{"schemas": ["{PATCH}"], "Operations": [{{"op": "add", "path": "title", "value": "{text}"}}]}}'
        )
        assert provider.ask("PATCH", f"Users/{ann}", patch).status == 400
        assert provider.find("Users", f'userName eq "{text}"').status == 400
        assert provider.find("Groups", f'displayName eq "{text}"').status == 400
    smile = provider.ask(
        "PATCH",
        f"Users/{ann}",
        rf'{{"schemas": ["{PATCH}"], "Operations": [{{"op": "add", "path": "displayName", '
        r'"value": "A \ud83d\ude00"}]}',
    )
    assert smile.body["displayName"] == "A 😀"


def test_it_makes_nobody_of_a_user_name_of_spaces(provider: Provider) -> None:
    assert provider.post("Users", {"schemas": [USER], "userName": "   "}).status == 400
