"""What became of each statement is said, and what was refused is counted."""

from typing import Any

import pytest
from django.test import Client

from signals.models import Quarantined, Refusal, Statement
from signals.xapi import credentials
from tests.support.signals import as_json, headers_of, make_credential, statement

pytestmark = pytest.mark.django_db
URL = "/xapi/statements"


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    credentials.forget()


@pytest.fixture
def made() -> credentials.NewCredential:
    return make_credential("write", "bulk")


def post(
    client: Client, sent: Any, made: credentials.NewCredential, body: bytes = b"", intake: str = ""
) -> Any:
    return client.post(
        URL,
        body or as_json(sent),
        content_type="application/json",
        headers=headers_of(made, **({"X-Rekindle-Intake": intake} if intake else {})),
    )


def each(client: Client, sent: Any, made: credentials.NewCredential) -> list[dict[str, Any]]:
    answer = post(client, sent, made, intake="each")
    assert answer.status_code == 200, answer.content
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def counted() -> dict[str, tuple[int, int]]:
    return {row.kind: (row.requests, row.statements) for row in Refusal.objects.all()}


def test_it_says_what_became_of_each(client: Client, made: credentials.NewCredential) -> None:
    present, taken = statement(), statement()
    post(client, [present, taken], made)
    new, bad = statement(), {**statement(), "verb": {"id": "saw"}}
    other = {**statement("failed"), "id": taken["id"]}
    sent = [new, present, other, bad, new, {"verb": {}}]

    results = each(client, sent, made)

    assert [(row["index"], row["result"], row["id"]) for row in results] == [
        (0, "stored", new["id"]),
        (1, "present", present["id"]),
        (2, "conflict", taken["id"]),
        (3, "quarantined", bad["id"]),
        (4, "present", new["id"]),
        (5, "quarantined", None),
    ]
    fault = results[3]["faults"][0]
    assert (fault["path"], fault["fault"]) == ("$.verb.id", "is not an IRI")
    assert fault["mend"].startswith("Send an absolute IRI")
    assert "faults" not in results[0]
    assert Statement.objects.count() == 3
    assert Quarantined.objects.count() == 3


def test_it_says_the_same_when_asked_again(client: Client, made: credentials.NewCredential) -> None:
    sent = [statement(), {**statement(), "verb": {}}]
    each(client, sent, made)

    again = each(client, sent, made)

    assert [row["result"] for row in again] == ["present", "quarantined"]
    assert Quarantined.objects.count() == 1


def test_it_keeps_the_body_of_what_is_faulty_unreadable(
    client: Client, made: credentials.NewCredential
) -> None:
    each(client, [{**statement(), "verb": {}}], made)

    assert b"person-0001" not in bytes(Quarantined.objects.get().body)


def test_it_turns_away_what_would_never_be_looked_at(
    client: Client, made: credentials.NewCredential, settings: Any
) -> None:
    settings.QUARANTINE_MOST_WAITING = 1

    results = each(client, [{"id": 1}, statement(), {"id": 2}], made)

    assert [row["result"] for row in results] == ["quarantined", "stored", "refused"]
    assert "too many" in results[2]["faults"][0]["fault"]
    assert counted() == {"full": (1, 1)}


def test_it_gives_results_only_to_whoever_may_send_in_bulk(client: Client) -> None:
    answer = post(client, statement(), make_credential(), intake="each")

    assert answer.status_code == 403
    assert counted() == {"permission": (1, 0)}


def test_it_counts_what_strict_mode_refuses(client: Client, made: credentials.NewCredential) -> None:
    post(client, [statement(), {**statement(), "verb": {}}, {**statement(), "actor": 3}], made)
    post(client, {**statement(), "verb": {"id": "saw"}}, made)
    post(client, None, made, body=b"{oops")
    assert not Statement.objects.exists()
    known = statement()
    post(client, known, made)

    post(client, {**known, "verb": {"id": "https://acme.example/other"}}, made)

    assert counted() == {
        "missing": (1, 1),
        "type": (1, 1),
        "value": (1, 1),
        "malformed": (1, 1),
        "conflict": (1, 1),
    }


def test_it_counts_requests_that_are_wrong_and_no_questions(
    client: Client, made: credentials.NewCredential
) -> None:
    client.post(URL, b"x", content_type="text/plain", headers=headers_of(made))
    client.get(URL, {"nonsense": "1"}, headers=headers_of(make_credential(name="reader")))

    assert counted() == {"request": (1, 0)}
