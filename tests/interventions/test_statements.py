"""Statements to another record store: what they say, by whose name, once, and only with consent."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from time_machine import travel

from consent import record
from consent.actors import SYSTEM
from consent.scopes import Scope
from interventions import answers, deliver, statements, webhooks
from interventions.models import Lesson, LessonPlace, WebhookEndpoint, WebhookMessage
from signals import ingest
from signals.models import Event, Statement
from tests.support.coaching import NOW, Circle, make_circle, make_decision
from tests.support.interventions import make_admin, make_delivery, make_slot, make_webhook_endpoint
from tests.support.learners import make_identifier
from tests.support.listening import Listener, http_server
from tests.support.signals import make_credential

pytestmark = pytest.mark.django_db
TOLD = ["suggestion.sent", "suggestion.answered"]


@pytest.fixture
def store(settings: Any) -> Iterator[Listener]:
    settings.OUTGOING_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    settings.PUBLIC_URL = "https://rekindle.example"
    with http_server() as server:
        server.answers = [(204, {}, b"")]
        yield server


@pytest.fixture
def circle() -> Circle:
    return make_circle(name="Robin Fielding", email="robin@works.example")


def connect(store: Listener, **fields: Any) -> WebhookEndpoint:
    made = {"form": "xapi", "address": f"{store.url}/xapi/", "key": "rekindle", "secret": "s3cret"}
    return make_webhook_endpoint(**{**made, "events": TOLD, **fields})


def suggest(circle: Circle, **fields: Any) -> UUID:
    decision = make_decision(circle.enrolment, **fields)
    make_slot(decision=decision, at=NOW)
    make_delivery(decision=decision, channel="card")
    deliver.deliver(now=NOW)
    return decision.pk


def test_it_says_that_a_suggestion_was_received_and_answered(store: Listener, circle: Circle) -> None:
    connect(store)
    lesson = Lesson.objects.get(key="spotting-phishing")
    LessonPlace.objects.create(lesson=lesson, address="https://lms.example/phishing")
    decision_id = suggest(circle, action="lesson", lesson=lesson)
    webhooks.send_due(now=NOW)
    answers.answer(decision=circle.enrolment.decisions.get(), kind="did_it", now=NOW)
    webhooks.send_due(now=NOW)

    first, second = (json.loads(asked.body) for asked in store.asked)
    asked = store.asked[0]
    assert (asked.method, asked.path) == ("PUT", f"/xapi/statements?statementId={first['id']}")
    assert asked.headers["authorization"] == "Basic " + base64.b64encode(b"rekindle:s3cret").decode()
    assert asked.headers["x-experience-api-version"] == "1.0.3"
    assert first["actor"] == {"objectType": "Agent", "mbox": "mailto:robin@works.example"}
    assert first["verb"]["id"] == statements.RECEIVED
    assert first["object"]["id"] == f"https://rekindle.example/suggestions/{decision_id}"
    assert first["context"]["contextActivities"] == {
        "other": [{"id": circle.enrolment.course.iri}, {"id": "https://lms.example/phishing"}]
    }
    assert first["timestamp"] == "2026-03-02T10:00:00Z"
    assert "result" not in first
    assert second["verb"]["id"] == statements.RESPONDED
    assert second["result"] == {"response": "did_it"}
    assert b"score" not in store.asked[0].body + store.asked[1].body
    assert b"Robin" not in store.asked[0].body


def test_a_record_store_takes_it_and_it_is_no_activity_in_a_course(store: Listener, circle: Circle) -> None:
    """Should statements come back to us from there, nobody becomes active by having been written to."""
    connect(store)
    make_identifier(learner=circle.learner, value="robin@works.example")
    suggest(circle)
    webhooks.send_due(now=NOW)

    ingest.ingest([store.asked[0].body], credential=make_credential(now=NOW).credential, now=NOW)

    assert Statement.objects.count() == 1
    assert not Event.objects.filter(enrolment_id=circle.enrolment.pk).exists()


def test_it_names_people_by_their_account_there(store: Listener, circle: Circle) -> None:
    connect(store, home_page="https://LMS.example/")
    make_identifier(learner=circle.learner, kind="account", value="https://other.example|r1")
    make_identifier(learner=circle.learner, kind="account", value="https://lms.example|robin7")
    suggest(circle)

    webhooks.send_due(now=NOW)

    assert json.loads(store.asked[0].body)["actor"]["account"] == {
        "homePage": "https://lms.example",
        "name": "robin7",
    }


def test_it_tells_nothing_where_the_system_does_not_know_them(store: Listener, circle: Circle) -> None:
    connect(store, home_page="https://lms.example")
    suggest(circle)

    webhooks.send_due(now=NOW)

    message = WebhookMessage.objects.get()
    assert (message.state, store.asked) == ("failed", [])
    assert "know the learner" in message.answer


@pytest.mark.parametrize("scope", [Scope.NUDGE, Scope.RECORD])
def test_it_tells_nothing_of_somebody_who_refuses(store: Listener, circle: Circle, scope: Scope) -> None:
    connect(store)
    suggest(circle)

    record.withdraw(subject=circle.learner.pk, scope=scope, by=SYSTEM, now=NOW)

    assert WebhookMessage.objects.get().state == "cancelled"
    webhooks.send_due(now=NOW)
    assert not store.asked


def test_it_keeps_nothing_of_what_a_record_store_repeats(store: Listener, circle: Circle) -> None:
    connect(store)
    suggest(circle)
    store.answers = [(400, {}, b'{"statement": {"actor": {"mbox": "mailto:robin@works.example"}}}')]

    webhooks.send_due(now=NOW)

    message = WebhookMessage.objects.get()
    assert (message.state, message.answer) == ("failed", "400")


def test_a_repeat_is_the_same_statement(store: Listener, circle: Circle) -> None:
    store.answers = [(503, {}, b""), (204, {}, b"")]
    connect(store)
    suggest(circle)

    webhooks.send_due(now=NOW)
    message = WebhookMessage.objects.get()
    webhooks.send_due(now=message.due_at)

    first, second = store.asked
    message.refresh_from_db()
    assert message.state == "sent"
    assert (first.path, first.body) == (second.path, second.body)


@pytest.mark.parametrize(
    ("status", "state"), [(409, "sent"), (401, "queued"), (403, "queued"), (400, "failed"), (500, "queued")]
)
def test_it_knows_what_an_answer_means(store: Listener, circle: Circle, status: int, state: str) -> None:
    store.answers = [(status, {}, b"")]
    connect(store)
    suggest(circle)

    webhooks.send_due(now=NOW)

    assert WebhookMessage.objects.get().state == state


def test_its_credential_lies_encrypted(store: Listener) -> None:
    connect(store, key="rekindle-key")
    with connection.cursor() as cursor:
        cursor.execute("SELECT key, secret, address FROM interventions_webhookendpoint")
        stored = b"".join(bytes(value) for value in cursor.fetchone())

    assert b"rekindle-key" not in stored
    assert b"s3cret" not in stored


class TestAdmin:
    @pytest.fixture(autouse=True)
    def signed_in(self, client: Client) -> Iterator[None]:
        client.force_login(make_admin())
        self.client = client
        yield

    def add(self, **given: Any) -> str:
        sent = {"name": "LRS", "form": "xapi", "events": TOLD, "is_active": "on", **given}
        answer = self.client.post("/admin/interventions/webhookendpoint/add/", sent, follow=True)
        return answer.content.decode()

    def test_it_keeps_a_credential_and_never_shows_it(self, store: Listener) -> None:
        page = self.add(address=store.url, key="k3y", password="s3cret")

        endpoint = WebhookEndpoint.objects.get()
        shown = self.client.get(
            f"/admin/interventions/webhookendpoint/{endpoint.pk}/change/"
        ).content.decode()
        assert (endpoint.key, endpoint.secret) == ("k3y", "s3cret")
        assert "k3y" not in page + shown
        assert "s3cret" not in page + shown

    def test_an_empty_field_keeps_what_is_stored(self, store: Listener) -> None:
        endpoint = connect(store)

        self.client.post(
            f"/admin/interventions/webhookendpoint/{endpoint.pk}/change/",
            {"name": "Other", "form": "xapi", "events": TOLD, "is_active": "on"},
        )

        endpoint.refresh_from_db()
        assert (endpoint.name, endpoint.key, endpoint.secret) == ("Other", "rekindle", "s3cret")

    @pytest.mark.parametrize(
        ("given", "fault"),
        [
            ({"password": "s"}, "A record store asks for a key."),
            ({"key": "k"}, "A record store asks for a secret."),
            ({"key": "k", "password": "s", "events": ["address.unreachable"]}, "suggestions only"),
            ({"key": "k", "password": "s", "address": "https://10.0.0.1/xapi"}, "private network"),
        ],
    )
    def test_it_says_what_to_mend(self, store: Listener, given: dict[str, Any], fault: str) -> None:
        assert fault in self.add(**{"address": store.url, **given})
        assert not WebhookEndpoint.objects.exists()

    def test_it_does_not_tell_our_own_record_store(self, store: Listener, settings: Any) -> None:
        settings.PUBLIC_URL = store.url

        assert "our own record store" in self.add(address=f"{store.url}/xapi/", key="k", password="s")

    def test_it_sends_a_test_about_nobody(self, store: Listener) -> None:
        endpoint = connect(store)

        with travel(NOW, tick=False):
            self.client.post(
                "/admin/interventions/webhookendpoint/",
                {"action": "send_test", "_selected_action": [str(endpoint.pk)]},
            )

        told = json.loads(store.asked[0].body)
        assert told["actor"]["account"]["name"] == "a-test-about-nobody"
        assert endpoint.messages.get().state == "sent"
