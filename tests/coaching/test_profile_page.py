"""The learner's own profile page: levels, preferences and goals; what each is used for."""

from datetime import date, time
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from consent import record
from consent.actors import SYSTEM
from consent.scopes import Scope
from learners import profiles
from learners.models import BaselineSkill, Competency, Goal, Learner, Preferences, Role, RoleCompetency
from tests.support.learners import (
    NOW,
    make_baseline,
    make_competency,
    make_course,
    make_enrolment,
    make_goal,
    make_job_role,
    make_learner,
    make_user,
)

pytestmark = pytest.mark.django_db
URL = "/me/profile/"


def ask(learner: Learner, competency: Competency, *, level: int) -> None:
    assert learner.job_role is not None
    RoleCompetency.objects.create(job_role=learner.job_role, competency=competency, level=level)


@pytest.fixture
def ann() -> Learner:
    return make_learner(job_role=make_job_role())


@pytest.fixture
def page(ann: Learner, client: Client) -> Client:
    client.force_login(make_user(Role.LEARNER, learner=ann))
    return client


def send(page: Client, do: str, **fields: Any) -> Any:
    return page.post(reverse("profile"), {"do": do, **fields}, follow=True)


def test_it_shows_what_the_role_asks_for_and_what_was_said(page: Client, ann: Learner) -> None:
    asked, held = make_competency(name="Lock-out"), make_competency(name="Welding")
    ask(ann, asked, level=4)
    make_baseline(learner=ann, competency=held, level=2, source="test", as_of=date(2026, 1, 2))
    make_baseline(learner=ann, competency=held, level=3, source="manager", as_of=date(2026, 2, 2))

    shown = page.get(URL).content.decode()

    assert "Your role asks for 4." in shown and "Nothing said yet" in shown
    assert "3: can do it alone" in shown and "The manager, 2 February 2026" in shown
    assert "2: can do it with help</span>" not in shown


def test_it_keeps_the_last_word_of_a_day_and_takes_it_back(page: Client, ann: Learner) -> None:
    welding = make_competency(name="Welding")
    make_baseline(learner=ann, competency=welding, source="test", level=1, as_of=date(2026, 1, 2))

    send(page, "level", competency=welding.pk, level=2)
    said = send(page, "level", competency=welding.pk, level=5)
    row = BaselineSkill.objects.get(source="self")
    assert (row.level, row.as_of) == (5, timezone.now().date())
    assert "Noted: Welding." in said.content.decode()

    send(page, "take_back", competency=welding.pk)
    assert [one.source for one in BaselineSkill.objects.all()] == ["test"]
    assert send(page, "take_back", competency=welding.pk).status_code == 404


def test_it_keeps_preferences(page: Client, ann: Learner) -> None:
    fields = {"channel": "card", "learning_format": "doing", "quiet_from": "12:00", "quiet_to": "13:30"}

    send(page, "preferences", **fields)

    wishes = Preferences.objects.get(learner=ann)
    assert (wishes.channel, wishes.learning_format) == ("card", "doing")
    assert wishes.quiet_hours == (time(12), time(13, 30))
    assert 'value="12:00"' in page.get(URL).content.decode()
    send(page, "preferences", channel="", learning_format="", quiet_from="", quiet_to="")
    wishes.refresh_from_db()
    assert wishes.quiet_hours is None


def test_it_sets_reaches_and_removes_goals(page: Client, ann: Learner) -> None:
    course = make_course(name="Safety")
    make_enrolment(learner=ann, course=course)

    shown = send(page, "goal", course=course.pk, by_date="2099-01-01", words="Run the shop")
    goal = Goal.objects.get()
    assert (goal.course, goal.words, goal.by_date) == (course, "Run the shop", date(2099, 1, 1))
    assert "Run the shop" in shown.content.decode()

    assert "Reached" in send(page, "reached", goal=goal.pk).content.decode()
    goal.refresh_from_db()
    assert goal.reached_at is not None
    send(page, "drop", goal=goal.pk)
    assert not Goal.objects.exists()


