"""Slack and Teams: to one person, with the mail's links as buttons, and by mail where nobody is there."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from interventions import deliver, route
from interventions.models import Attempt, ChatConnection, Delivery
from interventions.policy import store
from learners.models import Preferences
from tests.support.coaching import NOW, Circle, make_circle, make_decision
from tests.support.interventions import make_admin, make_delivery, make_slot
from tests.support.listening import Listener, http_server

pytestmark = pytest.mark.django_db
FOUND: tuple[int, dict[str, str], bytes] = (200, {}, b'{"ok": true, "user": {"id": "U123"}}')
TAKEN: tuple[int, dict[str, str], bytes] = (200, {}, b'{"ok": true, "ts": "1772445600.000100"}')


@pytest.fixture
def listener(settings: Any) -> Iterator[Listener]:
    settings.OUTGOING_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    settings.PUBLIC_URL = "https://rekindle.example"
    with http_server() as server:
        yield server


@pytest.fixture
def circle() -> Circle:
    return make_circle(name="Robin Fielding", email="robin@works.example")


def connect(kind: str, listener: Listener) -> ChatConnection:
    return ChatConnection.objects.create(kind=kind, address=listener.url, token="xoxb-1", created_at=NOW)


def queue(circle: Circle, channel: str) -> Delivery:
    decision = make_decision(circle.enrolment)
    make_slot(decision=decision, at=NOW)
    return make_delivery(decision=decision, channel=channel)


def again(delivery: Delivery) -> Delivery:
    delivery.refresh_from_db()
    return delivery


class TestSlack:
    def test_it_writes_to_the_member_with_links_as_buttons(self, listener: Listener, circle: Circle) -> None:
        connect("slack", listener)
        listener.answers = [FOUND, TAKEN]
        delivery = queue(circle, "slack")

        deliver.deliver(now=NOW)

        looked, told = listener.asked
        body = json.loads(told.body)
        buttons = next(block for block in body["blocks"] if block["type"] == "actions")["elements"]
        assert looked.path == "/users.lookupByEmail?email=robin%40works.example"
        assert looked.headers["authorization"] == told.headers["authorization"] == "Bearer xoxb-1"
        assert body["channel"] == "U123"
        assert body["client_msg_id"] == str(delivery.pk)
        assert [button["text"]["text"] for button in buttons] == [
            "Did it",
            "Need help",
            "Not now",
            "This is wrong",
        ]
        assert all(button["url"].startswith("https://rekindle.example/answers/") for button in buttons)
        assert "Fielding" not in told.body.decode()
        assert again(delivery).state == "sent"
        assert delivery.provider_answer == "taken by Slack: 1772445600.000100"

    def test_a_title_from_elsewhere_is_no_link_and_calls_nobody(
        self, listener: Listener, circle: Circle
    ) -> None:
        connect("slack", listener)
        listener.answers = [FOUND, TAKEN]
        delivery = queue(circle, "slack")
        Delivery.objects.filter(pk=delivery.pk).update(subject="<!here> <https://evil.example|R&D>")

        deliver.deliver(now=NOW)

        told = json.loads(listener.asked[1].body)
        assert told["text"].startswith("&lt;!here&gt; &lt;https://evil.example|R&amp;D&gt;\n")
        assert {block["text"]["type"] for block in told["blocks"] if "text" in block} == {"plain_text"}

    def test_it_falls_back_to_mail_where_nobody_is_there(self, listener: Listener, circle: Circle) -> None:
        connect("slack", listener)
        listener.answers = [(200, {}, b'{"ok": false, "error": "users_not_found"}')]
        delivery = queue(circle, "slack")

        deliver.deliver(now=NOW)
        deliver.deliver(now=NOW)

        mail = Delivery.objects.get(channel="email")
        assert again(delivery).state == "failed"
        assert mail.state == "sent"
        assert (mail.subject, mail.body) == (delivery.subject, delivery.body)
        assert Attempt.objects.count() == 1

    @pytest.mark.parametrize(
        "answer",
        [
            (200, {}, b'{"ok": false, "error": "token_revoked"}'),
            (429, {"Retry-After": "30"}, b""),
            (500, {}, b""),
            (200, {}, b"<html>"),
        ],
    )
    def test_it_tries_again_where_an_administrator_or_time_can_mend_it(
        self, listener: Listener, circle: Circle, answer: Any
    ) -> None:
        connect("slack", listener)
        listener.answers = [answer]
        delivery = queue(circle, "slack")

        deliver.deliver(now=NOW)

        assert again(delivery).state == "queued"


class TestTeams:
    def test_it_names_the_person_beside_a_card_with_links(self, listener: Listener, circle: Circle) -> None:
        connect("teams", listener)
        listener.answers = [(202, {}, b"")]
        delivery = queue(circle, "teams")

        deliver.deliver(now=NOW)

        (told,) = listener.asked
        body = json.loads(told.body)
        card = body["attachments"][0]["content"]
        assert (body["recipient"], body["key"]) == ("robin@works.example", str(delivery.pk))
        assert card["type"] == "AdaptiveCard"
        assert {action["type"] for action in card["actions"]} == {"Action.OpenUrl"}
        assert len(card["actions"]) == 4
        assert again(delivery).state == "sent"

    def test_a_title_from_elsewhere_is_no_link(self, listener: Listener, circle: Circle) -> None:
        connect("teams", listener)
        listener.answers = [(202, {}, b"")]
        delivery = queue(circle, "teams")
        Delivery.objects.filter(pk=delivery.pk).update(body="[Click](https://evil.example)")

        deliver.deliver(now=NOW)

        card = json.loads(listener.asked[0].body)["attachments"][0]["content"]
        assert card["body"][1]["text"] == r"\[Click\](https://evil.example)"

    def test_it_is_not_sent_twice_where_a_worker_died(self, listener: Listener, circle: Circle) -> None:
        connect("teams", listener)
        delivery = queue(circle, "teams")
        Delivery.objects.filter(pk=delivery.pk).update(
            state="sending", claimed_at=NOW - deliver.IN_DOUBT_AFTER
        )

        deliver.deliver(now=NOW)

        assert again(delivery).state == "failed"
        assert not listener.asked


class TestRouting:
    def test_chat_takes_the_place_of_mail(self, listener: Listener, circle: Circle) -> None:
        connect("teams", listener)
        decision = make_decision(circle.enrolment)

        route.route([decision], policy=store.document(store.live()), now=NOW)

        assert set(decision.deliveries.values_list("channel", flat=True)) == {"card", "teams"}

    def test_it_leaves_those_alone_who_want_only_their_page(self, listener: Listener, circle: Circle) -> None:
        connect("teams", listener)
        Preferences.objects.create(learner=circle.learner, channel="card", changed_at=NOW)
        decision = make_decision(circle.enrolment)

        route.route([decision], policy=store.document(store.live()), now=NOW)

        assert set(decision.deliveries.values_list("channel", flat=True)) == {"card"}


class TestAdmin:
    @pytest.fixture(autouse=True)
    def signed_in(self, client: Client) -> None:
        client.force_login(make_admin())
        self.client = client

    def test_it_keeps_a_token_and_never_shows_it(self, listener: Listener) -> None:
        self.client.post(
            "/admin/interventions/chatconnection/add/",
            {"kind": "slack", "address": listener.url, "token": "xoxb-secret", "is_active": "on"},
        )

        connection = ChatConnection.objects.get()
        page = self.client.get(
            f"/admin/interventions/chatconnection/{connection.pk}/change/"
        ).content.decode()
        assert connection.token == "xoxb-secret"
        assert "xoxb-secret" not in page

    @pytest.mark.parametrize(
        ("given", "fault"),
        [
            ({"kind": "slack"}, "Slack needs a bot token."),
            ({"kind": "teams"}, "Teams needs the address"),
            ({"kind": "teams", "address": "https://10.0.0.1/"}, "private network"),
        ],
    )
    def test_it_says_what_is_missing(self, given: dict[str, str], fault: str) -> None:
        answer = self.client.post("/admin/interventions/chatconnection/add/", given)

        assert fault in answer.content.decode()
        assert not ChatConnection.objects.exists()

    def test_it_sends_a_test_to_the_one_who_asks(self, listener: Listener) -> None:
        connection = connect("teams", listener)

        self.client.post(
            "/admin/interventions/chatconnection/",
            {"action": "send_test", "_selected_action": [str(connection.pk)]},
        )

        (told,) = listener.asked
        assert json.loads(told.body)["recipient"].endswith("@works.example")
