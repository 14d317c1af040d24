"""State, profiles, activities and agents over HTTP: whoever overwrites a document must have seen it."""

import json
import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connections, transaction
from django.test import Client

from consent.crypto import encrypt
from signals import privacy
from signals.models import Document
from signals.xapi import credentials, definitions
from tests.support.signals import (
    NOW,
    account,
    as_json,
    headers_of,
    identify,
    make_credential,
    make_learner,
    send,
    statement,
)

pytestmark = pytest.mark.django_db
STATE, PROFILE, PERSON = "/xapi/activities/state", "/xapi/activities/profile", "/xapi/agents/profile"
PAGE = "https://lms.example.com/page/1"
AGENT = json.dumps(account("person-0001"))


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    credentials.forget()
    definitions.forget()


@pytest.fixture
def made() -> credentials.NewCredential:
    return make_credential()


def state(name: str | None = "bookmark", **more: str) -> str:
    from urllib.parse import urlencode

    given = {"activityId": PAGE, "agent": AGENT, **more}
    return f"{STATE}?{urlencode(given | ({'stateId': name} if name else {}))}"


def profile(name: str = "settings") -> str:
    return f"{PROFILE}?activityId={PAGE}&profileId={name}"


def put(client: Client, url: str, body: bytes, made: credentials.NewCredential, **headers: str) -> Any:
    kind = headers.pop("content_type", "application/json")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.put(url, body, content_type=kind, headers=headers_of(made, **named))


