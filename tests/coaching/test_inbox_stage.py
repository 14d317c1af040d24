"""Stage 7b: cases open once, come back, and close by themselves."""

from datetime import timedelta

import pytest

from coaching import casework, inbox
from coaching.models import Case
from consent import record
from consent.actors import SYSTEM
from consent.scopes import Scope
from interventions.models import Approval, Episode, Escalation, Suppression
from tests.support.coaching import (
    NOW,
    make_approval_case,
    make_circle,
    make_decision,
    make_escalation,
    make_escalation_case,
)

pytestmark = pytest.mark.django_db


def test_it_opens_a_case_for_a_step_that_waits() -> None:
    circle = make_circle()
    decision = make_decision(circle.enrolment)
    Approval.objects.create(decision=decision, asked_at=NOW)

    assert inbox.collect(now=NOW) == 1

    case = Case.objects.get()
    assert (case.decision, case.assignee, case.is_escalation) == (decision, circle.coach, False)
    assert case.due_at == NOW + timedelta(hours=24)


def test_it_collects_twice_without_a_second_case() -> None:
    make_approval_case(make_circle())

    assert inbox.collect(now=NOW) == 0
    assert Case.objects.count() == 1


def test_it_turns_an_open_approval_case_into_the_escalation() -> None:
    circle = make_circle()
    case = make_approval_case(circle)
    decision = make_decision(circle.enrolment, action="coach", step=1, reasons=["learner_asked"])
    Escalation.objects.create(decision=decision, episode=case.episode, exemption="learner_asked", at=NOW)

    inbox.collect(now=NOW)

    upgraded = Case.objects.get()
    assert upgraded.pk == case.pk
    assert (upgraded.is_escalation, upgraded.version, upgraded.decision) == (True, 2, decision)


def test_it_leaves_word_to_a_manager_for_approval() -> None:
    circle = make_circle()
    decision = make_escalation(circle, action="manager").decision
    Approval.objects.create(decision=decision, asked_at=NOW)

    inbox.collect(now=NOW)

    assert Case.objects.get().is_escalation is False


def test_it_gives_an_escalation_eight_working_hours() -> None:
    case = make_escalation_case(make_circle())

    assert case.due_at == NOW + timedelta(days=1)  # seven hours on Monday, one on Tuesday


def test_it_brings_back_what_was_snoozed() -> None:
    circle = make_circle()
    case = make_approval_case(circle)
    casework.snooze(case=case, until=NOW + timedelta(hours=5), by=circle.coach.pk, version=1, now=NOW)

    inbox.collect(now=NOW + timedelta(hours=4))
    assert Case.objects.get().state == Case.State.SNOOZED

    inbox.collect(now=NOW + timedelta(hours=5))
    assert Case.objects.get().state == Case.State.OPEN


def test_it_closes_a_case_whose_approval_lapsed() -> None:
    case = make_approval_case(make_circle())
    Approval.objects.filter(pk=case.decision_id).update(state="lapsed", answered_at=NOW)

    inbox.collect(now=NOW)

    assert Case.objects.get().state == Case.State.CLOSED


def test_it_closes_a_case_whose_episode_ended() -> None:
    case = make_escalation_case(make_circle())
    Episode.objects.filter(pk=case.episode_id).update(closed_at=NOW, end="recovered")

    inbox.collect(now=NOW)

    assert Case.objects.get().state == Case.State.CLOSED


def test_it_opens_nothing_about_somebody_who_refuses_coaches() -> None:
    circle = make_circle()
    record.withdraw(subject=circle.learner.pk, scope=Scope.COACH, by=SYSTEM, now=NOW)
    escalation = make_escalation(circle)

    inbox.collect(now=NOW)

    assert not Case.objects.exists()
    assert not Escalation.objects.filter(collected_at__isnull=True).exists()
    assert Suppression.objects.get(decision=escalation.decision).reason == "consent"
    assert Episode.objects.get().end == Episode.End.CONSENT


def test_it_hears_somebody_who_asks_though_they_refused_coaches_before() -> None:
    circle = make_circle()
    record.withdraw(subject=circle.learner.pk, scope=Scope.COACH, by=SYSTEM, now=NOW)
    decision = make_decision(circle.enrolment, action="coach", reasons=["learner_asked"])
    Escalation.objects.create(
        decision=decision, episode_id=decision.episode_id, exemption="learner_asked", at=NOW
    )  # type: ignore[misc]

    inbox.collect(now=NOW)

    assert Case.objects.visible_to(circle.coach, now=NOW).count() == 1


def test_it_closes_cases_when_the_learner_refuses_coaches() -> None:
    circle = make_circle()
    make_escalation_case(circle)

    record.withdraw(subject=circle.learner.pk, scope=Scope.COACH, by=SYSTEM, now=NOW)

    assert Case.objects.get().state == Case.State.CLOSED
    assert Episode.objects.get().end == Episode.End.CONSENT


@pytest.mark.parametrize(
    ("scope", "action", "closes"),
    [
        (Scope.NUDGE, "nudge", True),
        (Scope.NUDGE, "manager", False),
        (Scope.MANAGER, "manager", True),
        (Scope.MANAGER, "lesson", False),
        (Scope.PROFILE, "nudge", True),
        (Scope.RESEARCH, "nudge", False),
    ],
)
def test_it_closes_what_waits_for_an_approval_that_nobody_may_give_any_more(
    scope: Scope, action: str, closes: bool
) -> None:
    circle = make_circle()
    record.grant(subject=circle.learner.pk, scope=scope, by=SYSTEM, now=NOW)
    case = make_approval_case(circle, action=action)

    record.withdraw(subject=circle.learner.pk, scope=scope, by=SYSTEM, now=NOW)

    case.refresh_from_db()
    assert (case.state == Case.State.CLOSED) is closes
