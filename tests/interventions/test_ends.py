"""What ends with its episode: nobody is asked any more, and whatever reached nobody says why."""

from datetime import timedelta

import pytest

from interventions import asks, route
from interventions.models import Escalation, ManagerAsk, Suppression
from tests.support.interventions import (
    NOW,
    make_attempt,
    make_delivery,
    make_escalation,
    make_manager_ask,
)

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)


def handed_over() -> Escalation:
    """A coach is to take over after a message that went out and changed nothing."""
    proof = make_attempt(failed=True)
    make_delivery(decision=proof.decision, state="sent")
    return make_escalation(proof=proof)


@pytest.mark.parametrize("answer", ["open", "accepted", "snoozed"])
@pytest.mark.parametrize("end", ["recovered", "course_ended", "expired", "consent", "settled"])
def test_a_manager_is_not_asked_about_what_is_over(answer: str, end: str) -> None:
    ask = make_manager_ask()
    if answer == "accepted":
        asks.accept(ask=ask, version=1, now=NOW)
    elif answer == "snoozed":
        asks.not_now(ask=ask, version=1, until=NOW + timedelta(days=2), now=NOW)
    ask.refresh_from_db()
    assert ask.decision.episode_id is not None

    route.end_episodes(episode_ids=[ask.decision.episode_id], end=end, now=LATER)

    assert asks.reopen(now=NOW + timedelta(days=3)) == 0
    now = ManagerAsk.objects.get()
    assert (now.state, now.place, now.snoozed_until) == ("withdrawn", None, None)
    with pytest.raises(asks.StaleVersion):  # on a page that was opened before
        asks.done(ask=now, version=ask.version, now=LATER)


def test_what_the_manager_has_answered_stays_as_they_answered_it() -> None:
    ask = make_manager_ask()
    asks.done(ask=ask, version=1, now=NOW)
    assert ask.decision.episode_id is not None

    route.end_episodes(episode_ids=[ask.decision.episode_id], end="recovered", now=LATER)

    assert ManagerAsk.objects.get().state == "done"


@pytest.mark.parametrize(
    ("end", "reason"), [("course_ended", "course_ended"), ("consent", "consent"), ("expired", "expired")]
)
def test_what_no_coach_has_seen_says_why_it_reached_nobody(end: str, reason: str) -> None:
    escalation = handed_over()

    route.end_episodes(episode_ids=[escalation.episode_id], end=end, now=LATER)

    assert Suppression.objects.get().decision_id == escalation.decision_id
    assert Suppression.objects.get().reason == reason


def test_what_a_coach_has_in_hand_stays_as_it_is() -> None:
    escalation = handed_over()
    Escalation.objects.update(collected_at=NOW)

    route.end_episodes(episode_ids=[escalation.episode_id], end="course_ended", now=LATER)

    assert not Suppression.objects.exists()
