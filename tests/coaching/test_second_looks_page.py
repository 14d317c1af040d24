"""The coach's second looks, as seen and used."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from time_machine import travel

from coaching.models import Case
from consent.models import AuditEntry
from signals.models import FeatureRow, Label, Risk, SecondLook
from signals.risk.score import live_model
from tests.coaching.parts import HTMX, fragment, main_part
from tests.support.coaching import NOW, Circle, make_circle

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now_is")]


@pytest.fixture
def now_is() -> Iterator[None]:
    with travel(NOW + timedelta(hours=1), tick=False):
        yield


def make_look(circle: Circle, kind: str = "not_sure") -> SecondLook:
    """A question about somebody of whom only a quiet week is known."""
    evidence = {
        "course": "Safety",
        "days_inactive": 9.0,
        "last_active_at": (NOW - timedelta(days=9)).isoformat(),
    }
    activity = {
        "signal": "activity",
        "name": "Activity",
        "contribution": 0.7654321,
        "known": True,
        "features": {"days_inactive": 0.7654321},
        "evidence": evidence,
    }
    results = {**activity, "signal": "results", "known": False, "features": {}, "contribution": 0.0}
    Risk.objects.update_or_create(
        enrolment=circle.enrolment,
        defaults={
            "coverage": 0.3217,
            "known_signals": 1,
            "reasons": [activity, results],
            "model_version": live_model(now=NOW),
            "as_of": NOW,
            "known_seq": 1,
        },
    )
    FeatureRow.objects.update_or_create(
        enrolment=circle.enrolment,
        defaults={"feature_set": "core-1", "values": evidence, "as_of": NOW, "known_seq": 1},
    )
    return SecondLook.objects.create(enrolment=circle.enrolment, kind=kind, asked_at=NOW)


def test_it_asks_about_a_pseudonym_with_facts_and_no_score(coach: Client, circle: Circle) -> None:
    look = make_look(circle)

    page = coach.get(f"/inbox/second-looks/{look.pk}/").content.decode()

    assert circle.learner.pseudonym in page
    assert "Robin Fielding" not in page
    assert "No activity in Safety since 21 February." in page
    assert "1 of 2 signals is not known: results." in page
    assert "0.76" not in page and "0.32" not in page


def test_the_inbox_counts_them(coach: Client, circle: Circle) -> None:
    make_look(circle)

    page = coach.get("/inbox/").content.decode()

    assert 'href="/inbox/second-looks/"' in page
    assert '<span>Second looks</span><span class="count">1</span>' in page


def test_it_keeps_an_answer_and_shows_the_next(coach: Client, circle: Circle) -> None:
    first = make_look(circle)
    second = make_look(make_circle(coach=circle.coach))

    answer = coach.post(f"/inbox/second-looks/{first.pk}/", {"says": "needs_help", "note": "On leave soon"})

    assert answer.headers["Location"] == f"/inbox/second-looks/{second.pk}/"
    first.refresh_from_db()
    assert (first.answer, first.answered_by, first.note) == ("needs_help", circle.coach.pk, "On leave soon")
    assert Label.objects.get().value is True
    assert AuditEntry.objects.filter(action="second_look.answer").count() == 1


def test_it_says_whether_anybody_helps_now(coach: Client, circle: Circle) -> None:
    look = make_look(circle)

    page = coach.post(f"/inbox/second-looks/{look.pk}/", {"says": "needs_help"}, follow=True)

    has_case = Case.objects.open().filter(enrolment=circle.enrolment).exists()
    said = "Their case is in the inbox." if has_case else "No case opens by this alone"
    assert said in page.content.decode()


def test_its_part_is_the_same_as_the_page(coach: Client, circle: Circle) -> None:
    first = make_look(circle)
    make_look(make_circle(coach=circle.coach))

    answer = coach.post(f"/inbox/second-looks/{first.pk}/", {"says": "does_not"}, headers=HTMX)
    page = coach.get(answer.headers["HX-Push-Url"])

    assert fragment(answer.content.decode()) == main_part(page.content.decode())
    assert "does not need help" in answer.content.decode()


def test_it_asks_for_one_of_three_answers_and_keeps_the_text(coach: Client, circle: Circle) -> None:
    look = make_look(circle)

    answer = coach.post(f"/inbox/second-looks/{look.pk}/", {"says": "none", "note": "Hm"})

    assert answer.status_code == 422
    assert b"one of the three buttons" in answer.content
    assert b"Hm</textarea>" in answer.content
    assert not Label.objects.exists()


def test_it_says_that_somebody_was_first(coach: Client, circle: Circle) -> None:
    look = make_look(circle)
    coach.post(f"/inbox/second-looks/{look.pk}/", {"says": "does_not"})

    answer = coach.post(f"/inbox/second-looks/{look.pk}/", {"says": "needs_help"})

    assert answer.status_code == 409
    assert b"Somebody was first" in answer.content
    assert Label.objects.get().value is False


def test_it_hides_other_coaches_looks(coach: Client) -> None:
    look = make_look(make_circle())

    assert coach.get(f"/inbox/second-looks/{look.pk}/").status_code == 404
    assert coach.post(f"/inbox/second-looks/{look.pk}/", {"says": "does_not"}).status_code == 404
    assert SecondLook.objects.open().count() == 1


@pytest.mark.parametrize("who", ["manager", "account"])
def test_it_refuses_everybody_who_is_no_coach(client: Client, circle: Circle, who: str) -> None:
    look = make_look(circle)
    client.force_login(getattr(circle, who))

    assert client.get("/inbox/second-looks/").status_code == 403
    assert client.get(f"/inbox/second-looks/{look.pk}/").status_code == 403


def test_it_refuses_other_methods(coach: Client, circle: Circle) -> None:
    look = make_look(circle)

    assert coach.put(f"/inbox/second-looks/{look.pk}/").status_code == 405
    assert coach.post("/inbox/second-looks/", {"says": "does_not"}).status_code == 405


def test_reading_it_is_audited(coach: Client, circle: Circle) -> None:
    make_look(circle)

    coach.get("/inbox/second-looks/")

    assert AuditEntry.objects.filter(action="second_look.read").count() == 1
