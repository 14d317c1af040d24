"""The manager's page, as seen and used."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from time_machine import travel

from consent import record
from consent.actors import SYSTEM
from consent.scopes import Scope
from interventions.models import Episode, HelpRequest, ManagerAsk
from signals.models import Label
from tests.coaching.parts import HTMX, fragment, main_part
from tests.support.coaching import NOW, Circle, make_ask, make_circle, make_decision
from tests.support.learners import make_manager

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now_is")]


@pytest.fixture
def now_is() -> Iterator[None]:
    with travel(NOW + timedelta(minutes=5), tick=False):
        yield


@pytest.fixture
def manager(client: Client, circle: Circle) -> Client:
    client.force_login(circle.manager)
    return client


def page_of(client: Client) -> str:
    return client.get("/team/").content.decode()


def test_it_shows_what_to_do_with_words_and_minutes(manager: Client, circle: Circle) -> None:
    make_ask(circle)

    page = page_of(manager)

    assert "1 of 1 person could use a hand this week" in page
    assert "Robin Fielding" in page
    assert "Ask what is in the way" in page
    assert "5 minutes" in page
    assert "no change seen" in page  # what was tried


def test_it_never_shows_a_number_about_a_person(manager: Client, circle: Circle) -> None:
    make_ask(circle)

    page = page_of(manager).lower()

    assert "at risk" not in page
    assert "score of" not in page
    assert "%" not in page


def test_it_says_when_nothing_needs_anybody(manager: Client) -> None:
    page = page_of(manager)

    assert "Nothing needs you. Next check Tue 3 Mar, 08:00" in page


def test_it_shows_three_cards_at_most(manager: Client, circle: Circle) -> None:
    make_ask(circle)
    for place in (2, 3):
        make_ask(make_circle(manager=circle.manager), place=place)
    make_ask(make_circle(manager=circle.manager), place=None, state="snoozed", snoozed_until=NOW)

    assert page_of(manager).count('<article class="card ask"') == 3


def test_it_hides_who_refuses_at_once_and_says_so_without_a_name(manager: Client, circle: Circle) -> None:
    make_ask(circle)
    others = [make_circle(manager=circle.manager) for _ in range(5)]

    record.withdraw(subject=circle.learner.pk, scope=Scope.MANAGER, by=SYSTEM, now=NOW)

    page = page_of(manager)
    assert "Robin Fielding" not in page
    assert "1 person chose not to share details" in page
    assert not any(other.learner.name in page for other in others)


def test_it_counts_nobody_in_a_team_below_five(manager: Client, circle: Circle) -> None:
    other = make_circle(manager=circle.manager)
    make_decision(other.enrolment)
    record.withdraw(subject=circle.learner.pk, scope=Scope.MANAGER, by=SYSTEM, now=NOW)

    page = page_of(manager)

    assert "Being handled" not in page
    assert "chose not to share" not in page


def test_it_counts_those_being_handled_from_five_people_on(manager: Client, circle: Circle) -> None:
    others = [make_circle(manager=circle.manager) for _ in range(5)]
    make_decision(others[0].enrolment)

    page = page_of(manager)

    assert "Being handled" in page
    assert others[0].learner.name not in page


def test_it_shares_good_news_by_name_only_about_those_it_was_asked_about(
    manager: Client, circle: Circle
) -> None:
    ask = make_ask(circle, place=None, state="done", answered_at=NOW)
    unknown = make_circle(manager=circle.manager)
    make_decision(unknown.enrolment)
    Episode.objects.filter(pk__in=[ask.decision.episode_id, unknown.enrolment.episodes.get().pk]).update(
        closed_at=NOW, end="recovered"
    )

    page = page_of(manager)

    assert "Robin Fielding</strong> is back on track" in page
    assert unknown.learner.name not in page


def test_it_takes_yes_for_an_answer(manager: Client, circle: Circle) -> None:
    ask = make_ask(circle)

    answer = manager.post(f"/team/{ask.pk}/", {"act": "do", "version": 1}, headers=HTMX)

    assert ManagerAsk.objects.get().state == "accepted"
    assert fragment(answer.content.decode()) == main_part(page_of(manager))
    assert "You are on it" in answer.content.decode()


def test_it_works_without_scripts(manager: Client, circle: Circle) -> None:
    ask = make_ask(circle)

    assert manager.post(f"/team/{ask.pk}/", {"act": "do", "version": 1}).headers["Location"] == "/team/"


def test_it_asks_again_later(manager: Client, circle: Circle) -> None:
    ask = make_ask(circle)

    manager.post(f"/team/{ask.pk}/", {"act": "later", "later": "leave", "version": 1})

    assert ManagerAsk.objects.get().snoozed_until == NOW.replace(hour=8) + timedelta(days=14)


def test_it_wants_to_know_what_is_wrong(manager: Client, circle: Circle) -> None:
    ask = make_ask(circle)

    assert manager.post(f"/team/{ask.pk}/", {"act": "wrong", "version": 1}).status_code == 422
    assert (
        manager.post(
            f"/team/{ask.pk}/", {"act": "wrong", "version": 1, "reason": "On parental leave"}
        ).status_code
        == 302
    )

    assert ManagerAsk.objects.get().note == "On parental leave"


def test_it_hands_on_to_a_coach(manager: Client, circle: Circle) -> None:
    ask = make_ask(circle)

    manager.post(f"/team/{ask.pk}/", {"act": "coach", "version": 1})

    assert ManagerAsk.objects.get().state == "handed_on"


def test_it_refuses_a_stale_version(manager: Client, circle: Circle) -> None:
    ask = make_ask(circle)
    manager.post(f"/team/{ask.pk}/", {"act": "do", "version": 1})

    answer = manager.post(
        f"/team/{ask.pk}/", {"act": "wrong", "version": 1, "reason": "kept words"}, headers=HTMX
    )

    assert answer.status_code == 409
    assert ManagerAsk.objects.get().state == "accepted"


def test_it_hides_other_managers_asks(client: Client, circle: Circle) -> None:
    ask = make_ask(circle)
    client.force_login(make_manager())

    assert client.post(f"/team/{ask.pk}/", {"act": "do", "version": 1}).status_code == 404
    assert "Robin Fielding" not in page_of(client)


def test_it_answers_a_card_by_post_only(manager: Client, circle: Circle) -> None:
    assert manager.get(f"/team/{make_ask(circle).pk}/").status_code == 405


def test_it_asks_the_database_the_same_number_of_times_however_large_the_team(
    manager: Client, circle: Circle
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            manager.get("/team/")
        return len(captured)

    make_ask(circle)
    for _ in range(5):
        make_decision(make_circle(manager=circle.manager).enrolment)
    few = queries()
    for _ in range(5):
        make_decision(make_circle(manager=circle.manager).enrolment)

    assert queries() == few


LOOK = "/team/look/"


def test_it_asks_a_coach_to_look_at_somebody(manager: Client, circle: Circle) -> None:
    assert "Robin Fielding" in manager.get(LOOK).content.decode()

    answer = manager.post(LOOK, {"learner": circle.learner.pk, "text": "Seems tired of it"})

    assert answer.status_code == 302
    wish = HelpRequest.objects.get()
    assert (wish.kind, wish.text, wish.asked_by) == ("manager", "Seems tired of it", circle.manager)
    manager.post(LOOK, {"learner": circle.learner.pk})
    assert HelpRequest.objects.count() == 1


@pytest.mark.parametrize("scope", [Scope.COACH, Scope.MANAGER])
def test_it_asks_nobody_about_who_said_no_and_does_not_let_on(
    manager: Client, circle: Circle, scope: Scope
) -> None:
    before = manager.get(LOOK).content.decode()
    record.withdraw(subject=circle.learner.pk, scope=scope, by=SYSTEM, now=NOW)

    assert "Robin Fielding" in before
    assert "Robin Fielding" in manager.get(LOOK).content.decode()
    answer = manager.post(LOOK, {"learner": circle.learner.pk}, follow=True)

    assert "If the person has agreed to it" in answer.content.decode()
    assert not HelpRequest.objects.exists()


def test_it_asks_about_nobody_elses_people(manager: Client) -> None:
    assert manager.post(LOOK, {"learner": make_circle().learner.pk}).status_code == 404


def test_it_wants_a_person_to_be_named_and_keeps_what_was_written(manager: Client) -> None:
    answer = manager.post(LOOK, {"learner": "", "text": "Seems tired"})

    assert answer.status_code == 422
    assert "Choose a person first" in answer.content.decode()
    assert "Seems tired" in answer.content.decode()


def test_it_takes_a_wish_from_managers_only(client: Client, circle: Circle) -> None:
    client.force_login(circle.coach)

    assert client.get(LOOK).status_code == 403
    assert client.post(LOOK, {"learner": circle.learner.pk}).status_code == 403


@pytest.mark.parametrize(
    ("flag", "value", "end"), [("no", False, "not_needed"), ("yes", True, "settled"), ("", None, "settled")]
)
def test_it_keeps_what_a_manager_says_of_the_flag(
    manager: Client, circle: Circle, flag: str, value: bool | None, end: str
) -> None:
    ask = make_ask(circle)

    manager.post(f"/team/{ask.pk}/", {"act": "wrong", "version": 1, "reason": "See here", "flag": flag})

    assert ManagerAsk.objects.get().flag_was_right is value
    assert list(Label.objects.values_list("definition", "value")) == (
        [] if value is None else [("needed_help@1", value)]
    )
    assert Episode.objects.get().end == end


def test_it_keeps_apart_whether_the_word_helped(manager: Client, circle: Circle) -> None:
    ask = make_ask(circle, state="accepted", place=None)

    manager.post(f"/team/{ask.pk}/", {"act": "done", "version": 1, "helped": "no"})

    ask.refresh_from_db()
    assert (ask.state, ask.action_helped, ask.flag_was_right) == ("done", False, None)
