"""Words and reasons go when their purpose's period is over; the bare rows stay."""

from datetime import timedelta

import pytest

from consent.scopes import Scope
from interventions.expiry import expire
from interventions.models import Decision, Delivery, HelpRequest, LessonVisit, ManagerAsk
from tests.support.interventions import (
    NOW,
    make_decision,
    make_delivery,
    make_help_request,
    make_lesson_visit,
    make_manager_ask,
)

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=400)


def run(scope: Scope, *, before: object = LATER) -> dict[str, tuple[int, int]]:
    """Takes every step; store → rows and people."""
    steps = expire(scope, before, now=LATER)  # type: ignore[arg-type]
    for step in steps:
        step.remove()
    return {step.store: (step.rows, step.people) for step in steps}


def test_messages_lose_their_words_and_are_counted_once() -> None:
    sent = make_delivery(state="sent")
    waiting = make_delivery()
    make_lesson_visit(learner=sent.learner)

    assert run(Scope.NUDGE, before=NOW - timedelta(days=1)) == {}
    assert run(Scope.NUDGE) == {"deliveries": (1, 1), "lesson_visits": (1, 1)}

    sent.refresh_from_db()
    waiting.refresh_from_db()
    assert (sent.body, sent.subject, sent.state) == ("", "", "sent")
    assert waiting.body
    assert not LessonVisit.objects.exists()
    assert run(Scope.NUDGE) == {}
    assert Delivery.objects.count() == 2


def test_decisions_lose_what_they_rested_on() -> None:
    decision = make_decision()

    assert run(Scope.PROFILE) == {"decisions": (1, 1)}

    decision.refresh_from_db()
    assert (decision.snapshot, decision.reasons) == (None, [])
    assert run(Scope.PROFILE) == {}
    assert Decision.objects.count() == 1


def test_answered_asks_and_requests_lose_their_words() -> None:
    make_manager_ask(note="a word")
    answered = make_manager_ask(note="done", state="done", place=None, answered_at=NOW)
    make_help_request(text="please")
    helped = make_help_request(text="thanks", answered_at=NOW)

    assert run(Scope.MANAGER) == {"manager_asks": (1, 1)}
    assert run(Scope.COACH) == {"help_requests": (1, 1)}

    assert ManagerAsk.objects.get(pk=answered.pk).note == ""
    assert HelpRequest.objects.get(pk=helped.pk).text == ""
    assert {ask.note for ask in ManagerAsk.objects.all()} == {"a word", ""}
    assert {request.text for request in HelpRequest.objects.all()} == {"please", ""}


@pytest.mark.parametrize("scope", [Scope.RECORD, Scope.EXPERIMENT, Scope.RESEARCH])
def test_other_purposes_keep_nothing_here(scope: Scope) -> None:
    make_delivery(state="sent")

    assert expire(scope, LATER, now=LATER) == []
