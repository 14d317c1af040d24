"""Statements about statements, canonical answers, and requests folded into forms."""

import itertools
import json
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.test import Client

from signals import links, privacy
from signals.models import Credential, StatementLink
from signals.xapi import credentials, definitions
from tests.support.signals import (
    ADL,
    NOW,
    account,
    headers_of,
    make_credential,
    make_learner,
    send,
    statement,
)

pytestmark = pytest.mark.django_db
URL = "/xapi/statements"


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    credentials.forget()
    definitions.forget()


@pytest.fixture
def made() -> credentials.NewCredential:
    return make_credential()


def about(target: dict[str, Any], verb: str = "commented", **more: Any) -> dict[str, Any]:
    return statement(
        verb,
        actor=account("someone-else"),
        course=None,
        object={"objectType": "StatementRef", "id": target["id"]},
        **more,
    )


def found(client: Client, made: credentials.NewCredential, **filters: str) -> set[str]:
    answer = client.get(URL, filters, headers=headers_of(made))
    assert answer.status_code == 200, answer.content
    return {item["id"] for item in answer.json()["statements"]}


BY = {"agent": json.dumps(account("person-0001"))}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_it_finds_a_chain_by_its_end_in_whatever_order_it_came(
    client: Client, made: credentials.NewCredential, order: tuple[int, ...]
) -> None:
    end = statement("passed")
    middle = about(end)
    start = about(middle)
    chain = [end, middle, start]

    for number in order:
        send(chain[number], credential=made.credential)

    assert found(client, made, **BY) == {item["id"] for item in chain}
    assert found(client, made, verb=f"{ADL}passed") == {item["id"] for item in chain}
    # One condition may be met here and another there.
    assert found(client, made, verb=f"{ADL}commented", **BY) == {middle["id"], start["id"]}
    assert found(client, made, verb=f"{ADL}failed", **BY) == set()


def test_it_finds_what_came_in_one_batch(client: Client, made: credentials.NewCredential) -> None:
    end = statement("passed")
    send(about(end), end, credential=made.credential)

    assert len(found(client, made, **BY)) == 2


def test_it_survives_a_circle(client: Client, made: credentials.NewCredential) -> None:
    first, second = {"id": str(uuid4())}, {"id": str(uuid4())}
    send(about(second, "asked", id=first["id"]), credential=made.credential)
    send(about(first, "answered", id=second["id"]), credential=made.credential)

    assert found(client, made, verb=f"{ADL}asked") == {first["id"], second["id"]}


def test_it_still_finds_what_is_about_a_voided_statement(
    client: Client, made: credentials.NewCredential
) -> None:
    end = statement("passed")
    comment, voiding = about(end), about(end, "voided")
    send(end, comment, voiding, credential=made.credential)

    assert found(client, made, **BY) == {comment["id"], voiding["id"]}


def test_it_pages_over_both_kinds_without_loss(client: Client, made: credentials.NewCredential) -> None:
    ends = [statement("passed") for _ in range(5)]
    send(*ends, *[about(end) for end in ends], credential=made.credential)
    seen: list[str] = []
    answer = client.get(URL, {**BY, "limit": "3"}, headers=headers_of(made)).json()

    while True:
        seen += [item["id"] for item in answer["statements"]]
        if not answer["more"]:
            break
        answer = client.get(answer["more"], headers=headers_of(made)).json()

    assert len(seen) == len(set(seen)) == 10


def test_it_settles_links_that_met_their_target_on_the_way_in(
    client: Client, made: credentials.NewCredential
) -> None:
    end = statement("passed")
    send(end, about(end), credential=made.credential)
    StatementLink.objects.update(keys=None)  # as if neither transaction had seen the other

    assert links.settle_late(now=NOW) == 1
    assert links.settle_late(now=NOW) == 0
    assert len(found(client, made, **BY)) == 2


