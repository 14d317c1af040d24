"""Versions and variants of what we say: kept, named on what was sent, tried out before."""

from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from consent.actors import Party
from consent.models import AuditEntry
from interventions import catalogue, messages, route
from interventions.channels.phrases import PHRASES
from interventions.models import ChatConnection, MessageText
from interventions.policy import store
from learners.models import User
from tests.support.coaching import NOW, make_circle, make_decision
from tests.support.interventions import make_admin
from tests.support.listening import http_server

pytestmark = pytest.mark.django_db
BY = Party("user", uuid4())
VALUES = {
    "first_name": "Robin",
    "course": "Safety",
    "lesson": "",
    "minutes": "5",
    "link": "https://x.example/",
}


def revise(**fields: Any) -> MessageText:
    given = {"key": "nudge", "language": "en", "variant": "a", "subject": "Hi", "body": "For {first_name}."}
    return messages.revise(**{**given, **fields}, by=BY, now=NOW)


def said(reader: Any = None) -> catalogue.Words:
    return catalogue.told("nudge", "nudge", "en", VALUES, reader=reader)


class TestVersions:
    def test_it_keeps_what_was_said_before(self) -> None:
        before = MessageText.objects.get(key="nudge", language="en")

        after = revise()

        before.refresh_from_db()
        assert (after.version, after.replaced_at) == (2, None)
        assert before.replaced_at == NOW
        assert said() == ("Hi", "For Robin.", after.pk)

    def test_it_makes_no_version_of_the_same_words(self) -> None:
        first = revise()

        assert revise() == first
        assert AuditEntry.objects.filter(action="message.revised").count() == 1

    def test_it_is_named_on_what_was_sent(self) -> None:
        decision = make_decision(make_circle().enrolment)
        version = revise(key="nudge-inactivity")

        route.route([decision], policy=store.document(store.live()), now=NOW)

        assert set(decision.deliveries.values_list("message_text", flat=True)) == {version.pk}

    def test_it_falls_back_to_what_we_ship_when_the_last_variant_is_retired(self) -> None:
        version = MessageText.objects.get(key="nudge", language="en")

        done = messages.retire(message_id=version.pk, by=BY, now=NOW)

        assert done
        assert said().version is None
        assert not messages.retire(message_id=version.pk, by=BY, now=NOW)


class TestVariants:
    def test_a_reader_always_meets_the_same_one(self) -> None:
        revise(variant="b", subject="Other")
        reader = uuid4()

        assert len({said(reader) for _ in range(5)}) == 1

    def test_readers_share_them_evenly(self) -> None:
        revise(variant="b", subject="Other")

        met = [said(uuid4()).subject for _ in range(400)]

        assert 140 < met.count("Other") < 260


class TestAdmin:
    @pytest.fixture(autouse=True)
    def signed_in(self, client: Client) -> None:
        self.admin: User = make_admin()
        client.force_login(self.admin)
        self.client = client

    def test_it_saves_the_next_version_and_lists_the_one_in_use(self) -> None:
        message = MessageText.objects.get(key="nudge", language="en")
        address = reverse("admin:interventions_messagetext_change", args=[message.pk])

        self.client.post(address, {"subject": "Hello {first_name}", "body": "Hi. {link}"})

        page = self.client.get(
            reverse("admin:interventions_messagetext_changelist") + "?q=nudge"
        ).content.decode()
        assert "Hello {first_name}" in page
        assert message.subject not in page
        assert MessageText.objects.get(pk=message.pk).replaced_at is not None

    def test_it_previews_what_is_not_saved(self) -> None:
        answer = self.client.post(
            reverse("admin:interventions_messagetext_preview"),
            {"subject": "For {first_name}", "body": "Try <b>{course}</b>.", "language": "de"},
        )

        page = answer.content.decode()
        assert "For Robin" in page
        assert "Try &lt;b&gt;Safety basics&lt;/b&gt;." in page
        assert "Jetzt nicht" in page
        assert 'srcdoc="&lt;!DOCTYPE html&gt;' in page
        assert "The message in Moodle" in page
        assert page.count("Eine Lektion, wo sie in einem LMS liegt") == 3  # as text, as HTML and in Moodle
        assert not mail.outbox

    def test_it_sends_a_test_to_the_one_who_asks(self) -> None:
        message = MessageText.objects.get(key="nudge", language="en")

        self.client.post(reverse("admin:interventions_messagetext_send", args=[message.pk]))

        (sent,) = mail.outbox
        assert sent.to == [self.admin.login]
        assert "List-Unsubscribe" not in sent.extra_headers

    @pytest.mark.parametrize("language", ["en", "de"])
    def test_it_sends_the_test_by_the_chat_that_messages_go_by(self, settings: Any, language: str) -> None:
        settings.OUTGOING_PRIVATE_NETWORKS = ["127.0.0.0/8"]
        message = MessageText.objects.get(key="nudge", language=language)
        with http_server() as site:
            site.answers = [
                (200, {}, b'[{"id": 42, "suspended": false}]'),
                (200, {}, b'[{"msgid": 1007}]'),
            ]
            ChatConnection.objects.create(kind="moodle", address=site.url, token="t0ken", created_at=NOW)

            page = self.client.post(
                reverse("admin:interventions_messagetext_send", args=[message.pk]), follow=True
            ).content.decode()

        looked, sent = (parse_qs(one.body.decode()) for one in site.asked)
        assert looked["values[0]"] == [self.admin.login]
        assert PHRASES[language]["need_help"] in sent["messages[0][text]"][0]
        assert "taken by Moodle: 1007" in page
        assert len(mail.outbox) == 1

    def test_it_says_why_a_chat_did_not_take_the_test(self, settings: Any) -> None:
        settings.OUTGOING_PRIVATE_NETWORKS = ["127.0.0.0/8"]
        message = MessageText.objects.get(key="nudge", language="en")
        with http_server() as site:
            site.answers = [(200, {}, b"[]")]
            ChatConnection.objects.create(kind="moodle", address=site.url, token="t0ken", created_at=NOW)

            page = self.client.post(
                reverse("admin:interventions_messagetext_send", args=[message.pk]), follow=True
            ).content.decode()

        assert "not sent, Moodle knows nobody by that" in page

    @pytest.mark.parametrize("name", ["preview", "send"])
    def test_it_sends_and_previews_by_post_only(self, name: str) -> None:
        message = MessageText.objects.get(key="nudge", language="en")
        args = [message.pk] if name == "send" else []

        answer = self.client.get(reverse(f"admin:interventions_messagetext_{name}", args=args))

        assert answer.status_code == 405

    def test_it_does_not_edit_what_was_replaced(self) -> None:
        old = MessageText.objects.get(key="nudge", language="en")
        revise()

        answer = self.client.post(
            reverse("admin:interventions_messagetext_change", args=[old.pk]), {"subject": "X", "body": "Y"}
        )

        assert answer.status_code == 403

    def test_it_takes_a_variant_out_of_use(self) -> None:
        message = MessageText.objects.get(key="nudge", language="en")

        self.client.post(
            reverse("admin:interventions_messagetext_changelist"),
            {"action": "retire", "_selected_action": [message.pk]},
        )

        message.refresh_from_db()
        assert message.replaced_at is not None
