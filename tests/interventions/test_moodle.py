"""Moodle's messages: to whom, with what, what its answers mean, and the lessons that live there."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.test import Client
from time_machine import travel

from consent.models import AuditEntry
from interventions import deliver, route
from interventions.channels.moodle import Moodle
from interventions.models import Answer, Attempt, ChatConnection, Delivery, Lesson, LessonPlace, Suppression
from interventions.policy import store
from learners.models import Learner
from tests.support.coaching import NOW, Circle, make_circle, make_decision
from tests.support.interventions import make_admin, make_delivery, make_slot
from tests.support.learners import make_identifier
from tests.support.listening import Listener, http_server

pytestmark = pytest.mark.django_db


def told(answer: Any, status: int = 200) -> tuple[int, dict[str, str], bytes]:
    return status, {}, json.dumps(answer).encode()


def refused(code: str) -> tuple[int, dict[str, str], bytes]:
    """A fault as Moodle says it: with status 200."""
    return told({"exception": "moodle_exception", "errorcode": code, "message": "Robin Fielding …"})


FOUND = told([{"id": 42, "username": "robin", "suspended": False}])
TAKEN = told([{"msgid": 1007, "clientmsgid": "…", "errormessage": None}])


@pytest.fixture
def site(settings: Any) -> Iterator[Listener]:
    settings.OUTGOING_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    settings.PUBLIC_URL = "https://rekindle.example"
    with http_server() as server:
        yield server


@pytest.fixture
def circle() -> Circle:
    return make_circle(name="Robin Fielding", email="robin@works.example")


def connect(site: Listener, **fields: Any) -> ChatConnection:
    return ChatConnection.objects.create(
        kind="moodle", address=f"{site.url}/", token="t0ken", created_at=NOW, **fields
    )


def queue(circle: Circle, **fields: Any) -> Delivery:
    decision = make_decision(circle.enrolment, **fields)
    make_slot(decision=decision, at=NOW)
    return make_delivery(decision=decision, channel="moodle")


def again(delivery: Delivery) -> Delivery:
    delivery.refresh_from_db()
    return delivery


def asked(site: Listener) -> list[dict[str, str]]:
    return [{name: value[0] for name, value in parse_qs(one.body.decode()).items()} for one in site.asked]


class TestAMessage:
    def test_it_goes_to_the_one_person_with_the_mails_links(self, site: Listener, circle: Circle) -> None:
        connect(site)
        site.answers = [FOUND, TAKEN]
        delivery = queue(circle)

        deliver.deliver(now=NOW)

        looked, sent = asked(site)
        assert {one.path for one in site.asked} == {"/webservice/rest/server.php"}
        assert looked["wsfunction"] == "core_user_get_users_by_field"
        assert (looked["field"], looked["values[0]"]) == ("email", "robin@works.example")
        assert looked["wstoken"] == sent["wstoken"] == "t0ken"
        assert sent["wsfunction"] == "core_message_send_instant_messages"
        assert (sent["messages[0][touserid]"], sent["messages[0][textformat]"]) == ("42", "1")
        assert sent["messages[0][clientmsgid]"] == str(delivery.pk)
        assert sent["messages[0][text]"].count("https://rekindle.example/answers/") == 4
        assert "Fielding" not in sent["messages[0][text]"]
        assert again(delivery).state == "sent"
        assert delivery.provider_answer == "taken by Moodle: 1007"
        assert Attempt.objects.count() == 1

    def test_its_links_take_an_answer(self, site: Listener, circle: Circle, client: Client) -> None:
        connect(site)
        site.answers = [FOUND, TAKEN]
        queue(circle)
        deliver.deliver(now=NOW)
        text = asked(site)[1]["messages[0][text]"]
        address = text.split('href="https://rekindle.example')[1].split('"')[0]

        with travel(NOW, tick=False):
            page = client.get(address)
            client.post(address)

        assert page.status_code == 200
        assert Answer.objects.get().kind == "did_it"

    @pytest.mark.parametrize(
        ("known_by", "name", "looked_up"),
        [("id", "42", None), ("username", "robin", ("username", "robin"))],
    )
    def test_it_finds_people_by_their_account_on_this_site(
        self, site: Listener, known_by: str, name: str, looked_up: tuple[str, str] | None
    ) -> None:
        connect(site, known_by=known_by)
        circle = make_circle(email="")
        make_identifier(learner=circle.learner, kind="account", value="https://other.example|7")
        make_identifier(learner=circle.learner, kind="account", value=f"{site.url}|{name}")
        site.answers = [FOUND, TAKEN] if looked_up else [TAKEN]
        delivery = queue(circle)

        deliver.deliver(now=NOW)

        assert again(delivery).state == "sent"
        assert asked(site)[-1]["messages[0][touserid]"] == "42"
        if looked_up:
            assert (asked(site)[0]["field"], asked(site)[0]["values[0]"]) == looked_up

    def test_it_finds_people_by_their_employee_number(self, site: Listener, circle: Circle) -> None:
        connect(site, known_by="idnumber")
        Learner.objects.filter(pk=circle.learner.pk).update(employee_number="E-77")
        site.answers = [FOUND, TAKEN]
        queue(circle)

        deliver.deliver(now=NOW)

        assert (asked(site)[0]["field"], asked(site)[0]["values[0]"]) == ("idnumber", "E-77")


class TestFaults:
    @pytest.mark.parametrize(
        "given",
        [
            [told([])],
            [told([{"id": 42}, {"id": 43}])],
            [told([{"id": 42, "suspended": True}])],
            [FOUND, told([{"msgid": -1, "errormessage": "Robin Fielding can't be messaged"}])],
            [FOUND, refused("disabled")],
        ],
        ids=["unknown", "two of them", "suspended", "does not want messages", "messaging is off"],
    )
    def test_it_falls_back_to_mail_where_moodle_never_will(
        self, site: Listener, circle: Circle, given: list[Any]
    ) -> None:
        connect(site)
        site.answers = given
        delivery = queue(circle)

        deliver.deliver(now=NOW)
        deliver.deliver(now=NOW)

        assert again(delivery).state == "failed"
        assert "Fielding" not in delivery.provider_answer
        assert Delivery.objects.get(channel="email").state == "sent"
        assert Attempt.objects.count() == 1

    @pytest.mark.parametrize(
        "given",
        [
            [refused("invalidtoken")],
            [refused("accessexception")],
            [told({}, status=503)],
            [(429, {"Retry-After": "600"}, b"")],
            [(200, {}, b"<html>")],
            [told({"id": 42})],
            [FOUND, refused("servicenotavailable")],
            [FOUND, (503, {}, b"")],
        ],
    )
    def test_it_tries_again_and_tells_the_administrator(
        self, site: Listener, circle: Circle, given: list[Any]
    ) -> None:
        connection = connect(site)
        site.answers = given
        delivery = queue(circle)

        deliver.deliver(now=NOW)

        connection.refresh_from_db()
        assert again(delivery).state == "queued"
        assert delivery.due_at > NOW
        assert connection.last_error == delivery.provider_answer
        assert connection.last_error_at == NOW

    def test_a_success_clears_what_was_wrong(self, site: Listener, circle: Circle) -> None:
        connection = connect(site, last_error="Moodle answered 503", last_error_at=NOW)
        site.answers = [FOUND, TAKEN]
        queue(circle)

        deliver.deliver(now=NOW)

        connection.refresh_from_db()
        assert (connection.last_error, connection.last_error_at) == ("", None)

    @pytest.mark.parametrize(
        "given",
        [(200, {}, b"[{"), told("yes"), told([]), (502, {}, b""), (500, {}, b"")],
    )
    def test_it_is_neither_repeated_nor_mailed_where_it_may_have_arrived(
        self, site: Listener, circle: Circle, given: Any
    ) -> None:
        connect(site)
        site.answers = [FOUND, given]
        delivery = queue(circle)

        deliver.deliver(now=NOW)
        deliver.deliver(now=NOW)

        assert again(delivery).state == "failed"
        assert "may have arrived" in delivery.provider_answer
        assert not Delivery.objects.filter(channel="email").exists()
        assert len(site.asked) == 2

    def test_it_is_not_repeated_where_moodle_does_not_answer_in_time(
        self, site: Listener, circle: Circle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("interventions.outgoing.PATIENCE_S", 0.2)
        connect(site)
        site.answers = [FOUND, TAKEN]
        site.silent_from = 2
        delivery = queue(circle)

        deliver.deliver(now=NOW)

        assert again(delivery).state == "failed"
        assert "may have arrived" in delivery.provider_answer

    def test_it_tries_again_where_nobody_is_there(self, settings: Any, circle: Circle) -> None:
        settings.OUTGOING_PRIVATE_NETWORKS = ["127.0.0.0/8"]
        with http_server() as gone:
            connect(gone)
        delivery = queue(circle)

        deliver.deliver(now=NOW)

        assert again(delivery).state == "queued"

    def test_it_is_given_up_where_a_worker_died_between(self, site: Listener, circle: Circle) -> None:
        connect(site)
        delivery = queue(circle)
        Delivery.objects.filter(pk=delivery.pk).update(
            state="sending", claimed_at=NOW - deliver.IN_DOUBT_AFTER
        )

        deliver.deliver(now=NOW)

        assert again(delivery).state == "failed"
        assert not site.asked
        assert not Moodle.repeatable


class TestLessonsThatLiveThere:
    @pytest.fixture
    def lesson(self) -> Lesson:
        lesson = Lesson.objects.get(key="spotting-phishing")
        LessonPlace.objects.create(
            lesson=lesson, address="https://moodle.example/mod/page/view.php?id=9", moodle_course=12
        )
        return lesson

    def test_a_message_leads_there(self, site: Listener, circle: Circle, lesson: Lesson) -> None:
        connect(site)
        site.answers = [FOUND, TAKEN]
        queue(circle, action="lesson", lesson=lesson)

        deliver.deliver(now=NOW)

        _, sent = asked(site)
        assert 'href="https://moodle.example/mod/page/view.php?id=9"' in sent["messages[0][text]"]

    def test_it_is_written_in_the_mail_too(self, circle: Circle, lesson: Lesson, mailoutbox: Any) -> None:
        decision = make_decision(circle.enrolment, action="lesson", lesson=lesson)
        make_slot(decision=decision, at=NOW)
        make_delivery(decision=decision)

        deliver.deliver(now=NOW)

        (mail,) = mailoutbox
        assert "https://moodle.example/mod/page/view.php?id=9" in mail.body
        assert "https://moodle.example/mod/page/view.php?id=9" in mail.alternatives[0][0]


class TestRouting:
    def test_it_takes_the_place_of_mail(self, site: Listener, circle: Circle) -> None:
        connect(site)
        decision = make_decision(circle.enrolment)

        route.route([decision], policy=store.document(store.live()), now=NOW)

        assert set(decision.deliveries.values_list("channel", flat=True)) == {"card", "moodle"}

    def test_it_reaches_somebody_without_an_address_who_has_an_account_there(self, site: Listener) -> None:
        connect(site, known_by="username")
        circle = make_circle(email="")
        circle.account.delete()
        make_identifier(learner=circle.learner, kind="account", value=f"{site.url}|robin")
        decision = make_decision(circle.enrolment)

        route.route([decision], policy=store.document(store.live()), now=NOW)

        assert set(decision.deliveries.values_list("channel", flat=True)) == {"moodle"}

    def test_it_mails_those_whose_account_is_not_known(self, site: Listener, circle: Circle) -> None:
        connect(site, known_by="username")
        decision = make_decision(circle.enrolment)

        route.route([decision], policy=store.document(store.live()), now=NOW)

        assert set(decision.deliveries.values_list("channel", flat=True)) == {"card", "email"}

    def test_it_says_that_nobody_can_reach_those_without_either(self, site: Listener) -> None:
        connect(site)
        circle = make_circle(email="")
        circle.account.delete()
        decision = make_decision(circle.enrolment)

        route.route([decision], policy=store.document(store.live()), now=NOW)

        assert Suppression.objects.get().reason == "no_channel"


class TestAdmin:
    @pytest.fixture(autouse=True)
    def signed_in(self, client: Client) -> None:
        client.force_login(make_admin())
        self.client = client

    def add(self, **given: str) -> str:
        sent = {"kind": "moodle", "known_by": "email", "enrol_role": "5", "writes": "on", **given}
        return self.client.post("/admin/interventions/chatconnection/add/", sent).content.decode()

    @pytest.mark.parametrize(
        ("given", "fault"),
        [
            ({"token": "t"}, "Moodle needs the site"),
            ({"address": "https://10.0.0.1", "token": "t"}, "private network"),
            ({"address": "https://93.184.215.14"}, "Moodle needs a web service"),
            (
                {"address": "https://93.184.215.14/login/index.php", "token": "t"},
                "the site&#x27;s own address",
            ),
            ({"kind": "slack", "token": "t", "enrols": "on"}, "Only Moodle can enrol"),
        ],
    )
    def test_it_says_what_to_mend(self, given: dict[str, str], fault: str) -> None:
        assert fault in self.add(**given)
        assert not ChatConnection.objects.exists()

    def test_it_sends_a_test_and_shows_what_went_wrong(self, site: Listener) -> None:
        self.add(address=site.url, token="t0ken", is_active="on")
        connection = ChatConnection.objects.get()
        site.answers = [refused("invalidtoken")]

        page = self.client.post(
            "/admin/interventions/chatconnection/",
            {"action": "send_test", "_selected_action": [str(connection.pk)]},
            follow=True,
        ).content.decode()

        assert page.count("Moodle refused core_user_get_users_by_field: invalidtoken") == 2  # said, and kept
        assert "t0ken" not in page

    def test_it_places_a_lesson(self) -> None:
        lesson = Lesson.objects.get(key="spotting-phishing")
        address = "https://moodle.example/mod/page/view.php?id=9"

        refused = self.client.post(
            "/admin/interventions/lessonplace/add/", {"lesson": lesson.pk, "address": "ftp://x.example/"}
        )
        nowhere = self.client.post(
            "/admin/interventions/lessonplace/add/", {"lesson": lesson.pk, "address": ""}
        )
        self.client.post(
            "/admin/interventions/lessonplace/add/",
            {"lesson": lesson.pk, "address": address, "moodle_course": "12"},
        )

        assert "begins with https://" in refused.content.decode()
        assert "own texts name none" in nowhere.content.decode()
        assert LessonPlace.objects.get().address == address

        self.client.post(f"/admin/interventions/lessonplace/{lesson.pk}/delete/", {"post": "yes"})

        assert not LessonPlace.objects.exists()
        traced = AuditEntry.objects.filter(action__startswith="lesson.").order_by("pk")
        assert list(traced.values_list("action", flat=True)) == ["lesson.placed", "lesson.placed_no_more"]
