"""The learner's own pages, as seen and used."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from time_machine import travel

from consent import gate, record
from consent.actors import SYSTEM
from consent.models import SubjectRequest
from consent.scopes import Scope
from interventions import reachability
from interventions.models import (
    Answer,
    ChatConnection,
    HelpRequest,
    Suppression,
    UnreachableAddress,
)
from learners.models import Preferences
from tests.coaching.parts import HTMX, fragment, main_part
from tests.support.coaching import NOW, Circle, make_card, make_circle, make_decision
from tests.support.interventions import make_contents

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now_is")]


@pytest.fixture
def now_is() -> Iterator[None]:
    with travel(NOW + timedelta(minutes=5), tick=False):
        yield


@pytest.fixture
def circle() -> Circle:
    return make_circle()


@pytest.fixture
def learner(client: Client, circle: Circle) -> Client:
    client.force_login(circle.account)
    return client


def test_it_shows_a_suggestion_and_why(learner: Client, circle: Circle) -> None:
    make_card(make_decision(circle.enrolment))

    page = learner.get("/me/").content.decode()

    assert "Pick up where you left" in page
    assert "Why this?" in page
    assert "https://rekindle.example" not in page  # the mail's address; the page has buttons


@pytest.mark.parametrize(("kind", "request_kind"), [("did_it", None), ("not_now", None)])
def test_it_keeps_an_answer(learner: Client, circle: Circle, kind: str, request_kind: None) -> None:
    decision = make_decision(circle.enrolment)
    make_card(decision)

    answer = learner.post(f"/me/suggestions/{decision.pk}/", {"kind": kind}, headers=HTMX)

    assert Answer.objects.get().kind == kind
    assert not HelpRequest.objects.exists()
    assert fragment(answer.content.decode()) == main_part(learner.get("/me/").content.decode())


@pytest.mark.parametrize(("kind", "wanted"), [("need_help", "help"), ("wrong", "contest")])
def test_it_brings_a_person(learner: Client, circle: Circle, kind: str, wanted: str) -> None:
    decision = make_decision(circle.enrolment)
    make_card(decision)

    learner.post(f"/me/suggestions/{decision.pk}/", {"kind": kind, "text": "I passed that long ago"})

    request = HelpRequest.objects.get()
    assert (request.kind, request.text) == (wanted, "I passed that long ago")


def test_it_refuses_a_fifth_answer(learner: Client, circle: Circle) -> None:
    decision = make_decision(circle.enrolment)
    make_card(decision)

    assert learner.post(f"/me/suggestions/{decision.pk}/", {"kind": "like"}).status_code == 422


def test_it_hides_other_peoples_suggestions_and_courses(learner: Client) -> None:
    other = make_circle()
    decision = make_decision(other.enrolment)
    make_card(decision)

    assert learner.post(f"/me/suggestions/{decision.pk}/", {"kind": "did_it"}).status_code == 404
    assert learner.post(f"/me/courses/{other.enrolment.pk}/", {"kind": "contest"}).status_code == 404
    assert not Answer.objects.exists()


def test_it_does_not_let_answer_what_was_never_sent(learner: Client, circle: Circle) -> None:
    decision = make_decision(circle.enrolment)
    make_card(decision, state="queued", sent_at=None)

    assert learner.post(f"/me/suggestions/{decision.pk}/", {"kind": "did_it"}).status_code == 404


def test_it_contests_a_course(learner: Client, circle: Circle) -> None:
    learner.post(f"/me/courses/{circle.enrolment.pk}/", {"kind": "contest", "text": "Wrong course"})

    assert HelpRequest.objects.get().kind == "contest"
    assert "A person has been asked to look" in learner.get("/me/").content.decode()


def test_it_changes_by_post_only(learner: Client, circle: Circle) -> None:
    assert learner.get(f"/me/courses/{circle.enrolment.pk}/").status_code == 405
    assert learner.get("/me/data/").status_code == 405


@pytest.mark.parametrize("scope", [Scope.NUDGE, Scope.MANAGER, Scope.RESEARCH])
def test_its_switches_work_at_once(learner: Client, circle: Circle, scope: Scope) -> None:
    for wanted in ("no", "yes", "no"):
        answer = learner.post("/me/choices/", {"scope": scope, "allow": wanted}, headers=HTMX)

        assert gate.allows(circle.learner.pk, scope) is (wanted == "yes")
        assert fragment(answer.content.decode()) == main_part(learner.get("/me/choices/").content.decode())


def test_it_takes_suggestions_away_when_switched_off(learner: Client, circle: Circle) -> None:
    make_card(make_decision(circle.enrolment))

    learner.post("/me/choices/", {"scope": "nudge", "allow": "no"})

    page = learner.get("/me/").content.decode()
    assert "Pick up where you left" not in page
    assert "Suggestions are switched off" in page


def test_it_knows_no_purpose_beyond_those_written_down(learner: Client) -> None:
    assert learner.post("/me/choices/", {"scope": "appraisal", "allow": "yes"}).status_code == 404


def test_it_tells_what_was_not_sent_and_why(learner: Client, circle: Circle) -> None:
    decision = make_decision(circle.enrolment, lapsed_at=NOW)
    Suppression.objects.create(decision=decision, reason="cap", at=NOW)

    assert (
        "Not sent: you already had two messages in seven days" in learner.get("/me/history/").content.decode()
    )


def test_it_speaks_the_learners_language(client: Client) -> None:
    make_contents()
    circle = make_circle(language="de")
    client.force_login(circle.account)

    page = client.get("/me/lessons/spotting-phishing/").content.decode()

    assert 'lang="de"' in page


def test_it_hands_over_everything_held(learner: Client, circle: Circle) -> None:
    make_decision(circle.enrolment)

    answer = learner.post("/me/data/")

    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.json()["subject"] == str(circle.learner.pk)
    assert SubjectRequest.objects.get().kind == "access"


def test_it_asks_the_database_the_same_number_of_times_however_long_the_history(
    learner: Client, circle: Circle
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            learner.get("/me/history/")
        return len(captured)

    make_card(make_decision(circle.enrolment))
    few = queries()
    for step in range(1, 6):
        make_card(make_decision(circle.enrolment, step=step))

    assert queries() == few


@pytest.mark.parametrize(("said", "kept"), [("yes", True), ("no", False)])
def test_it_asks_whether_it_helped_apart_from_the_answer(
    learner: Client, circle: Circle, said: str, kept: bool
) -> None:
    decision = make_decision(circle.enrolment)
    make_card(decision)
    assert "Did it help?" not in learner.get("/me/").content.decode()
    learner.post(f"/me/suggestions/{decision.pk}/", {"kind": "not_now"})

    assert "Did it help?" in learner.get("/me/").content.decode()
    learner.post(f"/me/suggestions/{decision.pk}/", {"helped": said})

    answer = Answer.objects.get()
    assert (answer.kind, answer.helped) == ("not_now", kept)


def test_it_keeps_no_verdict_on_what_was_not_answered(learner: Client, circle: Circle) -> None:
    decision = make_decision(circle.enrolment)
    make_card(decision)

    learner.post(f"/me/suggestions/{decision.pk}/", {"helped": "yes"})

    assert not Answer.objects.exists()


class TestMailThatDoesNotArrive:
    @pytest.fixture(autouse=True)
    def came_back(self, circle: Circle) -> None:
        circle.learner.email = "robin@works.example"
        circle.learner.save(update_fields=["email"])
        reachability.mark(address="robin@works.example", kind="bounced", detail="550 5.1.1", now=NOW)

    @pytest.mark.parametrize(
        ("language", "says"),
        [
            ("en", "Mail to robin@works.example came back on 2 March 2026."),
            ("de-AT", "Eine Mail an robin@works.example kam am 2. März 2026 zurück."),
        ],
    )
    def test_it_says_so_in_the_learners_language(
        self, learner: Client, circle: Circle, language: str, says: str
    ) -> None:
        circle.learner.language = language
        circle.learner.save(update_fields=["language"])

        page = learner.get("/me/").content.decode()

        assert says in page
        assert "550" not in page

    def test_it_says_what_comes_by_chat_instead(self, learner: Client) -> None:
        ChatConnection.objects.create(kind="slack", token="xoxb-1", created_at=NOW)

        assert "come by Slack" in learner.get("/me/").content.decode()

    def test_it_says_why_after_a_complaint(self, learner: Client) -> None:
        UnreachableAddress.objects.update(kind="complained")

        assert "marked as unwanted" in learner.get("/me/").content.decode()

    @pytest.mark.parametrize("quiet", ["another address", "cleared", "page only", "suggestions off"])
    def test_it_is_silent_otherwise(self, learner: Client, circle: Circle, quiet: str) -> None:
        match quiet:
            case "another address":
                circle.learner.email = "r.fielding@works.example"
                circle.learner.save(update_fields=["email"])
            case "cleared":
                reachability.try_again(addresses=UnreachableAddress.objects.all(), by=SYSTEM, now=NOW)
            case "page only":
                Preferences.objects.create(learner=circle.learner, channel="card", changed_at=NOW)
            case "suggestions off":
                record.withdraw(subject=circle.learner.pk, scope=Scope.NUDGE, by=SYSTEM, now=NOW)

        page = learner.get("/me/").content.decode()

        assert "came back" not in page
