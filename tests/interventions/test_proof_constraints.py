"""What the database promises about proof: no attempt fails early, and no manager is asked without it."""

from datetime import timedelta
from uuid import uuid4

import pytest

from interventions.models import Attempt, Decision, ManagerAsk
from tests.support.interventions import (
    NOW,
    make_admin,
    make_approval,
    make_attempt,
    make_decision,
    make_escalation,
)
from tests.support.promises import Broken

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)


def test_it_lets_no_attempt_fail_before_its_window_has_closed() -> None:
    attempt = make_attempt()

    with Broken("an_attempt_has_its_whole_window_before_it_fails"):
        Attempt.objects.filter(pk=attempt.pk).update(verdict="no_improvement", judged_at=LATER)


@pytest.mark.parametrize("what", ["attempt", "escalation"])
def test_it_keeps_what_follows_a_decision_in_its_episode(what: str) -> None:
    proof, other = make_attempt(failed=True), make_decision(action="coach")

    with Broken("what_follows_a_decision_is_of_its_episode"):
        if what == "attempt":
            make_attempt(decision=other, episode=proof.episode)
        else:  # the coach would take over somebody else's trouble on this proof
            make_escalation(proof=proof, decision=other)


def test_it_asks_a_manager_on_proof_only() -> None:
    decision = make_decision(action="manager")
    make_approval(decision=decision, state="approved", answered_at=NOW, answered_by=uuid4())

    with Broken("a_manager_is_asked_on_proof"):
        raw_ask(decision)


@pytest.mark.parametrize("answer", [None, "waiting", "declined", "lapsed", "changed", "by_nobody"])
def test_it_asks_a_manager_only_after_a_person_has_said_yes(answer: str | None) -> None:
    proof = make_attempt(failed=True)
    decision = make_decision(episode=proof.episode, step=1, action="manager")
    make_escalation(proof=proof, decision=decision)
    if answer == "by_nobody":
        make_approval(decision=decision, state="approved", answered_at=NOW)
    elif answer is not None:
        answered = None if answer == "waiting" else NOW
        make_approval(decision=decision, state=answer, answered_at=answered, answered_by=uuid4())

    with Broken("a_manager_is_asked_after_a_yes"):
        raw_ask(decision)


def raw_ask(decision: Decision) -> None:
    ManagerAsk.objects.create(
        decision=decision, enrolment=decision.enrolment, manager=make_admin(), place=1, asked_at=NOW
    )
