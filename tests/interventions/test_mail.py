"""E-mail through a real SMTP server: what goes out, what comes back, and what follows from it."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from time_machine import travel

from consent.actors import Party
from consent.models import AuditEntry
from interventions import dead_letters, deliver, reachability, route
from interventions.channels.email import _told
from interventions.dead_letters import Outcome
from interventions.models import Attempt, Delivery, Suppression, UnreachableAddress
from interventions.pauses import LONGEST, pause
from interventions.policy import store
from interventions.situation import snapshots
from learners.models import Learner, Preferences
from tests.support.coaching import NOW, Circle, make_circle, make_decision
from tests.support.interventions import make_admin, make_delivery, make_slot
from tests.support.learners import make_identifier
from tests.support.mail import Mailbox, smtp_server

pytestmark = pytest.mark.django_db


@pytest.fixture
def mailbox(settings: Any) -> Iterator[Mailbox]:
    """The server that the installation's EMAIL_URL names."""
    with smtp_server() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.PUBLIC_URL = "https://rekindle.example"
        yield server


@pytest.fixture
def circle() -> Circle:
    circle = make_circle(name="Robin Fielding")
    make_identifier(learner=circle.learner, value=circle.learner.email)
    return circle


def queue(circle: Circle, **fields: Any) -> Delivery:
    """One mail that is due, with its place in the ledger."""
    decision = fields.pop("decision", None) or make_decision(circle.enrolment)
    make_slot(decision=decision, at=NOW)
    return make_delivery(decision=decision, **fields)


def again(delivery: Delivery) -> Delivery:
    delivery.refresh_from_db()
    return delivery


class TestWhatGoesOut:
    def test_it_is_plain_text_first_and_the_same_as_html(self, mailbox: Mailbox, circle: Circle) -> None:
        delivery = queue(circle)

        deliver.deliver(now=NOW)

        (mail,) = mailbox.messages
        plain, html = [part.get_content() for part in mail.iter_parts()]
        assert mail.get_content_type() == "multipart/alternative"
        assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
        assert plain.startswith("Ten minutes are enough.")
        assert "Ten minutes are enough." in html
        for words in ("Did it", "Need help", "Not now", "This is wrong"):
            assert re.search(rf"- {words}: https://rekindle.example/answers/\S+/", plain)
            assert words in html
        assert "<img" not in html
        assert again(delivery).state == "sent"
        assert delivery.provider_answer == "accepted by the mail server"

    def test_it_carries_one_click_unsubscribing_and_the_same_id_at_every_try(
        self, mailbox: Mailbox, circle: Circle
    ) -> None:
        delivery = queue(circle)

        deliver.deliver(now=NOW)

        (mail,) = mailbox.messages
        assert re.fullmatch(r"<https://rekindle\.example/unsubscribe/\S+/>", mail["List-Unsubscribe"].strip())
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert mail["Message-ID"] == f"<{delivery.pk}@rekindle>"

    def test_it_speaks_the_learners_language(self, mailbox: Mailbox, circle: Circle) -> None:
        Learner.objects.filter(pk=circle.learner.pk).update(language="de-AT")
        queue(circle)

        deliver.deliver(now=NOW)

        (mail,) = mailbox.messages
        assert "Jetzt nicht" in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]

    def test_it_sends_a_batch_through_one_connection(self, mailbox: Mailbox) -> None:
        for _ in range(3):
            queue(make_circle())

        deliver.deliver(now=NOW)

        assert len(mailbox.messages) == 3
        assert mailbox.connections == 1

    def test_it_opens_another_connection_after_a_fault(self, mailbox: Mailbox, circle: Circle) -> None:
        queue(circle, due_at=NOW - timedelta(minutes=2))
        mailbox.refuse[circle.learner.email] = "451 4.3.0 later"
        queue(make_circle())

        deliver.deliver(now=NOW)

        assert len(mailbox.messages) == 1