def test_it_shows_a_reader_of_its_own_only_its_own(client: Client, made: credentials.NewCredential) -> None:
    other = make_credential("write", "read/mine", name="other")
    end = statement("passed")
    send(end, credential=made.credential)
    comment = about(end)
    send(comment, credential=Credential.objects.get(name="other"))

    assert found(client, other, **BY) == {comment["id"]}


def test_it_erases_the_links_of_a_person(made: credentials.NewCredential) -> None:
    learner = make_learner("someone-else")
    end = statement("passed")
    send(end, about(end), credential=made.credential)

    privacy.erase(learner.pk, now=NOW)

    assert not StatementLink.objects.exists()


# --- answers ------------------------------------------------------------------------------------------------------


def test_it_answers_canonically_with_what_all_said_in_one_language(
    client: Client, made: credentials.NewCredential
) -> None:
    page = "https://lms.example.com/page/1"
    names = {"en": "Fire", "en-GB": "Fire drill", "de": "Feuer"}
    sent = statement(object={"id": page, "definition": {"name": {"en": "Fire"}}})
    send(sent, credential=made.credential)
    send(statement(object={"id": page, "definition": {"name": names}}), credential=made.credential)

    answer = client.get(
        URL,
        {"statementId": sent["id"], "format": "canonical"},
        headers=headers_of(made, **{"Accept-Language": "en-GB, de;q=0.5"}),
    )

    assert answer.json()["object"]["definition"]["name"] == {"en-GB": "Fire drill"}


def test_it_answers_with_arrays_of_context_activities(
    client: Client, made: credentials.NewCredential
) -> None:
    alone = {"id": "https://lms.example.com/course/safety"}
    sent = statement(context={"contextActivities": {"parent": alone}})
    send(sent, credential=made.credential)

    answer = client.get(URL, {"statementId": sent["id"]}, headers=headers_of(made)).json()

    assert answer["context"]["contextActivities"]["parent"] == [alone]


# --- the alternate syntax -------------------------------------------------------------------------------------------


def fold(client: Client, made: credentials.NewCredential, method: str, **fields: str) -> Any:
    form = {**headers_of(made), **fields}
    return client.post(
        f"{URL}?method={method}", urlencode(form), content_type="application/x-www-form-urlencoded"
    )


def test_it_unfolds_a_put_and_a_get(client: Client, made: credentials.NewCredential) -> None:
    sent = statement()

    put = fold(client, made, "PUT", statementId=sent["id"], content=json.dumps(sent))
    got = fold(client, made, "GET", statementId=sent["id"])

    assert put.status_code == 204
    assert got.json()["id"] == sent["id"]
    assert got["X-Experience-API-Version"] == "1.0.3"


def test_it_unfolds_the_preconditions_of_a_document(client: Client, made: credentials.NewCredential) -> None:
    url = "/xapi/activities/profile?method=PUT"
    form = {
        **headers_of(made),
        "activityId": "https://lms.example.com/page/1",
        "profileId": "a",
        "content": "text",
        "Content-Type": "text/plain",
        "If-None-Match": "*",
    }

    first, second = (
        client.post(url, urlencode(form), content_type="application/x-www-form-urlencoded") for _ in range(2)
    )

    assert (first.status_code, second.status_code) == (204, 412)


@pytest.mark.parametrize(
    ("method", "fields", "status"),
    [
        ("PATCH", {}, 400),
        ("GET", {"Authorization": "Basic bm9ib2R5Om5vdGhpbmc="}, 401),
        ("GET", {"X-Experience-API-Version": "2.0.0"}, 400),
        ("GET&limit=1", {}, 400),
        ("PUT", {"statementId": "7ca1ab1e-0000-4000-8000-000000000000"}, 400),
    ],
    ids=["another method", "a wrong credential", "xAPI 2", "more in the address", "no content"],
)
def test_it_refuses_a_form_that_means_nothing(
    client: Client, made: credentials.NewCredential, method: str, fields: dict[str, str], status: int
) -> None:
    assert fold(client, made, method, **fields).status_code == status
