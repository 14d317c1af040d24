"""/xapi/statements over HTTP."""

import gzip
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from signals.models import Credential, Quarantined, Statement
from signals.xapi import credentials
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


def post(client: Client, sent: Any, headers: dict[str, str], body: bytes | None = None, **more: Any) -> Any:
    return client.post(URL, body or as_json(sent), content_type="application/json", headers=headers, **more)


def test_it_answers_a_post_of_one_with_its_id(client: Client) -> None:
    sent = statement()

    answer = post(client, sent, headers_of(make_credential()))

    assert answer.status_code == 200
    assert answer.json() == [sent["id"]]
    assert answer["X-Experience-API-Version"] == "1.0.3"
    assert "X-Experience-API-Consistent-Through" in answer
    assert Statement.objects.count() == 1
