"""/xapi/statements and /xapi/about over HTTP."""

import gzip
import json
import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.test import Client

from signals.models import Credential, Quarantined, Statement
from signals.xapi import consistency, credentials
from tests.support.signals import (
    ADL,
    COURSE,
    NOW,
    account,
    as_json,
    headers_of,
    make_credential,
    send,
    statement,
)

pytestmark = pytest.mark.django_db
URL = "/xapi/statements"


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    credentials.forget()


@pytest.fixture
def made() -> credentials.NewCredential:
    return make_credential()


def post(client: Client, sent: Any, headers: dict[str, str], body: bytes | None = None) -> Any:
    return client.post(URL, body or as_json(sent), content_type="application/json", headers=headers)


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [item["id"] for item in answer.json()["statements"]]


# --- storing ------------------------------------------------------------------------------------------------------


def test_it_answers_a_post_of_one_with_its_id(client: Client, made: credentials.NewCredential) -> None:
    sent = statement()

    answer = post(client, sent, headers_of(made))

    assert answer.status_code == 200
    assert answer.json() == [sent["id"]]
    assert answer["X-Experience-API-Version"] == "1.0.3"
    assert "X-Experience-API-Consistent-Through" in answer


def test_it_answers_a_post_of_many_in_their_order(client: Client, made: credentials.NewCredential) -> None:
    sent = [statement() for _ in range(3)]
    del sent[1]["id"]

    answer = post(client, sent, headers_of(made))

    assert [answer.json()[0], answer.json()[2]] == [sent[0]["id"], sent[2]["id"]]
    assert Statement.objects.filter(pk=answer.json()[1]).exists()


def test_it_stores_an_empty_batch_as_nothing(client: Client, made: credentials.NewCredential) -> None:
    assert post(client, [], headers_of(made)).json() == []


def test_it_reads_a_compressed_body(client: Client, made: credentials.NewCredential) -> None:
    sent = statement()

    answer = post(
        client, None, headers_of(made, **{"Content-Encoding": "gzip"}), gzip.compress(as_json([sent]))
    )

    assert answer.json() == [sent["id"]]


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b"[]", mtime=0)[:-5]])
def test_it_refuses_a_body_that_cannot_be_unpacked(
    client: Client, made: credentials.NewCredential, body: bytes
) -> None:
    answer = post(client, None, headers_of(made, **{"Content-Encoding": "gzip"}), body)

    assert answer.status_code == 400