@pytest.mark.parametrize(
    ("do", "fields", "said"),
    [
        ("level", {"level": 3}, "This field is required."),
        ("level", {"competency": 0, "level": 9}, "Select a valid choice."),
        ("preferences", {"quiet_from": "12:00"}, "both a beginning and an end"),
        ("preferences", {"quiet_from": "12:00", "quiet_to": "12:00"}, "begin and end at the same time"),
        ("preferences", {"channel": "pigeon"}, "Select a valid choice."),
        ("goal", {"by_date": "2099-01-01"}, "Say what you want to reach"),
        ("goal", {"by_date": "2001-01-01", "words": "x"}, "Choose a day from today on."),
        ("goal", {"by_date": "2099-01-01", "words": "x" * 1001}, "at most 1000 characters"),
    ],
)
def test_it_says_what_is_wrong_and_changes_nothing(
    page: Client, do: str, fields: dict[str, Any], said: str
) -> None:
    answer = send(page, do, **fields)

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert (
        not BaselineSkill.objects.exists() and not Goal.objects.exists() and not Preferences.objects.exists()
    )


def test_it_stops_at_a_number_of_open_goals(page: Client, ann: Learner) -> None:
    for _ in range(profiles.MOST_GOALS):
        make_goal(learner=ann)

    answer = send(page, "goal", by_date="2099-01-01", words="one more")

    assert answer.status_code == 422 and "Finish or remove one first." in answer.content.decode()


def test_it_touches_nobody_else_s(page: Client) -> None:
    goal, other = make_goal(words="Secret wish"), make_baseline()
    elsewhere = make_course()

    assert send(page, "drop", goal=goal.pk).status_code == 404
    assert send(page, "reached", goal=goal.pk).status_code == 404
    assert send(page, "take_back", competency=other.competency_id).status_code == 404
    assert send(page, "goal", course=elsewhere.pk, by_date="2099-01-01").status_code == 422
    assert send(page, "nonsense").status_code == 404
    assert "Secret wish" not in page.get(URL).content.decode()
    assert Goal.objects.count() == BaselineSkill.objects.count() == 1


def test_it_is_for_learners_only(client: Client) -> None:
    client.force_login(make_user(Role.MANAGER))

    assert client.get(URL).status_code == 403
    assert client.delete(URL).status_code in (403, 405)


def test_it_answers_a_part_with_the_focus_where_it_belongs(page: Client) -> None:
    welding = make_competency()

    answer = page.post(
        URL, {"do": "level", "competency": welding.pk, "level": 2}, headers={"HX-Request": "true"}
    )

    shown = answer.content.decode()
    assert answer.status_code == 200 and "<html" not in shown and 'id="profile"' in shown
    assert "focusOn" in answer.headers["HX-Trigger-After-Settle"]


def test_it_uses_levels_only_of_those_who_allow_a_profile(page: Client, ann: Learner) -> None:
    welding = make_competency()
    ask(ann, welding, level=4)
    make_baseline(learner=ann, competency=welding, level=1)
    assert profiles.gaps(ann) == {welding: 3}
    assert BaselineSkill.objects.consenting().count() == 1

    record.withdraw(subject=ann.pk, scope=Scope.PROFILE, by=SYSTEM, now=NOW)

    assert profiles.gaps(ann) == {}
    assert not BaselineSkill.objects.consenting().exists()
    assert "used for nothing" in page.get(URL).content.decode()


def test_it_asks_the_database_as_often_for_many_as_for_few(
    page: Client, ann: Learner, django_assert_max_num_queries: Any
) -> None:
    for _ in range(10):
        make_baseline(learner=ann)
        make_goal(learner=ann, competency=make_competency())

    with django_assert_max_num_queries(18):
        page.get(URL)
