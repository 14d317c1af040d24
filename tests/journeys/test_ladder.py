"""From one statement up the whole ladder to a coach's verdict, and down again to a label."""

from datetime import timedelta

import pytest

from coaching.models import Case
from interventions import approvals, episodes
from interventions.models import (
    Approval,
    Attempt,
    Decision,
    Delivery,
    Episode,
    Escalation,
    ManagerAsk,
    Outcome,
    Suppression,
)
from learners.models import Preferences
from learners.zones import zone_of
from signals.models import Event, Label, Risk
from tests.support.journey import Journey

pytestmark = pytest.mark.django_db


def say_yes(journey: Journey) -> Decision:
    approval = Approval.objects.select_related("decision__enrolment__course", "decision__episode").get(
        state="waiting"
    )
    approvals.approve(decision=approval.decision, by=journey.coach.pk, now=journey.now)
    return approval.decision


def test_it_turns_a_statement_into_an_event_and_a_risk() -> None:
    journey = Journey()

    journey.does("scored", score={"scaled": 0.4}, success=False)
    journey.tick(minutes=1)

    assert Event.objects.get().enrolment_id == journey.enrolment.pk
    risk = Risk.objects.get()
    assert risk.value == pytest.approx((0.5 * 0.6 + 0.2) / 1.0, abs=0.01)
    assert risk.coverage == 1.0


def test_it_asks_a_human_before_the_first_nudge_and_then_shows_it() -> None:
    journey = Journey()
    journey.does()
    journey.tick(minutes=1)

    journey.tick(days=8)
    decision = say_yes(journey)
    journey.tick(minutes=1)

    assert decision.action == "nudge"
    assert {d.channel for d in Delivery.objects.filter(state="sent")} == {"card", "email"}


def test_it_writes_no_mail_to_somebody_who_wants_their_page_only() -> None:
    journey = Journey()
    Preferences.objects.create(learner=journey.enrolment.learner, channel="card", changed_at=journey.now)
    journey.does()
    journey.tick(minutes=1)

    journey.tick(days=8)
    say_yes(journey)
    journey.tick(minutes=1)

    assert {d.channel for d in Delivery.objects.filter(state="sent")} == {"card"}


def test_it_holds_a_nudge_through_the_learner_s_own_quiet_hours() -> None:
    journey = Journey()
    journey.does()
    journey.tick(minutes=1)
    journey.tick(days=8)
    say_yes(journey)
    clock = journey.now.astimezone(zone_of(journey.enrolment.learner))
    Preferences.objects.create(
        learner=journey.enrolment.learner,
        quiet_from=(clock - timedelta(minutes=30)).time(),
        quiet_to=(clock + timedelta(hours=1)).time(),
        changed_at=journey.now,
    )

    journey.tick(minutes=1)
    assert not Delivery.objects.filter(state="sent").exists()
    journey.tick(hours=1)
    assert Delivery.objects.filter(state="sent").exists()


def test_it_climbs_from_nudge_to_lesson_to_manager_only_when_nothing_helped() -> None:
    journey = Journey()
    journey.does()
    journey.tick(minutes=1)
    acted = []
    for _ in range(3):
        for _ in range(20):
            journey.tick(days=1)
            if Approval.objects.filter(state="waiting").exists():
                break
        acted.append(say_yes(journey).action)
        journey.tick(minutes=1)

    assert acted == ["nudge", "lesson", "manager"]
    escalation = Escalation.objects.get()
    assert escalation.attempt is not None
    assert escalation.attempt.verdict == Attempt.Verdict.NO_IMPROVEMENT
    assert journey.manager.asks.get().place == 1


def test_it_hands_high_risk_to_a_coach_with_proof_and_learns_from_the_verdict() -> None:
    journey = Journey()
    began = journey.now
    journey.tick(days=6)
    # Marks that come back late: five failed tests of the first day, and nothing since.
    journey.send(
        *(
            journey.statement(
                "scored", at=began + timedelta(hours=hour), score={"scaled": 0.0}, success=False
            )
            for hour in range(5)
        )
    )
    journey.tick(days=1)
    first = say_yes(journey)
    journey.tick(minutes=1)
    assert first.action == "lesson_nudge"
    assert first.lesson is not None

    journey.tick(hours=49)

    case = Case.objects.get(state="open")
    assert case.is_escalation
    proof = Escalation.objects.get().attempt
    assert proof is not None and proof.decision_id == first.pk
    episodes.settle(episode=case.episode, recovered=True, now=journey.now)
    journey.tick(days=15)
    assert Outcome.objects.get(decision=first, measure="recovered_14d").value == 1.0
    label = Label.objects.get(definition="recovered_14d@1", treated=True)
    assert label.value is True
    assert Case.objects.get(pk=case.pk).state == "closed"


def test_it_closes_the_episode_when_the_learner_comes_back() -> None:
    journey = Journey()
    journey.does()
    journey.tick(days=8)
    say_yes(journey)
    journey.tick(minutes=1)

    journey.now = journey.now.replace(hour=11)
    journey.does()
    journey.tick(minutes=5)

    assert Episode.objects.get().end == "recovered"


def test_it_does_not_send_what_a_human_declined() -> None:
    journey = Journey()
    journey.does()
    journey.tick(days=8)
    decision = Approval.objects.get(state="waiting").decision

    approvals.decline(decision=decision, by=journey.coach.pk, now=journey.now)
    journey.tick(days=3)

    assert Suppression.objects.get(decision=decision).reason == "declined"
    assert not Delivery.objects.exists()
    assert not Approval.objects.filter(state="waiting").exists()


def test_a_coach_takes_over_from_a_manager_who_says_nothing() -> None:
    journey = Journey()
    journey.does()
    journey.tick(minutes=1)
    for _ in range(3):
        for _ in range(20):
            journey.tick(days=1)
            if Approval.objects.filter(state="waiting").exists():
                break
        say_yes(journey)
        journey.tick(minutes=1)
    ask = ManagerAsk.objects.get()
    assert ask.state == "open"

    for _ in range(8):
        journey.tick(days=1)

    ask.refresh_from_db()
    assert (ask.state, ask.place) == ("withdrawn", None)
    decision = Decision.objects.get(action="coach")
    assert decision.step == (ask.decision.step or 0) + 1
    assert Escalation.objects.get(decision=decision).attempt is not None
    assert Case.objects.get(decision=decision).state == "open"
