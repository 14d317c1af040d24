"""The story of an episode: every kind of row that concerns it is told, in order and in words."""

from datetime import timedelta
from typing import Any

import pytest

from coaching import casework, inbox
from coaching.models import Case
from coaching.timeline import Entry, timeline
from coaching.wording import MEASURED, PROOF, WHERE
from interventions import asks, outcomes
from interventions.models import (
    Answer,
    Decision,
    Delivery,
    Episode,
    Escalation,
    HelpRequest,
    Hold,
    ManagerAsk,
    Outcome,
    Suppression,
)
from signals.models import SecondLook
from tests.support.coaching import (
    NOW,
    make_approval_case,
    make_ask,
    make_circle,
    make_decision,
    make_escalation_case,
)

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def told(decision: Decision) -> list[Entry]:
    """The story so far; a row that says nothing would be a hole in it."""
    entries = timeline(Episode.objects.get(decisions=decision))
    assert entries == sorted(entries, key=lambda entry: entry.at)
    return entries


def titles(decision: Decision) -> list[str]:
    return [entry.title for entry in told(decision)]


def text_of(decision: Decision, title: str) -> str:
    return next(entry.text for entry in told(decision) if entry.title == title)


def deliver(decision: Decision, **fields: Any) -> Delivery:
    made: dict[str, Any] = {
        "decision": decision,
        "learner": decision.enrolment.learner,
        "channel": "email",
        "subject": "A lesson",
        "body": "Five minutes.",
        "due_at": NOW,
        "expires_at": NOW + 72 * HOUR,
        "state": "sent",
        "sent_at": NOW + HOUR,
    }
    return Delivery.objects.create(**{**made, **fields})


@pytest.fixture
def decision() -> Decision:
    return make_decision(make_circle().enrolment)


@pytest.mark.parametrize("channel", Delivery.Channel.values)
def test_it_names_the_channel(decision: Decision, channel: str) -> None:
    deliver(decision, channel=channel)

    assert f"Delivered {WHERE[channel]}" in titles(decision)


def test_it_tells_what_could_not_be_delivered_and_what_came_back(decision: Decision) -> None:
    deliver(decision, channel="slack", state="failed", sent_at=None, claimed_at=NOW + HOUR)
    deliver(decision, state="failed")

    assert text_of(decision, "Could not be delivered by Slack") == "The channel refused it for good."
    assert text_of(decision, "Could not be delivered by e-mail") == "It came back."


@pytest.mark.parametrize("reason", Suppression.Reason)
def test_it_tells_why_nothing_was_sent(decision: Decision, reason: Suppression.Reason) -> None:
    Suppression.objects.create(decision=decision, reason=reason, at=NOW + HOUR)

    assert text_of(decision, "Not sent") == f"{reason.label}."


def test_it_tells_what_took_the_last_place(decision: Decision) -> None:
    winner = make_decision(make_circle().enrolment, action="lesson")
    Suppression.objects.create(decision=decision, reason="outbid", at=NOW, lost_to=winner)

    assert text_of(decision, "Not sent").endswith(f": a micro-lesson, {winner.enrolment.course.name}.")


def test_it_tells_what_held_it(decision: Decision) -> None:
    Hold.objects.create(
        decision=decision, reason="busy_week", name="Quarter close", since=NOW, until=NOW + 24 * HOUR
    )

    assert any(
        entry.title.startswith("Held until") and entry.text == "Quarter close." for entry in told(decision)
    )


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("by_itself", "This route goes out by itself."),
        ("asked_after_a_no", "Nobody said yes to this before, so a person is asked again."),
    ],
)
def test_it_tells_who_looked_at_it_first(reason: str, says: str) -> None:
    decision = make_decision(make_circle().enrolment, reasons=["matrix:standard:medium:0", reason])

    assert text_of(decision, "Chose a nudge") == says


def test_it_keeps_what_the_learner_answered_apart_from_whether_it_helped(decision: Decision) -> None:
    Answer.objects.create(decision=decision, kind="not_now", helped=True, at=NOW + HOUR)

    assert text_of(decision, "The learner answered: Not now") == "The step helped."


@pytest.mark.parametrize("exemption", Escalation.Exemption.values)
def test_it_tells_on_what_a_person_takes_over(exemption: str) -> None:
    decision = make_decision(make_circle().enrolment, action="coach")
    assert decision.episode is not None
    Escalation.objects.create(decision=decision, episode=decision.episode, exemption=exemption, at=NOW)

    assert text_of(decision, "Handed to a person") == PROOF[exemption]


