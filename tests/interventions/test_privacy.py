"""One learner's data in deciding: exported whole, erased to the bare evidence, stopped by a word."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from consent.scopes import Scope
from interventions import asks, privacy, reachability
from interventions.models import (
    AlertSlot,
    Answer,
    Approval,
    Decision,
    Delivery,
    Episode,
    HelpRequest,
    LessonVisit,
    ManagerAsk,
    Outcome,
    PlatformEnrolment,
    Suppression,
    Watch,
)
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
    make_webhook_message,
)

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)


def learner_of(decision: Decision) -> UUID:
    return decision.enrolment.learner_id


def queued() -> Decision:
    """An approved nudge that waits to go out: two channels and its place in the cap ledger."""
    decision = make_decision()
    make_approval(decision=decision, state="approved", answered_at=NOW)
    make_delivery(decision=decision)
    make_delivery(decision=decision, channel="card")
    make_slot(decision=decision)
    return decision


def reached() -> Decision:
    """A nudge that was sent."""
    decision = make_decision()
    make_delivery(decision=decision, state="sent")
    make_slot(decision=decision, state="committed")
    make_attempt(decision=decision)
    return decision


class TestExport:
    def test_it_hands_out_everything_about_the_learner_and_nobody_else(self) -> None:
        decision = reached()
        learner = decision.enrolment.learner
        Answer.objects.create(decision=decision, kind="did_it", at=NOW)
        Outcome.objects.create(decision=decision, measure="recovered", value=1, at=NOW)
        make_help_request(enrolment=decision.enrolment)
        make_lesson_visit(learner=learner, answers=[1, 2], score=0.5)
        make_webhook_message(subject=learner.pk)
        make_webhook_message(subject=uuid4())
        PlatformEnrolment.objects.create(decision=decision, moodle_course=12, created_at=NOW, due_at=NOW)
        reachability.mark(address=learner.email, kind="bounced", detail="550", now=NOW)
        queued()

        exported = privacy.export(learner.pk)

        assert {name: len(rows) for name, rows in exported.items()} == {
            "episodes": 1,
            "decisions": 1,
            "suppressions": 0,
            "holds": 0,
            "attempts": 1,
            "approvals": 0,
            "deliveries": 1,
            "answers": 1,
            "lessons": 1,
            "help_requests": 1,
            "manager_asks": 0,
            "outcomes": 1,
            "unreachable_addresses": 1,
            "told_to_other_systems": 1,
            "platform_enrolments": 1,
        }
        assert exported["decisions"][0]["reasons"] == ["matrix:standard:medium:0"]
        assert exported["deliveries"][0]["body"] == "Ten minutes are enough."
        assert exported["help_requests"][0]["text"] == "Please explain part two"
        assert exported["lessons"][0]["answers"] == [1, 2]

    def test_it_is_ready_for_json(self) -> None:
        exported = privacy.export(learner_of(queued()))

        assert json.loads(json.dumps(exported)) == exported


class TestErase:
    def test_it_leaves_the_evidence_and_takes_the_contents(self) -> None:
        decision = reached()
        learner = decision.enrolment.learner
        make_help_request(enrolment=decision.enrolment)
        make_lesson_visit(learner=learner)
        make_webhook_message(subject=learner.pk)
        PlatformEnrolment.objects.create(decision=decision, moodle_course=12, created_at=NOW, due_at=NOW)
        reachability.mark(address=learner.email, kind="bounced", detail="550", now=NOW)

        counts = privacy.erase(learner.pk, now=LATER)

        kept = Decision.objects.get(pk=decision.pk)
        delivery = Delivery.objects.get(decision=decision)
        assert (kept.snapshot, kept.reasons, kept.action) == (None, [], "nudge")
        assert (delivery.subject, delivery.body, delivery.state) == ("", "", "sent")
        assert HelpRequest.objects.get().text == ""
        assert not LessonVisit.objects.exists()
        assert counts == {
            "deliveries": 1,
            "help_requests": 1,
            "manager_asks": 0,
            "decisions": 1,
            "holds": 0,
            "lesson_visits": 1,
            "unreachable_addresses": 1,
            "webhook_messages": 1,
            "platform_enrolments": 1,
        }

    def test_it_sends_nothing_to_somebody_erased(self) -> None:
        decision = queued()

        privacy.erase(learner_of(decision), now=LATER)

        assert set(Delivery.objects.values_list("state", flat=True)) == {"cancelled"}
        assert Episode.objects.get().end == "consent"

    def test_it_leaves_other_learners_alone(self) -> None:
        other = queued()
        erased = reached()

        privacy.erase(learner_of(erased), now=LATER)

        assert Decision.objects.get(pk=other.pk).snapshot == {"impact": "standard"}
        assert Delivery.objects.filter(decision=other, state="queued").count() == 2

    def test_it_takes_what_a_manager_wrote(self) -> None:
        ask = make_manager_ask(note="On leave until May")

        privacy.erase(learner_of(ask.decision), now=LATER)

        assert ManagerAsk.objects.get().note == ""

    def test_it_can_be_done_twice(self) -> None:
        decision = reached()
        privacy.erase(learner_of(decision), now=LATER)

        privacy.erase(learner_of(decision), now=LATER + timedelta(days=1))

        assert Decision.objects.get().snapshot is None


class TestWithdrawNudge:
    def test_it_cancels_what_has_not_gone_out_and_says_why(self) -> None:
        decision = queued()

        counts = privacy.withdraw(learner_of(decision), Scope.NUDGE, now=LATER)

        assert counts == {
            "deliveries": 2,
            "approvals": 0,
            "slots": 1,
            "decisions": 1,
            "webhook_messages": 0,
            "platform_enrolments": 0,
        }
        assert set(Delivery.objects.values_list("state", flat=True)) == {"cancelled"}
        assert AlertSlot.objects.get().state == "released"
        suppression = Suppression.objects.get()
        assert (suppression.decision_id, suppression.reason, suppression.at) == (
            decision.pk,
            "consent",
            LATER,
        )
        assert Decision.objects.get().lapsed_at == LATER

    def test_it_lets_waiting_approvals_lapse(self) -> None:
        decision = make_approval().decision

        counts = privacy.withdraw(learner_of(decision), Scope.NUDGE, now=LATER)

        assert counts == {
            "deliveries": 0,
            "approvals": 1,
            "slots": 0,
            "decisions": 1,
            "webhook_messages": 0,
            "platform_enrolments": 0,
        }
        approval = Approval.objects.get()
        assert (approval.state, approval.answered_at) == ("lapsed", LATER)
        assert Suppression.objects.get().reason == "consent"

    def test_it_leaves_what_was_sent_as_it_is(self) -> None:
        decision = reached()

        counts = privacy.withdraw(learner_of(decision), Scope.NUDGE, now=LATER)

        assert not any(counts.values())
        assert Delivery.objects.get().state == "sent"
        assert AlertSlot.objects.get().state == "committed"
        assert Decision.objects.get().lapsed_at is None

    def test_it_cancels_the_second_channel_of_an_alert_that_was_half_sent(self) -> None:
        decision = reached()
        make_delivery(decision=decision, channel="card")

        counts = privacy.withdraw(learner_of(decision), Scope.NUDGE, now=LATER)

        assert counts == {
            "deliveries": 1,
            "approvals": 0,
            "slots": 0,
            "decisions": 0,
            "webhook_messages": 0,
            "platform_enrolments": 0,
        }
        assert Delivery.objects.get(channel="card").state == "cancelled"
        assert not Suppression.objects.exists()

    def test_it_leaves_the_episode_to_other_routes(self) -> None:
        decision = queued()
        manager = make_approval(decision=make_decision(episode=decision.episode, step=1, action="manager"))

        privacy.withdraw(learner_of(decision), Scope.NUDGE, now=LATER)

        assert Episode.objects.get().closed_at is None
        assert Approval.objects.get(pk=manager.pk).state == "waiting"
        assert Watch.objects.get().review_at == LATER

    def test_it_leaves_other_learners_alone(self) -> None:
        queued()

        privacy.withdraw(uuid4(), Scope.NUDGE, now=LATER)

        assert set(Delivery.objects.values_list("state", flat=True)) == {"queued"}


@pytest.mark.parametrize("scope", [Scope.RECORD, Scope.PROFILE])
class TestWithdrawProfile:
    def test_it_stops_everything_and_closes_the_episode(self, scope: Scope) -> None:
        decision = queued()
        Watch.objects.create(enrolment=decision.enrolment, review_at=LATER)

        counts = privacy.withdraw(learner_of(decision), scope, now=LATER)

        assert counts == {
            "deliveries": 2,
            "approvals": 0,
            "slots": 1,
            "decisions": 1,
            "manager_asks": 0,
            "episodes": 1,
            "watches": 1,
            **({"webhook_messages": 0, "platform_enrolments": 0} if scope == Scope.RECORD else {}),
        }
        episode = Episode.objects.get()
        assert (episode.end, episode.closed_at) == ("consent", LATER)
        assert Watch.objects.get().review_at is None

    def test_it_takes_a_waiting_word_from_the_manager_back(self, scope: Scope) -> None:
        decision = make_decision(action="manager")
        make_approval(decision=decision)

        privacy.withdraw(learner_of(decision), scope, now=LATER)

        assert Approval.objects.get().state == "lapsed"
        assert Suppression.objects.get().reason == "consent"

    def test_it_leaves_the_evidence_of_an_escalation(self, scope: Scope) -> None:
        proof = make_attempt(failed=True)
        make_delivery(decision=proof.decision, state="sent")
        escalation = make_escalation(proof=proof, collected_at=NOW)

        privacy.withdraw(learner_of(escalation.decision), scope, now=LATER)

        assert Decision.objects.get(pk=escalation.decision_id).lapsed_at is None
        assert not Suppression.objects.exists()

    def test_it_does_the_same_when_done_twice(self, scope: Scope) -> None:
        decision = queued()
        privacy.withdraw(learner_of(decision), scope, now=LATER)

        again = privacy.withdraw(learner_of(decision), scope, now=LATER + timedelta(days=1))

        assert not any(again.values())
        assert Episode.objects.get().closed_at == LATER


class TestWithdrawManager:
    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"state": "accepted", "place": None},
            {"state": "snoozed", "place": None, "snoozed_until": LATER},
        ],
        ids=["open", "accepted", "snoozed"],
    )
    def test_it_takes_the_ask_from_the_manager(self, fields: dict[str, Any]) -> None:
        ask = make_manager_ask(**fields)

        counts = privacy.withdraw(learner_of(ask.decision), Scope.MANAGER, now=LATER)

        withdrawn = ManagerAsk.objects.get()
        assert counts["manager_asks"] == 1
        assert (withdrawn.state, withdrawn.place, withdrawn.answered_at) == ("withdrawn", None, LATER)

    def test_it_refuses_an_answer_from_a_page_that_was_open_before(self) -> None:
        ask = make_manager_ask()
        privacy.withdraw(learner_of(ask.decision), Scope.MANAGER, now=LATER)

        with pytest.raises(asks.StaleVersion):
            asks.accept(ask=ask, version=1, now=LATER)

    def test_it_stops_a_word_that_still_waits_for_approval(self) -> None:
        decision = make_decision(action="manager")
        make_approval(decision=decision)

        privacy.withdraw(learner_of(decision), Scope.MANAGER, now=LATER)

        assert Approval.objects.get().state == "lapsed"
        assert Suppression.objects.get().reason == "consent"

    def test_it_leaves_what_is_answered_and_messages_to_the_learner(self) -> None:
        decision = queued()
        answered = make_manager_ask(
            decision=make_decision(episode=decision.episode, step=1, action="manager"),
            state="done",
            place=None,
            answered_at=NOW,
        )

        counts = privacy.withdraw(learner_of(decision), Scope.MANAGER, now=LATER)

        assert not any(counts.values())
        assert ManagerAsk.objects.get(pk=answered.pk).state == "done"
        assert Delivery.objects.filter(state="queued").count() == 2


@pytest.mark.parametrize("scope", [Scope.COACH, Scope.EXPERIMENT, Scope.RESEARCH])
def test_it_has_nothing_to_stop_for_other_scopes(scope: Scope) -> None:
    decision = queued()

    assert privacy.withdraw(learner_of(decision), scope, now=LATER) == {}
    assert Delivery.objects.filter(state="queued").count() == 2


def test_it_exports_nothing_about_somebody_without_history() -> None:
    enrolment = make_enrolment()
    make_episode()

    assert not any(privacy.export(enrolment.learner_id).values())
