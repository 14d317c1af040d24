"""Telling other systems: signed, repeated, never into our own network, never about somebody who refuses."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client

from consent import record
from consent.actors import SYSTEM
from consent.scopes import Scope
from interventions import answers, deliver, outgoing, webhooks
from interventions.models import WebhookEndpoint, WebhookMessage
from interventions.pauses import pause
from tests.support.coaching import NOW, make_circle, make_decision
from tests.support.interventions import (
    make_admin,
    make_delivery,
    make_slot,
    make_webhook_endpoint,
    make_webhook_message,
)
from tests.support.learners import make_learner
from tests.support.listening import Listener, http_server

pytestmark = pytest.mark.django_db


@pytest.fixture
def listener(settings: Any) -> Iterator[Listener]:
    settings.OUTGOING_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    with http_server() as server:
        yield server


def again(message: WebhookMessage) -> WebhookMessage:
    message.refresh_from_db()
    return message


class TestSigning:
    def test_it_signs_as_the_standard_shows(self) -> None:
        """The example of the Standard Webhooks specification."""
        signature = webhooks.sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp=1614265330,
            body=b'{"test": 2432232314}',
        )

        assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

    def test_it_makes_secrets_as_the_standard_writes_them(self) -> None:
        secret = webhooks.new_secret()

        assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
        assert secret != webhooks.new_secret()

    def test_a_receiver_can_check_what_arrives(self, listener: Listener) -> None:
        endpoint = make_webhook_endpoint(address=f"{listener.url}/hook?key=1")
        message = make_webhook_message(endpoint=endpoint)

        webhooks.send_due(now=NOW)

        (asked,) = listener.asked
        signed = f"{message.pk}.{int(NOW.timestamp())}.".encode() + asked.body
        key = base64.b64decode(endpoint.secret.removeprefix("whsec_"))
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert asked.headers["webhook-signature"] == f"v1,{expected}"
        assert asked.headers["webhook-id"] == str(message.pk)
        assert asked.headers["host"] == f"127.0.0.1:{listener.port}"
        assert asked.path == "/hook?key=1"

    def test_its_secret_and_address_lie_encrypted(self) -> None:
        endpoint = make_webhook_endpoint(address="https://lms.example/hook/s3cret")
        with connection.cursor() as cursor:
            cursor.execute("SELECT secret, address FROM interventions_webhookendpoint")
            stored = b"".join(bytes(value) for value in cursor.fetchone())

        assert endpoint.secret.encode() not in stored
        assert b"s3cret" not in stored


class TestEvents:
    def test_it_tells_of_what_was_sent_and_answered_in_ids_and_codes(self, listener: Listener) -> None:
        endpoint = make_webhook_endpoint(address=listener.url)
        circle = make_circle(name="Robin Fielding")
        decision = make_decision(circle.enrolment)
        make_slot(decision=decision, at=NOW)
        make_delivery(decision=decision, channel="card")

        deliver.deliver(now=NOW)
        answers.answer(decision=decision, kind="did_it", now=NOW)
        webhooks.send_due(now=NOW)

        told = [json.loads(asked.body) for asked in listener.asked]
        assert {one["type"] for one in told} == {"suggestion.sent", "suggestion.answered"}
        assert all(one["data"]["learner"] == str(circle.learner.pk) for one in told)
        assert b"Robin" not in b"".join(asked.body for asked in listener.asked)
        assert endpoint.messages.filter(state="sent").count() == 2

    def test_it_tells_only_those_who_want_the_event(self) -> None:
        make_webhook_endpoint(events=["suggestion.answered"])
        make_webhook_endpoint(is_active=False)
        circle = make_circle()

        told = webhooks.announce(event="suggestion.sent", learner_id=circle.learner.pk, said={}, now=NOW)

        assert told == 0

    def test_it_tells_of_nobody_who_refuses(self, listener: Listener) -> None:
        make_webhook_endpoint(address=listener.url)
        circle = make_circle()
        webhooks.announce(event="suggestion.sent", learner_id=circle.learner.pk, said={}, now=NOW)

        record.withdraw(subject=circle.learner.pk, scope=Scope.NUDGE, by=SYSTEM, now=NOW)
        later = webhooks.announce(event="suggestion.sent", learner_id=circle.learner.pk, said={}, now=NOW)
        webhooks.send_due(now=NOW)

        assert later == 0
        assert WebhookMessage.objects.get().state == "cancelled"
        assert not listener.asked

    def test_it_asks_once_more_before_it_sends(self, listener: Listener) -> None:
        circle = make_circle()
        record.withdraw(subject=circle.learner.pk, scope=Scope.RECORD, by=SYSTEM, now=NOW)
        message = make_webhook_message(
            endpoint=make_webhook_endpoint(address=listener.url), subject=circle.learner.pk
        )

        webhooks.send_due(now=NOW)

        assert again(message).state == "cancelled"


class TestRepeating:
    def test_it_tries_again_with_the_same_id_and_a_new_time(self, listener: Listener) -> None:
        listener.answers = [(503, {}, b"later"), (200, {}, b"ok")]
        message = make_webhook_message(endpoint=make_webhook_endpoint(address=listener.url))

        webhooks.send_due(now=NOW)
        waiting = again(message).due_at
        webhooks.send_due(now=waiting)

        first, second = listener.asked
        assert waiting == NOW + pause(message.pk, 1)
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
        assert again(message).state == "sent"
        assert message.answer == "200 ok"

    @pytest.mark.parametrize("status", [200, 404, 503])
    def test_it_keeps_no_words_about_anybody(self, listener: Listener, status: int) -> None:
        listener.answers = [(status, {}, b"no account for Robin Fielding <robin@works.example>")]
        message = make_webhook_message(
            endpoint=make_webhook_endpoint(address=listener.url), subject=make_learner().pk
        )

        webhooks.send_due(now=NOW)

        assert again(message).answer == str(status)

    def test_it_waits_as_long_as_it_is_asked(self, listener: Listener) -> None:
        listener.answers = [(429, {"Retry-After": "7200"}, b"")]
        message = make_webhook_message(endpoint=make_webhook_endpoint(address=listener.url))

        webhooks.send_due(now=NOW)

        assert again(message).due_at == NOW + timedelta(hours=2)

    @pytest.mark.parametrize("status", [301, 400, 404, 410])
    def test_it_gives_up_where_trying_again_cannot_help(self, listener: Listener, status: int) -> None:
        listener.answers = [(status, {"Location": f"{listener.url}/elsewhere"}, b"no")]
        message = make_webhook_message(endpoint=make_webhook_endpoint(address=listener.url))

        webhooks.send_due(now=NOW)

        assert again(message).state == "failed"
        assert len(listener.asked) == 1  # a redirect is not followed

    def test_it_gives_up_after_its_last_try(self, listener: Listener) -> None:
        listener.answers = [(500, {}, b"")]
        message = make_webhook_message(
            endpoint=make_webhook_endpoint(address=listener.url), tries=webhooks.MAX_TRIES - 1
        )

        webhooks.send_due(now=NOW)

        assert again(message).state == "failed"

    def test_it_repeats_what_a_killed_worker_had_in_hand(self, listener: Listener) -> None:
        message = make_webhook_message(
            endpoint=make_webhook_endpoint(address=listener.url),
            state="sending",
            claimed_at=NOW - webhooks.IN_DOUBT_AFTER,
        )

        webhooks.send_due(now=NOW)

        assert again(message).state == "sent"

    def test_what_was_given_up_can_be_queued_again(self, listener: Listener) -> None:
        message = make_webhook_message(
            endpoint=make_webhook_endpoint(address=listener.url), state="failed", tries=9
        )

        assert webhooks.try_again(message.pk, now=NOW)
        webhooks.send_due(now=NOW)

        assert again(message).state == "sent"
        assert not webhooks.try_again(message.pk, now=NOW)


class TestWhereItMayGo:
    @pytest.mark.parametrize(
        "address",
        [
            "http://127.0.0.1:1/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest/meta-data/",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://224.0.0.1/",
        ],
    )
    def test_it_refuses_private_addresses(self, address: str) -> None:
        assert "private network" in outgoing.faults_of(address)
        with pytest.raises(outgoing.NotSent) as refused:
            outgoing.post(address, body=b"", headers={})
        assert refused.value.permanent

    @pytest.mark.parametrize("answers", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["fe80::1%eth0"]])
    def test_it_refuses_names_that_lead_there(
        self, monkeypatch: pytest.MonkeyPatch, answers: list[str]
    ) -> None:
        found = [(0, 0, 0, "", (ip, 443)) for ip in answers]
        monkeypatch.setattr("interventions.outgoing.socket.getaddrinfo", lambda *_, **__: found)

        assert "private network" in outgoing.faults_of("https://inside.example/")

    @pytest.mark.parametrize(
        "address", ["ftp://127.0.0.1/", "file:///etc/passwd", "https://", "nonsense", ""]
    )
    def test_it_speaks_http_only(self, address: str, settings: Any) -> None:
        settings.OUTGOING_PRIVATE_NETWORKS = ["127.0.0.0/8"]

        assert "https://" in outgoing.faults_of(address)

    def test_it_goes_outside_by_https_only(self) -> None:
        assert "https://" in outgoing.faults_of("http://93.184.215.14/")
        assert outgoing.faults_of("https://93.184.215.14/") == ""

    def test_it_takes_no_password_in_an_address(self, settings: Any) -> None:
        settings.OUTGOING_PRIVATE_NETWORKS = ["127.0.0.0/8"]

        assert "user and password" in outgoing.faults_of("http://me:secret@127.0.0.1/")

    def test_it_reads_a_bounded_part_of_an_answer(self, listener: Listener) -> None:
        listener.answers = [(200, {}, b"x" * 100_000)]

        assert len(outgoing.get(listener.url, headers={}).text) == outgoing.LARGEST

    def test_it_does_not_wait_for_an_answer_that_comes_drop_by_drop(
        self, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outgoing, "LONGEST_READ_S", 0.1)
        listener.drips, listener.answers = True, [(200, {}, b"x" * 2_000)]

        answer = outgoing.get(listener.url, headers={})

        assert answer.status == 200
        assert len(answer.text) < 100

    def test_it_says_when_nobody_is_there(self, settings: Any) -> None:
        settings.OUTGOING_PRIVATE_NETWORKS = ["127.0.0.0/8"]
        with http_server() as gone:
            url = gone.url

        with pytest.raises(outgoing.NotSent, match="not reached") as fault:
            outgoing.post(url, body=b"", headers={})
        assert not fault.value.permanent


class TestAdmin:
    @pytest.fixture(autouse=True)
    def signed_in(self, client: Client) -> None:
        client.force_login(make_admin())
        self.client = client

    def test_it_shows_a_new_secret_once(self, listener: Listener) -> None:
        answer = self.client.post(
            "/admin/interventions/webhookendpoint/add/",
            {"name": "LMS", "address": listener.url, "events": ["suggestion.sent"], "is_active": "on"},
            follow=True,
        )

        endpoint = WebhookEndpoint.objects.get()
        assert endpoint.secret in answer.content.decode()
        page = self.client.get(f"/admin/interventions/webhookendpoint/{endpoint.pk}/change/").content.decode()
        assert endpoint.secret not in page
        assert endpoint.address not in page

    def test_it_refuses_an_address_inside_our_network(self) -> None:
        answer = self.client.post(
            "/admin/interventions/webhookendpoint/add/",
            {"name": "LMS", "address": "https://10.0.0.1/", "events": ["suggestion.sent"], "is_active": "on"},
        )

        assert "private network" in answer.content.decode()
        assert not WebhookEndpoint.objects.exists()

    def test_it_keeps_the_address_when_it_is_left_empty(self, listener: Listener) -> None:
        endpoint = make_webhook_endpoint(address=listener.url)

        self.client.post(
            f"/admin/interventions/webhookendpoint/{endpoint.pk}/change/",
            {"name": "New name", "address": "", "events": ["suggestion.sent"], "is_active": "on"},
        )

        endpoint.refresh_from_db()
        assert (endpoint.name, endpoint.address) == ("New name", listener.url)

    def test_it_sends_a_test_and_shows_the_last_answers(self, listener: Listener) -> None:
        listener.answers = [(202, {}, b"thanks")]
        endpoint = make_webhook_endpoint(address=listener.url)

        answer = self.client.post(
            "/admin/interventions/webhookendpoint/",
            {"action": "send_test", "_selected_action": [str(endpoint.pk)]},
            follow=True,
        )

        page = self.client.get(f"/admin/interventions/webhookendpoint/{endpoint.pk}/change/").content.decode()
        assert "202 thanks" in answer.content.decode()
        assert "202 thanks" in page
        assert json.loads(listener.asked[0].body)["type"] == "test"

    def test_it_lists_what_was_given_up_and_queues_it_again(self) -> None:
        message = make_webhook_message(state="failed", answer="500", subject=uuid4())
        address = "/admin/interventions/webhookmessage/"

        page = self.client.get(address + "?state__exact=failed").content.decode()
        self.client.post(address, {"action": "try_again", "_selected_action": [str(message.pk)]})

        assert str(message.pk) in page
        assert again(message).state == "queued"