def test_it_tells_that_a_manager_was_asked_on_proof_and_what_became_of_it() -> None:
    ask = make_ask(make_circle())
    asks.not_now(ask=ask, version=1, until=NOW + 48 * HOUR, now=NOW + HOUR)

    assert text_of(ask.decision, "Suggested a word from the manager").startswith("Proof: ")
    assert text_of(ask.decision, "The manager answered: Not now").startswith("Back on ")
    asks.reopen(now=NOW + 48 * HOUR)
    assert text_of(ask.decision, "The manager answered: Not now") == "It is before them again."
    asks.done(ask=ask, version=3, now=NOW + 50 * HOUR, action_helped=False)
    assert text_of(ask.decision, "The manager answered: Done") == "The step did not help."
    ManagerAsk.objects.update(state="withdrawn")
    assert "No longer asked of the manager" in titles(ask.decision)


def test_it_tells_what_coaches_decided_and_keeps_the_flag_apart_from_the_step() -> None:
    circle = make_circle()
    case = make_escalation_case(circle)
    casework.accept(case=case, by=circle.coach.pk, version=1, now=NOW + HOUR)
    casework.close(
        case=case,
        by=circle.coach.pk,
        version=2,
        now=NOW + 2 * HOUR,
        flag_was_right=False,
        action_helped=True,
        recovered=False,
    )

    assert text_of(case.decision, "Brought to a coach") == "Coach of this learner already."
    assert "A coach: took it on" in titles(case.decision)
    assert text_of(case.decision, "A coach: closed") == "Help was not needed. The step helped."
    assert titles(case.decision)[-1] == "Ended: a person says that help was not needed"


def test_it_tells_that_a_case_was_handed_on_and_that_two_are_not_to_meet() -> None:
    circle = make_circle()
    case = make_escalation_case(circle)
    casework.step_back(case=case, by=circle.coach.pk, version=1, now=NOW + HOUR)

    assert "A coach: not this person" in titles(case.decision)


def test_it_tells_of_another_route_once_and_by_whom() -> None:
    circle = make_circle()
    case = make_approval_case(circle)
    casework.change_route(case=case, action="lesson", by=circle.coach.pk, version=1, now=NOW + HOUR)

    said = titles(case.decision)
    assert "A person chose a micro-lesson instead" in said
    assert "Approved by a person" not in said
    assert text_of(case.decision, "Not sent") == "A person chose another route."


def test_it_tells_who_asked_meanwhile_and_who_looked_once_more(decision: Decision) -> None:
    HelpRequest.objects.create(enrolment=decision.enrolment, kind="help", asked_at=NOW + HOUR)
    SecondLook.objects.create(
        enrolment=decision.enrolment,
        kind="audit",
        chance=0.1,
        asked_at=NOW + HOUR,
        answer="needs_help",
        answered_by=make_circle().coach.pk,
        answered_at=NOW + 2 * HOUR,
    )

    assert "The learner asked for help" in titles(decision)
    assert "A second look: needs help" in titles(decision)


@pytest.mark.parametrize(("value", "says"), [(1.0, "Yes."), (0.0, "No."), (None, "Not known.")])
def test_it_tells_what_was_measured(decision: Decision, value: float | None, says: str) -> None:
    assert set(MEASURED) == set(outcomes.HORIZONS)
    for measure in outcomes.HORIZONS:
        Outcome.objects.create(decision=decision, measure=measure, value=value, at=NOW + 72 * HOUR)

    for words in MEASURED.values():
        assert text_of(decision, f"Measured: {words}") == says


def test_it_tells_whether_a_step_changed_anything() -> None:
    case = make_escalation_case(make_circle())

    assert text_of(case.decision, "No change") == "No improvement when its window closed."


def test_it_asks_as_often_for_many_steps_as_for_one(
    decision: Decision, django_assert_max_num_queries: Any
) -> None:
    assert decision.episode is not None
    for step in range(1, 6):
        later = make_decision(decision.enrolment, episode=decision.episode, step=step, now=NOW + step * HOUR)
        deliver(later)
    inbox.collect(now=NOW)
    assert not Case.objects.exists()

    with django_assert_max_num_queries(8):
        timeline(decision.episode)