class TestWhatComesBack:
    def test_it_notes_an_address_that_refuses_for_good(self, mailbox: Mailbox, circle: Circle) -> None:
        mailbox.refuse[circle.learner.email] = "550 5.1.1 no such user"
        delivery = queue(circle)

        deliver.deliver(now=NOW)

        address = UnreachableAddress.objects.get()
        assert again(delivery).state == "failed"
        assert delivery.provider_answer == "recipient refused (550 5.1.1)"
        assert (address.kind, address.detail) == ("bounced", "550 5.1.1")
        assert Suppression.objects.get().reason == "failed"
        assert AuditEntry.objects.filter(action="address.unreachable").exists()

    @pytest.mark.parametrize("answer", ["552 5.2.2 mailbox full", "550 5.7.1 not from you"])
    def test_it_does_not_blame_the_address_for_something_else(
        self, mailbox: Mailbox, circle: Circle, answer: str
    ) -> None:
        mailbox.refuse[circle.learner.email] = answer
        delivery = queue(circle)

        deliver.deliver(now=NOW)

        assert again(delivery).state == "failed"
        assert not UnreachableAddress.objects.exists()

    def test_it_tries_again_later_where_the_server_says_so(self, mailbox: Mailbox, circle: Circle) -> None:
        mailbox.answer = "451 4.3.0 later"
        delivery = queue(circle)

        deliver.deliver(now=NOW)

        assert again(delivery).state == "queued"
        assert delivery.due_at == NOW + pause(delivery.pk, 1)

    def test_it_gives_up_after_six_tries(self, mailbox: Mailbox, circle: Circle) -> None:
        mailbox.answer = "451 4.3.0 later"
        delivery = queue(circle, tries=5)

        deliver.deliver(now=NOW)

        assert again(delivery).state == "failed"

    def test_it_waits_where_nobody_answers(self, settings: Any, circle: Circle) -> None:
        with smtp_server() as server:
            port = server.port
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        delivery = queue(circle)

        deliver.deliver(now=NOW)

        assert again(delivery).state == "queued"
        assert delivery.provider_answer == "mail server not reached (ConnectionRefusedError)"

    def test_it_takes_no_programming_fault_for_one_of_mailing(self) -> None:
        assert _told(ValueError("ours")) is None


class TestUnreachable:
    def test_it_no_longer_routes_mail_there(self, circle: Circle) -> None:
        reachability.mark(address=circle.learner.email, kind="bounced", detail="550", now=NOW)
        decision = make_decision(circle.enrolment)

        route.route([decision], policy=store.document(store.live()), now=NOW)

        assert set(decision.deliveries.values_list("channel", flat=True)) == {"card"}

    def test_it_says_no_channel_where_there_is_no_page_either(self, circle: Circle) -> None:
        circle.account.delete()
        reachability.mark(address=circle.learner.email, kind="bounced", detail="550", now=NOW)
        decision = make_decision(circle.enrolment)

        route.route([decision], policy=store.document(store.live()), now=NOW)

        assert decision.suppression.reason == "no_channel"

    def test_it_is_seen_by_decisions(self, circle: Circle) -> None:
        circle.account.delete()
        policy = store.document(store.live())

        def reachable() -> bool:
            pk = circle.enrolment.pk
            return snapshots([pk], policy=policy, policy_version=1, now=NOW)[pk].reachable

        before = reachable()
        reachability.mark(address=circle.learner.email, kind="bounced", detail="550", now=NOW)

        assert before
        assert not reachable()

    def test_it_is_over_with_another_address(self, mailbox: Mailbox, circle: Circle) -> None:
        reachability.mark(address=circle.learner.email, kind="bounced", detail="550", now=NOW)
        Learner.objects.filter(pk=circle.learner.pk).update(email="robin.new@works.example")
        delivery = queue(circle)

        deliver.deliver(now=NOW)

        assert again(delivery).state == "sent"

    def test_it_is_not_tried_where_it_was_queued_before(self, mailbox: Mailbox, circle: Circle) -> None:
        delivery = queue(circle)
        reachability.mark(address=circle.learner.email, kind="bounced", detail="550", now=NOW)

        deliver.deliver(now=NOW)

        assert again(delivery).state == "failed"
        assert not mailbox.messages

    def test_it_makes_what_was_accepted_and_came_back_no_attempt(
        self, mailbox: Mailbox, circle: Circle
    ) -> None:
        delivery = queue(circle)
        deliver.deliver(now=NOW)

        reachability.came_back(
            address=circle.learner.email, kind="bounced", detail="Postmark", now=NOW, delivery_id=delivery.pk
        )

        assert again(delivery).state == "failed"
        assert not Attempt.objects.exists()
        assert Suppression.objects.get().reason == "failed"

    def test_it_leaves_an_attempt_that_reached_the_page(self, mailbox: Mailbox, circle: Circle) -> None:
        delivery = queue(circle)
        make_delivery(decision=delivery.decision, channel="card")
        deliver.deliver(now=NOW)

        reachability.came_back(
            address=circle.learner.email, kind="bounced", detail="Postmark", now=NOW, delivery_id=delivery.pk
        )

        assert Attempt.objects.exists()
        assert not Suppression.objects.exists()

    def test_it_is_listed_by_pseudonym_and_can_be_tried_again(self, client: Client, circle: Circle) -> None:
        reachability.mark(address=circle.learner.email, kind="bounced", detail="550 5.1.1", now=NOW)
        client.force_login(make_admin())
        address = "/admin/interventions/unreachableaddress/"

        page = client.get(address).content.decode()
        row = UnreachableAddress.objects.get()
        client.post(address, {"action": "try_these_again", "_selected_action": [row.pk]})

        assert circle.learner.pseudonym in page
        assert circle.learner.email not in page
        assert not UnreachableAddress.objects.exists()
        assert AuditEntry.objects.filter(action="address.tried_again").exists()


