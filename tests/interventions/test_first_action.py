"""How soon we act: what counts, what is late and the one reason why."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from time_machine import travel

from interventions import first_action
from interventions.models import Approval, Attempt, Decision, Episode, Suppression
from interventions.policy import store
from learners.models import Role
from tests.support.interventions import make_decision, make_enrolment, make_episode
from tests.support.learners import make_user

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 20, 10, tzinfo=UTC)
SIGNAL = NOW - timedelta(days=10)


def episode(*, opened_after: float = 1, **fields: Any) -> Episode:
    return make_episode(signal_at=SIGNAL, opened_at=SIGNAL + timedelta(hours=opened_after), **fields)


def acted(found: Episode, *, after: float) -> Decision:
    """A nudge that reached the learner so many hours after the signal."""
    decision = make_decision(episode=found, at=found.opened_at + timedelta(minutes=1))
    at = SIGNAL + timedelta(hours=after)
    Attempt.objects.create(
        decision=decision, episode=found, reached_at=at, window_ends_at=at + timedelta(hours=72)
    )
    return decision


def why() -> list[str]:
    return [one.why for one in first_action.measure(now=NOW).late]


def test_it_counts_what_came_within_48_hours_as_in_time() -> None:
    acted(episode(), after=48)
    acted(episode(), after=48.1)

    found = first_action.measure(now=NOW)

    assert (found.in_time, found.counted) == (1, 2)
    assert found.median_hours == pytest.approx(48.05)


def test_it_takes_the_policy_s_window_for_role_and_course() -> None:
    draft = store.draft_from_live(by=None, now=NOW, changes={"first_action.standard": 24})
    store.go_live(policy=draft, by=None, now=NOW, reason="Sooner")
    acted(episode(), after=30)

    assert first_action.measure(now=NOW).in_time == 0


def test_it_leaves_out_what_is_within_its_window_or_got_better_in_it() -> None:
    make_episode(signal_at=NOW - timedelta(hours=47), opened_at=NOW - timedelta(hours=46))
    episode(closed_at=SIGNAL + timedelta(hours=20), end="recovered")

    assert first_action.measure(now=NOW).counted == 0


def test_it_counts_what_was_never_done() -> None:
    episode(closed_at=SIGNAL + timedelta(days=5), end="expired")

    assert first_action.measure(now=NOW).late[0].acted_at is None


def test_it_says_that_a_person_was_late() -> None:
    decision = acted(episode(), after=60)
    Approval.objects.create(
        decision=decision,
        state="approved",
        asked_at=SIGNAL,
        answered_at=SIGNAL + timedelta(hours=59),
        answered_by=make_user().pk,
    )

    assert why() == ["approval"]


def test_it_says_why_the_first_step_did_not_go_out() -> None:
    found = episode()
    decision = make_decision(episode=found, at=found.opened_at)
    Suppression.objects.create(decision=decision, reason="cap", at=found.opened_at)
    Decision.objects.filter(pk=decision.pk).update(lapsed_at=found.opened_at)
    acted(found, after=80)

    assert why() == ["cap"]


def test_it_says_what_kept_it_from_being_begun() -> None:
    enrolment = make_enrolment()
    Decision.objects.create(
        enrolment=enrolment,
        policy=store.live(),
        action="monitor",
        reasons=["busy_week:Quarter close"],
        known_seq=1,
        at=SIGNAL + timedelta(hours=1),
        snapshot={},
    )
    acted(episode(enrolment=enrolment, opened_after=70), after=71)
    acted(episode(opened_after=70), after=71)

    assert sorted(why()) == ["busy_week", "known_late"]


def test_it_says_that_it_waited_for_a_better_hour() -> None:
    acted(episode(), after=60)

    assert why() == ["quiet_hours"]


def test_it_asks_the_database_equally_often(django_assert_max_num_queries: Any) -> None:
    for _ in range(6):
        acted(episode(opened_after=70), after=80)

    with django_assert_max_num_queries(4):
        assert len(first_action.measure(now=NOW).late) == 6


def test_every_reason_of_a_suppression_has_its_words() -> None:
    silent = {"recovered", "course_ended"}  # these end the episode: nothing was due any more

    assert {reason.value for reason in Suppression.Reason} - silent <= set(first_action.WHY)


def test_its_command_prints_the_figure_and_each_breach() -> None:
    acted(episode(), after=60)
    plain, as_json = StringIO(), StringIO()

    with travel(NOW, tick=False):
        call_command("first_action", stdout=plain)
        call_command("first_action", "--json", stdout=as_json)

    assert "0 of 1 first actions in time (0%)" in plain.getvalue()
    assert json.loads(as_json.getvalue())["late"][0]["why"] == "quiet_hours"


def test_its_figure_is_on_the_quality_page_with_its_definition(client: Client) -> None:
    acted(episode(), after=60)
    client.force_login(make_user(Role.ADMIN))

    with travel(NOW, tick=False):
        page = client.get("/quality/").content.decode()

    assert "0 of 1" in page
    assert "1 late: It waited for an hour that does not disturb." in page
    assert "A first action is the first message" in page
