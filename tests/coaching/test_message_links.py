"""What the links in a message do, and what they do not."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from time_machine import travel

from consent import gate, record
from consent.actors import SYSTEM
from consent.models import AuditEntry
from consent.scopes import Scope
from interventions import links
from interventions.links import Purpose
from interventions.models import Answer, Decision, HelpRequest, Lesson
from tests.support.coaching import NOW, Circle, make_card, make_circle, make_decision

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def now_is() -> Iterator[None]:
    with travel(NOW + timedelta(minutes=5), tick=False):
        yield


@pytest.fixture
def circle() -> Circle:
    return make_circle()


@pytest.fixture
def decision(circle: Circle) -> Decision:
    """A suggestion that reached the learner."""
    decision = make_decision(circle.enrolment)
    make_card(decision)
    return decision


def path_to(decision: Decision, kind: str = "did_it") -> str:
    return f"/answers/{links.make(Purpose.ANSWER, about=decision.pk, detail=kind, now=NOW)}/"


def path_away(circle: Circle) -> str:
    return f"/unsubscribe/{links.make(Purpose.UNSUBSCRIBE, about=circle.learner.pk, now=NOW)}/"


class TestAnswer:
    def test_a_get_asks_and_changes_nothing(self, client: Client, decision: Decision) -> None:
        answer = client.get(path_to(decision))

        page = answer.content.decode()
        assert "You answer: Did it" in page
        assert decision.enrolment.course.name in page
        assert not Answer.objects.exists()
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "no-store" in answer.headers["Cache-Control"]

    @pytest.mark.parametrize("kind", Answer.Kind.values)
    def test_the_button_keeps_that_answer_without_signing_in(self, decision: Decision, kind: str) -> None:
        client = Client(enforce_csrf_checks=True)

        answer = client.post(path_to(decision, kind), {"text": "Which part?"})

        assert answer.status_code == 200
        assert Answer.objects.get().kind == kind
        assert AuditEntry.objects.filter(action="suggestion.answered_by_link").exists()
        assert not client.session.get("_auth_user_id")

    def test_the_same_button_twice_is_one_answer(self, client: Client, decision: Decision) -> None:
        client.post(path_to(decision, "need_help"))
        client.post(path_to(decision, "need_help"))

        assert Answer.objects.count() == HelpRequest.objects.count() == 1

    def test_a_call_for_help_brings_its_words(self, client: Client, decision: Decision) -> None:
        client.post(path_to(decision, "wrong"), {"text": "I passed that long ago"})

        request = HelpRequest.objects.get()
        assert (request.kind, request.text) == ("contest", "I passed that long ago")

    def test_it_does_one_thing_only(self, client: Client, decision: Decision) -> None:
        token = path_to(decision).removeprefix("/answers/")

        assert client.post(f"/unsubscribe/{token}").status_code == 404
        assert client.get(f"/calendar/{token}").status_code == 404
        assert client.get("/me/").status_code == 302

    def test_it_cannot_be_made_into_another_answer(self, client: Client, decision: Decision) -> None:
        body, _, signature = path_to(decision).rpartition(":")
        other = path_to(decision, "wrong").rpartition(":")[0]

        assert client.post(f"{other}:{signature}").status_code == 404
        assert client.post(f"{body}:x/").status_code == 404
        assert not Answer.objects.exists()

    def test_it_ends_after_thirty_days(self, client: Client, decision: Decision) -> None:
        with travel(NOW + timedelta(days=30), tick=False):
            answer = client.post(path_to(decision))

        assert answer.status_code == 410
        assert "too old" in answer.content.decode()
        assert not Answer.objects.exists()

    def test_it_is_closed_for_somebody_who_refuses(
        self, client: Client, circle: Circle, decision: Decision
    ) -> None:
        record.withdraw(subject=circle.learner.pk, scope=Scope.NUDGE, by=SYSTEM, now=NOW)

        for answer in (client.get(path_to(decision)), client.post(path_to(decision))):
            assert answer.status_code == 410
            assert decision.enrolment.course.name not in answer.content.decode()
        assert not Answer.objects.exists()

    def test_it_is_closed_for_what_never_went_out(self, client: Client, circle: Circle) -> None:
        unsent = make_decision(circle.enrolment)

        assert client.post(path_to(unsent)).status_code == 410

    def test_it_speaks_the_learners_language(self, client: Client) -> None:
        decision = make_decision(make_circle(language="de").enrolment)
        make_card(decision)

        assert "Du antwortest: Erledigt" in client.get(path_to(decision)).content.decode()


class TestUnsubscribe:
    def test_a_get_asks_and_changes_nothing(self, client: Client, circle: Circle) -> None:
        answer = client.get(path_away(circle))

        assert "Stop suggestions" in answer.content.decode()
        assert gate.allows(circle.learner.pk, Scope.NUDGE)

    def test_one_click_of_a_mail_program_stops_suggestions(self, circle: Circle) -> None:
        client = Client(enforce_csrf_checks=True)

        answer = client.post(path_away(circle), {"List-Unsubscribe": "One-Click"})

        assert answer.status_code == 200
        assert not gate.allows(circle.learner.pk, Scope.NUDGE)

    def test_it_says_so_when_they_are_off_already(self, client: Client, circle: Circle) -> None:
        client.post(path_away(circle))

        assert "Suggestions are off" in client.get(path_away(circle)).content.decode()

    def test_it_lasts_a_year(self, client: Client, circle: Circle) -> None:
        with travel(NOW + timedelta(days=364), tick=False):
            assert client.post(path_away(circle)).status_code == 200

    def test_it_knows_nobody_who_was_erased(self, client: Client, circle: Circle) -> None:
        address = path_away(circle)
        circle.learner.erased_at = NOW
        circle.learner.save(update_fields=["erased_at"])

        assert client.post(address).status_code == 410


class TestCalendar:
    def test_it_is_an_entry_for_the_next_working_morning(self, client: Client, circle: Circle) -> None:
        decision = make_decision(circle.enrolment, lesson=Lesson.objects.get(key="spotting-phishing"))
        make_card(decision)
        path = f"/calendar/{links.make(Purpose.CALENDAR, about=decision.pk, now=NOW)}/"

        answer = client.get(path)

        entry = answer.content.decode()
        assert answer.headers["Content-Type"].startswith("text/calendar")
        assert "DTSTART:20260303T090000Z" in entry
        assert f"UID:{decision.pk}@rekindle" in entry
        assert "TRANSP:TRANSPARENT" in entry
        assert answer.content == client.get(path).content

    def test_it_has_none_without_a_lesson(self, client: Client, decision: Decision) -> None:
        token = links.make(Purpose.CALENDAR, about=decision.pk, now=NOW)

        assert client.get(f"/calendar/{token}/").status_code == 410
