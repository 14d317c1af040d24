"""What the database promises about deciding: each promise is tested by breaking it."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model, ProtectedError

from interventions.models import (
    AlertSlot,
    Answer,
    Approval,
    Attempt,
    BusyPeriod,
    Decision,
    Delivery,
    Episode,
    Escalation,
    Hold,
    Lesson,
    LessonText,
    LessonVisit,
    ManagerAsk,
    MessageText,
    Outcome,
    Suppression,
)
from interventions.policy import store
from tests.guards.project import project_models
from tests.support.interventions import (
    NOW,
    make_approval,
    make_attempt,
    make_decision,
    make_delivery,
    make_enrolment,
    make_episode,
    make_escalation,
    make_help_request,
    make_lesson_visit,
    make_manager_ask,
    make_slot,
)
from tests.support.learners import make_unit
from tests.support.promises import Broken

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)


# Episodes and decisions


def test_it_has_one_open_episode_per_enrolment() -> None:
    episode = make_episode()

    with Broken("one_open_episode_per_enrolment"):
        make_episode(enrolment=episode.enrolment)


@pytest.mark.parametrize("change", [{"closed_at": NOW}, {"end": "recovered"}])
def test_it_closes_an_episode_for_a_reason(change: dict[str, Any]) -> None:
    episode = make_episode()

    with Broken("an_episode_closes_for_a_reason"):
        Episode.objects.filter(pk=episode.pk).update(**change)


def test_it_acts_once_per_step() -> None:
    decision = make_decision()

    with Broken("one_acting_decision_per_step"):
        make_decision(episode=decision.episode, action="coach")


def test_it_may_act_again_on_a_step_that_lapsed() -> None:
    decision = make_decision(lapsed_at=NOW)

    again = make_decision(episode=decision.episode)

    assert again.step == decision.step


@pytest.mark.parametrize("missing", ["episode", "step"])
def test_it_acts_within_an_episode(missing: str) -> None:
    episode = make_episode()

    with Broken("an_acting_decision_has_an_episode"):
        Decision.objects.create(
            enrolment=episode.enrolment,
            episode=None if missing == "episode" else episode,
            step=None if missing == "step" else 0,
            policy=store.live(),
            action="nudge",
            snapshot={},
            known_seq=1,
            at=NOW,
        )


@pytest.mark.parametrize("propensity", [0.0, 1.1])
def test_it_chooses_with_a_chance_between_0_and_1(propensity: float) -> None:
    with Broken("decision_propensity_is_a_positive_share"):
        make_decision(propensity=propensity)


@pytest.mark.parametrize(
    "change",
    [
        {"action": "lesson"},
        {"step": 5},
        {"known_seq": 2},
        {"eligible": ["x"]},
        {"propensity": 0.5},
        {"expected_value": 1.0},
        {"at": LATER},
        {"snapshot": {"impact": "critical"}},
        {"reasons": ["another"]},
        {"reasons": []},
    ],
    ids=str,
)
def test_it_never_changes_what_was_decided(change: dict[str, Any]) -> None:
    decision = make_decision()

    with Broken("a_decision_stays"):
        Decision.objects.filter(pk=decision.pk).update(**change)


def test_it_lets_a_decision_lapse_once() -> None:
    decision = make_decision()
    Decision.objects.filter(pk=decision.pk).update(lapsed_at=NOW)

    with Broken("a_decision_stays"):
        Decision.objects.filter(pk=decision.pk).update(lapsed_at=LATER)


def test_it_lets_erasure_take_what_a_decision_rested_on_and_not_bring_it_back() -> None:
    decision = make_decision()
    Decision.objects.filter(pk=decision.pk).update(snapshot=None, reasons=[])

    with Broken("a_decision_stays"):
        Decision.objects.filter(pk=decision.pk).update(snapshot={}, reasons=["again"])


# Approvals, attempts, escalations


@pytest.mark.parametrize("change", [{"state": "approved"}, {"answered_at": NOW}])
def test_it_knows_when_an_approval_was_answered(change: dict[str, Any]) -> None:
    approval = make_approval()

    with Broken("an_approval_is_answered_at_a_time"):
        Approval.objects.filter(pk=approval.pk).update(**change)


@pytest.mark.parametrize("change", [{"verdict": "improved"}, {"judged_at": NOW}])
def test_it_knows_when_an_attempt_was_judged(change: dict[str, Any]) -> None:
    attempt = make_attempt()

    with Broken("an_attempt_is_judged_at_a_time"):
        Attempt.objects.filter(pk=attempt.pk).update(**change)


def test_it_compares_an_attempt_with_its_verdict_by_key() -> None:
    # The key itself cannot be doubled, as the id alone is unique: it must exist for the proof to point at.
    keys = [constraint.name for constraint in Attempt._meta.constraints]

    assert "an_attempt_with_its_verdict" in keys


@pytest.mark.parametrize(
    "proof",
    [
        {"exemption": ""},
        {"exemption": "a_good_mood"},
        {"exemption": "contest", "attempt_verdict": "no_improvement"},
    ],
    ids=str,
)
def test_it_escalates_only_with_proof_or_a_named_exemption(proof: dict[str, Any]) -> None:
    episode = make_episode()
    decision = make_decision(episode=episode, action="coach")

    with Broken("an_escalation_proves_a_failed_attempt_or_names_an_exemption"):
        Escalation.objects.create(decision=decision, episode=episode, at=NOW, **proof)


@pytest.mark.parametrize(
    "fields", [{}, {"verdict": "improved", "judged_at": NOW}], ids=["pending", "improved"]
)
def test_it_takes_no_proof_from_an_attempt_that_has_not_failed(fields: dict[str, Any]) -> None:
    attempt = make_attempt(**fields)

    with Broken("an_escalation_proves_a_failed_attempt_or_names_an_exemption"):
        make_escalation(proof=attempt)
    with Broken("an_escalation_points_at_its_proof"):
        make_escalation(proof=attempt, attempt_verdict="no_improvement")


def test_it_takes_no_proof_from_another_episode() -> None:
    proof = make_attempt(failed=True)
    other = make_episode()
    decision = make_decision(episode=other, action="coach")

    with Broken("an_escalation_points_at_its_proof"):
        make_escalation(proof=proof, decision=decision, episode=other)


def test_it_never_changes_the_verdict_of_a_proof() -> None:
    proof = make_attempt(failed=True)
    make_escalation(proof=proof)
    connection.check_constraints()

    with Broken("an_escalation_points_at_its_proof"):
        Attempt.objects.filter(pk=proof.pk).update(verdict="improved")


def test_it_can_delete_an_episode_with_its_proof() -> None:
    proof = make_attempt(failed=True)
    make_escalation(proof=proof)

    proof.episode.delete()
    connection.check_constraints()

    assert not Escalation.objects.exists()


def test_it_keeps_one_open_request_of_a_kind() -> None:
    request = make_help_request()

    make_help_request(enrolment=request.enrolment, kind="contest")
    with Broken("one_open_request_of_a_kind"):
        make_help_request(enrolment=request.enrolment)


# The cap ledger


def test_it_refuses_a_third_alert_in_168_hours() -> None:
    first = make_slot()
    episode = first.decision.episode
    second = make_decision(episode=episode, step=1)
    third = make_decision(episode=episode, step=2)
    make_slot(decision=second, place=2, at=NOW + timedelta(hours=100))

    for place in (1, 2):
        with Broken("places_in_the_cap_ledger_never_overlap"):
            make_slot(decision=third, place=place, at=NOW + timedelta(hours=167, minutes=59))
    with Broken("places_are_two_to_a_learner_and_one_about"):
        make_slot(decision=third, place=3)

    assert make_slot(decision=third, place=1, at=NOW + timedelta(hours=168)).place == 1


def test_it_gives_a_released_place_to_somebody_else() -> None:
    slot = make_slot()
    AlertSlot.objects.filter(pk=slot.pk).update(state="released")

    again = make_slot(decision=make_decision(episode=slot.decision.episode, step=1))

    assert again.place == 1


def test_it_keeps_one_place_for_words_about_a_learner() -> None:
    decision = make_decision()

    with Broken("places_are_two_to_a_learner_and_one_about"):
        make_slot(decision=decision, kind="about", place=2)

    make_slot(decision=decision)
    make_slot(decision=decision, kind="about")
    with Broken("places_in_the_cap_ledger_never_overlap"):
        make_slot(decision=make_decision(episode=decision.episode, step=1), kind="about", at=LATER)


def test_it_takes_one_slot_for_an_alert() -> None:
    slot = make_slot()

    with Broken("an_alert_takes_one_slot"):
        make_slot(decision=slot.decision, place=2)


# Deliveries, suppressions, asks


def test_it_speaks_once_per_channel() -> None:
    delivery = make_delivery()

    with Broken("a_decision_speaks_once_per_channel"):
        make_delivery(decision=delivery.decision)


def test_it_knows_when_a_message_was_sent() -> None:
    delivery = make_delivery()

    with Broken("what_is_sent_was_sent_at_a_time"):
        Delivery.objects.filter(pk=delivery.pk).update(state="sent")


def test_it_sends_nothing_of_a_suppressed_decision() -> None:
    delivery = make_delivery()
    Suppression.objects.create(decision=delivery.decision, reason="consent", at=NOW)

    with Broken("sent_or_suppressed_never_both"):
        Delivery.objects.filter(pk=delivery.pk).update(state="sent", sent_at=NOW)
    with Broken("sent_or_suppressed_never_both"):
        make_delivery(decision=delivery.decision, channel="card", state="sent")


def test_it_suppresses_nothing_that_was_sent() -> None:
    delivery = make_delivery(state="sent")

    with Broken("sent_or_suppressed_never_both"):
        Suppression.objects.create(decision=delivery.decision, reason="cap", at=NOW)


def test_it_suppresses_for_one_primary_reason() -> None:
    decision = make_decision()
    Suppression.objects.create(decision=decision, reason="cap", at=NOW)

    with Broken("interventions_suppression_pkey"):
        Suppression.objects.create(decision=decision, reason="consent", at=NOW)


def test_it_has_three_places_for_open_asks() -> None:
    ask = make_manager_ask()

    with Broken("three_places_for_open_asks"):
        make_manager_ask(manager=ask.manager)
    make_manager_ask(manager=ask.manager, place=2)
    make_manager_ask(manager=ask.manager, place=3)
    with Broken("an_ask_has_one_of_three_places"):
        make_manager_ask(manager=ask.manager, place=4)


def test_it_gives_an_open_ask_a_place() -> None:
    ask = make_manager_ask()

    with Broken("an_open_ask_has_a_place"):
        ManagerAsk.objects.filter(pk=ask.pk).update(place=None)


def test_it_keeps_one_answer_and_one_outcome_of_a_measure() -> None:
    decision = make_decision()
    Answer.objects.create(decision=decision, kind="did_it", at=NOW)
    Outcome.objects.create(decision=decision, measure="recovered", value=1, at=NOW)

    with Broken("interventions_answer_pkey"):
        Answer.objects.create(decision=decision, kind="wrong", at=NOW)
    with Broken("one_outcome_per_decision_and_measure"):
        Outcome.objects.create(decision=decision, measure="recovered", value=0, at=NOW)


# The catalogue


def test_it_has_one_text_per_lesson_and_language() -> None:
    lesson = Lesson.objects.get(key="spotting-phishing")

    with Broken("one_text_per_lesson_and_language"):
        LessonText.objects.create(lesson=lesson, language="de", title="Noch einer", body="…", questions=[])


def test_it_has_one_message_per_key_language_and_variant() -> None:
    with Broken("one_message_per_key_language_and_variant"):
        MessageText.objects.create(key="nudge", language="en", version=2, subject="Again", body="…")


def test_it_keeps_a_version_of_a_message_once() -> None:
    with Broken("a_version_of_a_message_is_kept_once"):
        MessageText.objects.create(
            key="nudge", language="en", version=1, replaced_at=NOW, subject="Again", body="…"
        )


@pytest.mark.parametrize("score", [-0.1, 1.1])
def test_it_keeps_a_share_of_right_answers(score: float) -> None:
    visit = make_lesson_visit(learner=make_enrolment().learner)

    with Broken("lesson_score_is_a_share"):
        LessonVisit.objects.filter(pk=visit.pk).update(score=score)


def test_it_keeps_a_lesson_that_somebody_took() -> None:
    visit = make_lesson_visit(learner=make_enrolment().learner)

    with pytest.raises(ProtectedError):
        visit.lesson.delete()


# Holds and what competes


def busy(**fields: Any) -> BusyPeriod:
    made: dict[str, Any] = {"name": "Quarter close", "source": "admin", "declared_at": NOW}
    days = {"first_date": date(2026, 3, 2), "last_date": date(2026, 3, 6)}
    if "unit" not in fields:
        made["unit"] = make_unit()
    return BusyPeriod.objects.create(**{**made, **days, **fields})


def test_it_ends_a_busy_period_after_it_begins() -> None:
    with Broken("a_busy_period_ends_after_it_begins"):
        busy(last_date=date(2026, 3, 1))


def test_it_keeps_busy_periods_to_eight_weeks() -> None:
    busy(last_date=date(2026, 3, 2) + timedelta(days=55))

    with Broken("a_busy_period_lasts_eight_weeks_at_most"):
        busy(last_date=date(2026, 3, 2) + timedelta(days=56))


def test_it_reads_a_calendar_s_event_once() -> None:
    first = busy(calendar_uid="close@works.example")

    with Broken("a_calendar_s_event_is_read_once"):
        busy(unit=first.unit, calendar_uid="close@works.example")


def test_it_holds_for_a_known_reason_only() -> None:
    with Broken("a_hold_has_a_known_reason"):
        Hold.objects.create(decision=make_decision(), reason="mood", since=NOW, until=LATER)


def test_it_ends_a_hold_after_it_begins() -> None:
    with Broken("a_hold_ends_after_it_begins"):
        Hold.objects.create(decision=make_decision(), reason="leave", since=NOW, until=NOW)


def test_it_names_a_winner_only_for_what_was_outbid() -> None:
    with Broken("only_what_was_outbid_lost_to_another"):
        Suppression.objects.create(decision=make_decision(), reason="cap", at=NOW, lost_to=make_decision())


@pytest.mark.parametrize("sides", [{"comparison": "nudge-1"}, {"arm": "treated"}])
def test_it_compares_on_one_of_two_sides(sides: dict[str, str]) -> None:
    with Broken("a_comparison_has_two_arms"):
        Outcome.objects.create(decision=make_decision(), measure="recovered_14d", value=1.0, at=NOW, **sides)


def test_it_breaks_every_promise_that_a_model_makes() -> None:
    """A new constraint needs a test here, or in test_policy_constraints, that breaks it."""
    models: list[type[Model]] = [m for m in project_models() if m._meta.app_label == "interventions"]
    promises = {constraint.name for model in models for constraint in model._meta.constraints}

    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*constraints.py"))

    assert {name for name in promises if f'"{name}"' not in text} == set()
