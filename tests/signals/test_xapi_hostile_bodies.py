"""Bodies nobody meant: each is answered with what is wrong, and none harms what came with it."""

import gzip
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from signals.models import Quarantined, Statement
from signals.quarantine import body_of
from signals.xapi import credentials
from signals.xapi.depth import MOST_DEEP, is_too_deep
from tests.support.signals import account, headers_of, make_credential, statement

pytestmark = pytest.mark.django_db
URL = "/xapi/statements"


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    credentials.forget()


def nested(depth: int) -> bytes:
    """A valid statement but for a value nested so deeply."""
    sent = json.dumps(statement(result={"extensions": {"https://x.example/deep": 0}}, course=None)).encode()
    return sent.replace(b": 0}}", b": " + b"[" * depth + b"]" * depth + b"}}")


def post(client: Client, body: bytes, *permissions: str, **headers: str) -> Any:
    made = make_credential(*permissions)
    return client.post(URL, body, content_type="application/json", headers=headers_of(made, **headers))


@pytest.mark.parametrize("depth", [150, 950, 100_000])
def test_it_refuses_a_statement_nested_too_deeply(client: Client, depth: int) -> None:
    answer = post(client, nested(depth))

    assert answer.status_code == 400
    assert "levels deep" in answer.json()["faults"][0]["fault"]


def test_it_keeps_one_nested_too_deeply_apart_from_the_rest_of_its_batch(client: Client) -> None:
    body = b"[" + json.dumps(statement()).encode() + b"," + nested(500) + b"]"

    answer = post(client, body, "write", "bulk", **{"X-Rekindle-Intake": "each"})

    assert [result["result"] for result in answer.json()["results"]] == ["stored", "quarantined"]
    assert "[" * 100 in body_of(Quarantined.objects.get()).replace("\n", "").replace(" ", "")


def test_it_refuses_an_array_that_no_decoder_reads(client: Client) -> None:
    assert post(client, b"[" * 100_000).status_code == 400


def test_it_counts_no_brackets_within_texts() -> None:
    assert not is_too_deep(json.dumps(["[{" * MOST_DEEP, '\\"[' * MOST_DEEP]).encode())
    assert not is_too_deep(b"[" + b"[]," * MOST_DEEP + b"[]]")


@pytest.mark.parametrize("path", ["agents", "statements"])
def test_it_refuses_an_agent_nested_too_deeply(client: Client, path: str) -> None:
    form = urlencode({"agent": '{"a":' * 50_000, "X-Experience-API-Version": "1.0.3"})

    answer = client.post(
        f"/xapi/{path}?method=GET",
        form,
        content_type="application/x-www-form-urlencoded",
        headers=headers_of(make_credential()),
    )

    assert answer.status_code == 400


def test_it_refuses_a_document_nested_too_deeply(client: Client) -> None:
    where = urlencode(
        {"activityId": "https://x.example/a", "agent": json.dumps(account("one")), "stateId": "s"}
    )

    answer = client.post(
        f"/xapi/activities/state?{where}",
        b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        content_type="application/json",
        headers=headers_of(make_credential()),
    )

    assert answer.status_code == 400


def test_it_takes_a_limit_of_any_length(client: Client) -> None:
    form = urlencode({"limit": "9" * 5000, "X-Experience-API-Version": "1.0.3"})

    answer = client.post(
        f"{URL}?method=GET",
        form,
        content_type="application/x-www-form-urlencoded",
        headers=headers_of(make_credential()),
    )

    assert answer.status_code == 200


def test_it_reads_every_part_of_a_gzip_file(client: Client) -> None:
    sent = [statement(), statement()]
    body = json.dumps(sent).encode()

    answer = post(client, gzip.compress(body[:50]) + gzip.compress(body[50:]), **{"Content-Encoding": "gzip"})

    assert answer.json() == [item["id"] for item in sent]


def test_it_loses_nothing_that_stands_behind_a_gzip_files_first_part(client: Client) -> None:
    parts = [gzip.compress(json.dumps([statement()]).encode()) for _ in range(2)]

    answer = post(client, b"".join(parts), **{"Content-Encoding": "gzip"})

    assert answer.status_code == 400
    assert not Statement.objects.exists()
