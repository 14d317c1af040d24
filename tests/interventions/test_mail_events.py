"""What a mail provider reports afterwards: who may report, and what counts as for good."""

import base64
from typing import Any

import pytest
from django.test import Client

from interventions.models import UnreachableAddress
from tests.support.coaching import make_circle
from tests.support.learners import make_identifier

pytestmark = pytest.mark.django_db
SECRET = "hook:a-long-secret"
SIGNED = {"Authorization": "Basic " + base64.b64encode(SECRET.encode()).decode()}


@pytest.fixture
def provider(settings: Any) -> None:
    settings.EMAIL_PROVIDER = "postmark"
    settings.ANYMAIL = {"WEBHOOK_SECRET": SECRET}


def report(client: Client, headers: dict[str, str] = SIGNED, **fields: Any) -> Any:
    told = {
        "RecordType": "Bounce",
        "Type": "HardBounce",
        "Email": "robin@works.example",
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "BouncedAt": "2026-03-02T10:00:00Z",
        **fields,
    }
    return client.post("/mail/events/", told, content_type="application/json", headers=headers)


def test_it_notes_a_hard_bounce(client: Client, provider: None) -> None:
    learner = make_circle(email="robin@works.example").learner
    make_identifier(learner=learner, value="robin@works.example")

    answer = report(client)

    assert answer.status_code == 200
    assert UnreachableAddress.objects.get().kind == "bounced"


def test_it_notes_a_complaint(client: Client, provider: None) -> None:
    report(client, RecordType="SpamComplaint", Type="SpamComplaint")

    assert UnreachableAddress.objects.get().kind == "complained"


@pytest.mark.parametrize("kind", ["SoftBounce", "Transient"])
def test_it_leaves_an_address_that_may_work_again(client: Client, provider: None, kind: str) -> None:
    assert report(client, Type=kind).status_code == 200
    assert not UnreachableAddress.objects.exists()


def test_it_believes_nobody_without_the_secret(client: Client, provider: None) -> None:
    assert report(client, headers={}).status_code == 400
    assert not UnreachableAddress.objects.exists()


def test_it_stays_shut_where_nothing_would_check_who_calls(
    client: Client, provider: None, settings: Any
) -> None:
    settings.ANYMAIL = {}

    assert report(client, headers={}).status_code == 403


def test_it_is_not_there_without_a_provider(client: Client) -> None:
    assert report(client).status_code == 404