def test_it_refuses_a_body_that_unpacks_to_too_much(
    client: Client, made: credentials.NewCredential, settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10_000

    answer = post(
        client, None, headers_of(made, **{"Content-Encoding": "gzip"}), gzip.compress(b" " * 20_000, mtime=0)
    )

    assert answer.status_code == 413


@pytest.mark.parametrize("body", [b"", b"{", b"[{},", b"\xff\xfe", b"[1 2]", b"nope"])
def test_it_says_where_a_body_is_no_json(
    client: Client, made: credentials.NewCredential, body: bytes
) -> None:
    answer = client.post(URL, body, content_type="application/json", headers=headers_of(made))

    assert answer.status_code == 400
    assert "JSON" in answer.json()["faults"][0]["fault"]


def test_it_tells_place_fault_and_mend_of_each_fault(client: Client, made: credentials.NewCredential) -> None:
    answer = post(client, [statement(), {**statement(), "verb": {"id": "x"}}], headers_of(made))

    assert answer.status_code == 400
    (fault,) = answer.json()["faults"]
    assert (fault["statement"], fault["path"]) == (1, "$.verb.id")
    assert fault["fault"] and fault["mend"]
    assert not Statement.objects.exists()


def test_it_refuses_other_content_under_a_stored_id(client: Client, made: credentials.NewCredential) -> None:
    sent = statement()
    post(client, sent, headers_of(made))

    answer = post(client, statement("completed", id=sent["id"]), headers_of(made))

    assert answer.status_code == 409


def test_it_puts_a_statement_under_the_id_named(client: Client, made: credentials.NewCredential) -> None:
    sent = statement()
    key = sent.pop("id")

    def put(value: Any) -> Any:
        address = f"{URL}?statementId={key}"
        return client.put(address, as_json(value), content_type="application/json", headers=headers_of(made))

    assert put(sent).status_code == 204
    assert put({**sent, "id": key}).status_code == 204
    assert put({**sent, "verb": {"id": ADL + "failed"}}).status_code == 409
    assert put({**sent, "id": str(uuid4())}).status_code == 400
    assert str(Statement.objects.get().pk) == key


def test_it_refuses_a_put_without_an_id(client: Client, made: credentials.NewCredential) -> None:
    answer = client.put(URL, as_json(statement()), content_type="application/json", headers=headers_of(made))

    assert answer.status_code == 400


def test_it_takes_bulk_only_with_the_permission(client: Client, made: credentials.NewCredential) -> None:
    bulk = {"X-Rekindle-Intake": "bulk"}
    good, bad = statement(), {**statement(), "verb": {}}

    refused = post(client, [good, bad], headers_of(made, **bulk))
    trusted = make_credential("write", "bulk", name="importer")
    answer = post(client, [good, bad], headers_of(trusted, **bulk))

    assert refused.status_code == 403
    assert answer.json()["ids"] == [good["id"]]
    assert answer.json()["quarantined"] == [bad["id"]]
    assert answer.json()["faults"][0]["path"] == "$.verb.id"
    assert Quarantined.objects.count() == 1


# --- who may ------------------------------------------------------------------------------------------------------


def test_it_refuses_strangers(client: Client, made: credentials.NewCredential) -> None:
    headers = headers_of(made)
    wrong = headers_of(made._replace(secret="wrong"))

    assert client.get(URL, headers={"X-Experience-API-Version": "1.0.3"}).status_code == 401
    assert client.get(URL, headers=wrong)["WWW-Authenticate"].startswith("Basic")
    Credential.objects.update(is_active=False)
    assert client.get(URL, headers=headers).status_code == 401


def test_it_refuses_what_a_credential_may_not(client: Client) -> None:
    reader, writer = make_credential("read", name="reader"), make_credential("write", name="writer")

    assert post(client, statement(), headers_of(reader)).status_code == 403
    assert client.get(URL, headers=headers_of(writer)).status_code == 403


def test_it_shows_its_own_statements_to_who_may_read_only_those(client: Client) -> None:
    mine, other = make_credential("write", "read/mine", name="mine"), make_credential("all", name="other")
    own = send(statement(), credential=mine.credential).ids[0]
    theirs = send(statement(), credential=other.credential).ids[0]

    assert ids(client.get(URL, headers=headers_of(mine))) == [str(own)]
    assert client.get(f"{URL}?statementId={theirs}", headers=headers_of(mine)).status_code == 404
    assert len(ids(client.get(URL, headers=headers_of(other)))) == 2


def test_it_asks_for_a_version_it_speaks(client: Client, made: credentials.NewCredential) -> None:
    without = {name: value for name, value in headers_of(made).items() if "Version" not in name}

    assert client.get(URL, headers=without).status_code == 400
    assert client.get(URL, headers=without | {"X-Experience-API-Version": "0.95"}).status_code == 400
    second = client.get(URL, headers=without | {"X-Experience-API-Version": "2.0.0"})
    assert (second.status_code, second["X-Experience-API-Version"]) == (200, "2.0.0")


def test_it_refuses_the_wrong_method(client: Client, made: credentials.NewCredential) -> None:
    assert client.delete(URL, headers=headers_of(made)).status_code == 405


def test_it_says_what_it_speaks_to_anybody(client: Client) -> None:
    answer = client.get("/xapi/about")

    assert answer.json()["version"] == ["1.0.3", "2.0.0"]


def test_it_makes_a_credential_and_shows_the_secret_once(client: Client, capsys: Any) -> None:
    call_command("lrs_client", "lms", "--allow", "all", "--json")

    shown = json.loads(capsys.readouterr().out)
    made = Credential.objects.get(name="lms")
    assert shown["secret"].encode() not in bytes(made.secret_hash)
    headers = headers_of(credentials.NewCredential(made, shown["key"], shown["secret"]))
    assert client.get(URL, headers=headers).status_code == 200


# --- reading ------------------------------------------------------------------------------------------------------


def test_it_returns_a_statement_as_sent_with_what_the_store_adds(
    client: Client, made: credentials.NewCredential
) -> None:
    sent = statement(result={"extensions": {"https://x.example/deep": {"a": [1, None]}}})
    send(sent, credential=made.credential)

    answer = client.get(f"{URL}?statementId={sent['id']}", headers=headers_of(made))

    got = answer.json()
    assert {name: got[name] for name in sent} == sent
    assert got["stored"] == got["timestamp"] == "2026-03-02T09:00:00.000000Z"
    assert got["version"] == "1.0.0"
    assert got["authority"]["account"]["name"] == str(made.credential.pk)
    assert answer["Last-Modified"] == "Mon, 02 Mar 2026 09:00:00 GMT"
    assert answer["ETag"]


def test_it_answers_head_without_a_body(client: Client, made: credentials.NewCredential) -> None:
    sent = statement()
    send(sent, credential=made.credential)

    answer = client.head(f"{URL}?statementId={sent['id']}", headers=headers_of(made))

    assert (answer.status_code, answer.content) == (200, b"")


def test_it_shows_a_voided_statement_only_as_such(client: Client, made: credentials.NewCredential) -> None:
    sent = statement()
    void = statement("voided", object={"objectType": "StatementRef", "id": sent["id"]}, course=None)
    send(sent, void, credential=made.credential)
    headers = headers_of(made)

    assert ids(client.get(URL, headers=headers)) == [void["id"]]
    assert client.get(f"{URL}?statementId={sent['id']}", headers=headers).status_code == 404
    assert client.get(f"{URL}?voidedStatementId={sent['id']}", headers=headers).json()["id"] == sent["id"]
    assert client.get(f"{URL}?voidedStatementId={void['id']}", headers=headers).status_code == 404


REGISTRATION = "ec531277-b57b-4c15-8d91-d292c5b2b8f7"
A, B = account("person-000A"), account("person-000B")
PAGE = "https://lms.example.com/page/9"


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, "4321"),
        ({"ascending": "true"}, "1234"),
        ({"agent": json.dumps(A)}, "31"),
        ({"agent": json.dumps(B)}, "42"),
        ({"agent": json.dumps(B), "related_agents": "true"}, "4321"),
        ({"verb": ADL + "completed"}, "2"),
        ({"activity": PAGE}, "1"),
        ({"activity": COURSE}, ""),
        ({"activity": COURSE, "related_activities": "true"}, "21"),
        ({"registration": REGISTRATION.upper()}, "3"),
        ({"agent": json.dumps(A), "verb": ADL + "experienced"}, "31"),
        ({"agent": json.dumps(B), "verb": ADL + "completed", "activity": COURSE}, ""),
        ({"since": "2026-03-02T09:00:02Z"}, "43"),
        ({"until": "2026-03-02T09:00:02Z"}, "21"),
        ({"since": "2026-03-02T09:00:01Z", "until": "2026-03-02T10:00:03+01:00"}, "32"),
        ({"limit": "1"}, "4"),
    ],
)
def test_it_filters_by(
    client: Client, made: credentials.NewCredential, parameters: dict[str, str], expected: str
) -> None:
    sent = [
        statement("experienced", PAGE, actor=A, context={
            "instructor": B, "contextActivities": {"parent": [{"id": COURSE}]}
        }),
        statement("completed", actor=B),
        statement("experienced", actor=A, context={
            "registration": REGISTRATION, "team": {"objectType": "Group", "member": [B]}
        }),
        statement("experienced", object={"objectType": "Agent", **B}, actor=account("person-000C"), course=None),
    ]  # fmt: skip
    for number, item in enumerate(sent, 1):
        send(item, credential=made.credential, now=NOW + timedelta(seconds=number))

    answer = client.get(URL, parameters, headers=headers_of(made))

    names = {item["id"]: str(number) for number, item in enumerate(sent, 1)}
    assert "".join(names[key] for key in ids(answer)) == expected