def get(client: Client, url: str, made: credentials.NewCredential, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(url, headers=headers_of(made, **named))


def test_it_gives_a_document_back_byte_for_byte(client: Client, made: credentials.NewCredential) -> None:
    body = bytes(range(256))

    assert put(client, state(), body, made, content_type="image/x-own; a=b").status_code == 204
    answer = get(client, state(), made)

    assert answer.content == body
    assert answer["Content-Type"] == "image/x-own; a=b"
    assert answer["Last-Modified"]
    assert get(client, state(), made, If_None_Match=answer["ETag"]).status_code == 304


def test_it_keeps_documents_apart_by_registration(client: Client, made: credentials.NewCredential) -> None:
    registration = str(uuid4())
    put(client, state(), b"1", made)
    put(client, state(registration=registration), b"2", made)

    assert get(client, state(), made).content == b"1"
    assert get(client, state(registration=registration), made).content == b"2"
    assert client.delete(state(None, registration=registration), headers=headers_of(made)).status_code == 204
    assert get(client, state(), made).content == b"1"
    assert get(client, state(registration=registration), made).status_code == 404


def test_it_lists_names_changed_since(client: Client, made: credentials.NewCredential) -> None:
    put(client, state("one"), b"1", made)
    Document.objects.update(updated_at=NOW)
    put(client, state("two"), b"2", made)

    assert get(client, state(None), made).json() == ["one", "two"]
    since = (NOW + timedelta(seconds=1)).isoformat()
    assert get(client, state(None, since=since), made).json() == ["two"]


def test_it_merges_json_one_level_deep(client: Client, made: credentials.NewCredential) -> None:
    put(client, state(), b'{"a": 1, "b": {"c": 2, "d": 3}}', made)

    answer = client.post(
        state(), b'{"b": {"c": 4}, "e": 5}', content_type="application/json", headers=headers_of(made)
    )

    assert answer.status_code == 204
    assert get(client, state(), made).json() == {"a": 1, "b": {"c": 4}, "e": 5}


@pytest.mark.parametrize(
    ("kept", "sent"), [((b"[1]", "application/json"), b"{}"), ((b"text", "text/plain"), b"{}")]
)
def test_it_refuses_to_merge_what_is_no_object_and_loses_nothing(
    client: Client, made: credentials.NewCredential, kept: tuple[bytes, str], sent: bytes
) -> None:
    put(client, state(), kept[0], made, content_type=kept[1])

    answer = client.post(state(), sent, content_type="application/json", headers=headers_of(made))

    assert answer.status_code == 400
    assert answer.json()["faults"][0]["mend"]
    assert get(client, state(), made).content == kept[0]


def test_it_overwrites_a_profile_only_with_the_tag_last_seen(
    client: Client, made: credentials.NewCredential
) -> None:
    assert put(client, profile(), b"1", made).status_code == 400  # says neither that nor what it has seen
    assert put(client, profile(), b"1", made, If_None_Match="*").status_code == 204
    seen = get(client, profile(), made)["ETag"]
    assert put(client, profile(), b"2", made).status_code == 409
    assert put(client, profile(), b"2", made, If_None_Match="*").status_code == 412
    assert put(client, profile(), b"2", made, If_Match=seen).status_code == 204
    assert put(client, profile(), b"3", made, If_Match=seen).status_code == 412
    assert get(client, profile(), made).content == b"2"
    assert client.delete(profile(), headers=headers_of(made, **{"If-Match": seen})).status_code == 412


@pytest.mark.parametrize("version", ["1.0.3", "2.0.0"])
def test_it_protects_a_state_in_xapi_2_alone(
    client: Client, made: credentials.NewCredential, version: str
) -> None:
    put(client, state(), b"1", made, X_Experience_API_Version=version)

    again = put(client, state(), b"2", made, X_Experience_API_Version=version)

    assert again.status_code == (409 if version == "2.0.0" else 204)


@pytest.mark.django_db(transaction=True)
def test_it_lets_one_of_two_clients_with_the_same_tag_win(made: credentials.NewCredential) -> None:
    put(Client(), profile(), b"0", made, If_None_Match="*")
    seen = get(Client(), profile(), made)["ETag"]
    ready = threading.Barrier(2)
    answers: list[int] = []

    def write(body: bytes) -> None:
        ready.wait()
        answers.append(put(Client(), profile(), body, made, If_Match=seen).status_code)
        connections.close_all()

    threads = [threading.Thread(target=write, args=(body,)) for body in (b"1", b"2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == [204, 412]


@pytest.mark.parametrize(
    ("url", "named"),
    [
        (f"{STATE}?stateId=a&agent={AGENT}", "activityId"),
        (f"{STATE}?stateId=a&activityId={PAGE}", "agent"),
        (f"{STATE}?stateId=a&activityId={PAGE}&agent=%7B", "agent"),
        (f"{STATE}?stateId=a&activityId={PAGE}&agent=%7B%7D", "agent"),
        (f"{STATE}?stateId=a&activityId={PAGE}&agent={AGENT}&registration=1", "registration"),
        (f"{PROFILE}?activityId=page&profileId=a", "activityId"),
        (f"{PROFILE}?activityId={PAGE}&profileId=a&colour=red", "colour"),
        (f"{PERSON}?profileId=a", "agent"),
    ],
)
def test_it_names_the_parameter_that_is_wrong(
    client: Client, made: credentials.NewCredential, url: str, named: str
) -> None:
    answer = put(client, url, b"1", made, If_None_Match="*")

    assert answer.status_code == 400
    assert named in answer.json()["faults"][0]["path"]


@pytest.mark.parametrize(
    ("permission", "url", "writes"),
    [
        ("state", state(), 204),
        ("profile", state(), 403),
        ("profile", profile(), 204),
        ("read", profile(), 403),
    ],
)
def test_it_lets_a_credential_do_what_it_may(client: Client, permission: str, url: str, writes: int) -> None:
    made = make_credential("all", name="narrow")
    # The permission's name is checked by the database where credentials are made; here only its meaning matters.
    made.credential.permissions = [permission]
    credentials._remembered[_token(made)] = (float("inf"), made.credential)

    assert put(client, url, b"1", made, If_None_Match="*").status_code == writes


def _token(made: credentials.NewCredential) -> bytes:
    import hashlib

    return hashlib.blake2b(headers_of(made)["Authorization"].encode(), digest_size=16).digest()


def test_it_puts_together_what_statements_say_of_an_activity(
    client: Client, made: credentials.NewCredential
) -> None:
    for definition in (
        {"name": {"en": "Fire"}, "extensions": {"https://example.com/a": 1}},
        {
            "name": {"de": "Feuer"},
            "type": "https://example.com/page",
            "extensions": {"https://example.com/b": 2},
        },
    ):
        send(statement(object={"id": PAGE, "definition": definition}), credential=made.credential)

    answer = get(client, f"/xapi/activities?activityId={PAGE}", made)

    assert answer.json() == {
        "objectType": "Activity",
        "id": PAGE,
        "definition": {
            "name": {"en": "Fire", "de": "Feuer"},
            "type": "https://example.com/page",
            "extensions": {"https://example.com/a": 1, "https://example.com/b": 2},
        },
    }


def test_it_learns_nothing_from_a_credential_that_may_not_define(
    client: Client, made: credentials.NewCredential
) -> None:
    writer = make_credential("write", name="writer").credential

    send(statement(object={"id": PAGE, "definition": {"name": {"en": "Fire"}}}), credential=writer)

    assert "definition" not in get(client, f"/xapi/activities?activityId={PAGE}", made).json()


def test_it_trades_no_identifier_for_another(client: Client, made: credentials.NewCredential) -> None:
    learner = make_learner("person-0001")
    identify(learner, account("other-0001"))

    answer = get(client, f"/xapi/agents?agent={AGENT}", made)

    assert answer.json() == {"objectType": "Person", "account": [account("person-0001")["account"]]}


def test_it_hands_out_and_erases_a_persons_documents(client: Client, made: credentials.NewCredential) -> None:
    learner = make_learner("person-0001")
    put(client, state(), b"where I was", made, content_type="text/plain")
    put(client, state(agent=json.dumps(account("person-0002"))), b"another", made, content_type="text/plain")

    told = privacy.export(learner.pk)["documents"]
    counts = privacy.erase(learner.pk, now=NOW)

    assert [(row["kind"], row["name"]) for row in told] == [("state", "bookmark")]
    assert counts["documents"] == 1
    assert Document.objects.count() == 1


def test_it_keeps_no_clear_text_of_a_document(client: Client, made: credentials.NewCredential) -> None:
    put(client, state("of-maria"), b"maria was here", made, content_type="text/plain")

    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT row_to_json(d)::text, encode(content, 'escape') FROM signals_document d")
        (row,) = cursor.fetchall()

    assert "maria" not in "".join(row)


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"kind": 1, "agent": b"a" * 16}, "a_document_belongs_to_what_its_resource_says"),
        ({"kind": 2, "activity": 1, "agent": b"a" * 16}, "a_document_belongs_to_what_its_resource_says"),
        (
            {"kind": 3, "agent": b"a" * 16, "registration": uuid4()},
            "a_document_belongs_to_what_its_resource_says",
        ),
    ],
    ids=["state without activity", "activity profile of an agent", "agent profile with registration"],
)
def test_it_refuses_a_document_that_belongs_nowhere(values: dict[str, Any], constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        _make_document(**values)


def test_it_keeps_a_document_once() -> None:
    _make_document(kind=2, activity=1)

    with pytest.raises(IntegrityError, match="a_document_is_kept_once"), transaction.atomic():
        _make_document(kind=2, activity=1)


def _make_document(**values: Any) -> Document:
    return Document.objects.create(
        name_hash=b"n" * 16, name="a", content_type="a/b", content=encrypt(b""), updated_at=NOW, **values
    )


def test_it_answers_a_browser_from_another_origin(client: Client, made: credentials.NewCredential) -> None:
    asked = client.options(
        "/xapi/statements",
        headers={
            "Origin": "https://content.example.com",
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "authorization,x-experience-api-version",
        },
    )
    answer = get(client, "/xapi/statements", made, Origin="https://content.example.com")
    elsewhere = client.get("/sign-in/", headers={"Origin": "https://content.example.com"})

    assert asked["Access-Control-Allow-Origin"] == "*"
    assert "x-experience-api-version" in asked["Access-Control-Allow-Headers"]
    assert "x-experience-api-consistent-through" in answer["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer
    assert "Access-Control-Allow-Origin" not in elsewhere


def test_it_refuses_what_is_too_big_and_says_so(
    client: Client, made: credentials.NewCredential, settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10

    answer = client.post(
        "/xapi/statements", as_json(statement()), content_type="application/json", headers=headers_of(made)
    )

    assert answer.status_code == 413
    assert "10 bytes" in answer.json()["faults"][0]["fault"]