class TestDeadLetters:
    def test_it_queues_again_what_still_makes_sense(self, mailbox: Mailbox, circle: Circle) -> None:
        delivery = queue(circle, state="failed", tries=6)

        outcome = dead_letters.try_again(delivery_id=delivery.pk, by=_admin(), now=NOW)
        deliver.deliver(now=NOW)

        assert outcome == Outcome.QUEUED
        assert again(delivery).state == "sent"

    def test_it_never_sends_what_lapsed(self, circle: Circle) -> None:
        delivery = queue(circle, state="failed")
        route.suppress({delivery.decision_id: "failed"}, now=NOW)

        outcome = dead_letters.try_again(delivery_id=delivery.pk, by=_admin(), now=NOW)

        assert outcome == Outcome.DECIDED_ANEW
        assert again(delivery).state == "failed"

    def test_it_refuses_what_is_too_old_or_did_not_fail(self, circle: Circle) -> None:
        old = queue(circle, state="failed", expires_at=NOW)

        assert dead_letters.try_again(delivery_id=old.pk, by=_admin(), now=NOW) == Outcome.TOO_OLD
        assert dead_letters.try_again(delivery_id=uuid4(), by=_admin(), now=NOW) == Outcome.NOT_FAILED

    def test_it_can_be_asked_for_in_the_admin(self, client: Client, circle: Circle) -> None:
        delivery = queue(circle, state="failed")

        with travel(NOW, tick=False):
            client.force_login(make_admin())
            answer = client.post(
                "/admin/interventions/delivery/",
                {"action": "try_again", "_selected_action": [str(delivery.pk)]},
                follow=True,
            )

        assert "queued again" in answer.content.decode()
        assert again(delivery).state == "queued"


class TestPauses:
    def test_they_double_and_differ_by_what_is_sent_but_not_by_chance(self) -> None:
        one, other = uuid4(), uuid4()

        pauses = [pause(one, tries) for tries in range(1, 20)]

        assert all(
            timedelta(minutes=2**tries) <= pause(one, tries) <= timedelta(minutes=2**tries) * 1.5
            for tries in range(1, 9)
        )
        assert pauses == [pause(one, tries) for tries in range(1, 20)]
        assert pause(one, 3) != pause(other, 3)
        assert max(pauses) <= LONGEST * 1.5


def test_it_sends_only_the_card_to_those_who_wish_that(circle: Circle) -> None:
    Preferences.objects.create(learner=circle.learner, channel="card", changed_at=NOW)
    decision = make_decision(circle.enrolment)

    route.route([decision], policy=store.document(store.live()), now=NOW)

    assert set(decision.deliveries.values_list("channel", flat=True)) == {"card"}


def _admin() -> Party:
    return Party("user", make_admin().pk)