def test_it_finds_what_a_credential_vouched_for_among_related_agents(
    client: Client, made: credentials.NewCredential
) -> None:
    send(statement(), credential=made.credential)
    send(statement(), credential=make_credential("all", name="other").credential)
    agent = json.dumps(credentials.authority(made.credential.pk))

    assert (
        len(ids(client.get(URL, {"agent": agent, "related_agents": "true"}, headers=headers_of(made)))) == 1
    )
    assert ids(client.get(URL, {"agent": agent}, headers=headers_of(made))) == []


@pytest.mark.parametrize("ascending", ["true", "false"])
def test_it_pages_through_everything_once(
    client: Client, made: credentials.NewCredential, ascending: str
) -> None:
    sent = [statement() for _ in range(7)]
    send(*sent, credential=made.credential)
    headers = headers_of(made)

    seen: list[str] = []
    answer = client.get(
        URL, {"limit": "3", "ascending": ascending, "verb": ADL + "experienced"}, headers=headers
    )
    for _ in range(5):
        seen += ids(answer)
        if not (more := answer.json()["more"]):
            break
        answer = client.get(more, headers=headers)

    expected = [item["id"] for item in sent]
    assert seen == (expected if ascending == "true" else expected[::-1])


def test_it_names_nobody_in_the_address_of_the_next_page(
    client: Client, made: credentials.NewCredential
) -> None:
    send(statement(), statement(), credential=made.credential)

    agent = json.dumps(account("person-0001"))
    answer = client.get(URL, {"limit": "1", "agent": agent}, headers=headers_of(made))

    more = answer.json()["more"]
    assert more.startswith("/xapi/statements?cursor=")
    assert "person-0001" not in more
    assert client.get(more + "x", headers=headers_of(made)).status_code == 400


@pytest.mark.parametrize(
    "parameters",
    [
        {"statementId": "x"},
        {"statementId": str(uuid4()), "voidedStatementId": str(uuid4())},
        {"statementId": str(uuid4()), "verb": ADL + "passed"},
        {"agent": "{"},
        {"agent": "{}"},
        {"verb": "x"},
        {"activity": "x"},
        {"registration": "x"},
        {"since": "x"},
        {"until": "yesterday"},
        {"limit": "-1"},
        {"ascending": "maybe"},
        {"related_agents": "1"},
        {"format": "short"},
        {"surprise": "1"},
    ],
)
def test_it_refuses_a_query_with(
    client: Client, made: credentials.NewCredential, parameters: dict[str, str]
) -> None:
    assert client.get(URL, parameters, headers=headers_of(made)).status_code == 400


def test_it_answers_in_ids_or_in_one_language(client: Client, made: credentials.NewCredential) -> None:
    sent = statement(
        actor={"name": "Ann", **account("person-0001")},
        object={"id": PAGE, "definition": {"name": {"en": "Page", "de": "Seite"}}},
    )
    send(sent, credential=made.credential)
    headers = headers_of(made, **{"Accept-Language": "fr;q=0.9, de;q=0.8"})

    in_ids = client.get(URL, {"format": "ids"}, headers=headers).json()["statements"][0]
    in_german = client.get(URL, {"format": "canonical"}, headers=headers).json()["statements"][0]

    assert in_ids["actor"] == account("person-0001")
    assert in_ids["object"] == {"id": PAGE}
    assert in_german["object"]["definition"]["name"] == {"de": "Seite"}


def test_it_answers_304_to_who_has_it_already(client: Client, made: credentials.NewCredential) -> None:
    sent = statement()
    send(sent, credential=made.credential)
    address = f"{URL}?statementId={sent['id']}"
    tag = client.get(address, headers=headers_of(made))["ETag"]

    assert client.get(address, headers=headers_of(made, **{"If-None-Match": tag})).status_code == 304


@pytest.mark.slow
def test_it_is_consistent_only_up_to_what_is_still_being_written() -> None:
    late = NOW + timedelta(seconds=90)
    ready, finish = threading.Event(), threading.Event()

    def write() -> None:
        with consistency.announced(NOW):
            ready.set()
            finish.wait(10)
        connections.close_all()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert ready.wait(10)
        during = consistency.consistent_through(now=late)
    finally:
        finish.set()
        writer.join()

    assert during == NOW
    assert consistency.consistent_through(now=late) == late - consistency.MARGIN
    assert connection.is_usable()
