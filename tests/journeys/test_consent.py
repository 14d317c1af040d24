"""What a no does: at once, in the same transaction, to everything that has not gone out."""

import threading

import pytest
from django.db import connection, transaction

from consent import record
from consent.actors import Party
from consent.models import AuditEntry, ConsentChange
from consent.scopes import Scope
from consent.subject_requests import erase
from interventions import approvals, deliver
from interventions.models import AlertSlot, Approval, Decision, Delivery, Episode, Suppression
from learners.models import Identifier, Learner
from signals.models import AssessmentResult, Event, FeatureRow, Risk, Statement
from tests.support.journey import Journey


def queued() -> Journey:
    """A journey with an approved nudge that waits for Monday morning."""
    journey = Journey()
    journey.does("scored", score={"scaled": 0.9}, success=True)
    journey.tick(minutes=1)
    journey.tick(days=11, hours=10)  # a Friday evening
    decision = Approval.objects.get(state="waiting").decision
    approvals.approve(decision=decision, by=journey.coach.pk, now=journey.now)
    assert set(Delivery.objects.values_list("state", flat=True)) == {"queued"}
    return journey


def by(journey: Journey) -> Party:
    return Party("user", journey.learner.pk)


@pytest.mark.django_db
def test_it_cancels_everything_queued_in_the_withdrawing_transaction() -> None:
    journey = queued()

    record.withdraw(subject=journey.learner.pk, scope=Scope.NUDGE, by=by(journey), now=journey.now)

    assert set(Delivery.objects.values_list("state", flat=True)) == {"cancelled"}
    assert Suppression.objects.get().reason == "consent"
    assert set(AlertSlot.objects.values_list("state", flat=True)) == {"released"}


@pytest.mark.django_db
def test_it_undoes_the_cancelling_when_the_withdrawal_itself_fails() -> None:
    journey = queued()

    with pytest.raises(RuntimeError), transaction.atomic():
        record.withdraw(subject=journey.learner.pk, scope=Scope.NUDGE, by=by(journey), now=journey.now)
        raise RuntimeError("the page broke")

    assert set(Delivery.objects.values_list("state", flat=True)) == {"queued"}
    assert not ConsentChange.objects.exists()


@pytest.mark.django_db
def test_it_stops_computing_and_forgets_what_was_computed_without_profiling() -> None:
    journey = queued()

    record.withdraw(subject=journey.learner.pk, scope=Scope.PROFILE, by=by(journey), now=journey.now)

    assert not FeatureRow.objects.exists()
    assert not Risk.objects.exists()
    assert Episode.objects.get().end == "consent"
    journey.does()
    journey.tick(days=3)
    assert not Risk.objects.exists()
    assert not Delivery.objects.filter(state="sent").exists()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_lets_a_send_go_wholly_before_or_wholly_after_a_withdrawal() -> None:
    journey = queued()
    monday = journey.now.replace(hour=10, day=16)
    done = threading.Event()

    def send() -> None:
        try:
            deliver.deliver(now=monday)
        finally:
            done.set()
            connection.close()

    with transaction.atomic():
        record.withdraw(subject=journey.learner.pk, scope=Scope.NUDGE, by=by(journey), now=monday)
        sender = threading.Thread(target=send)
        sender.start()
        # The sender waits for the consent row; nothing goes out while the withdrawal is on its way.
        assert not done.wait(0.5)
        assert not Delivery.objects.filter(state="sent").exists()
    sender.join(10)

    assert not Delivery.objects.filter(state="sent").exists()


@pytest.mark.django_db
def test_it_erases_the_person_and_keeps_the_evidence() -> None:
    journey = queued()
    decisions = set(Decision.objects.values_list("pk", flat=True))

    request = erase(subject=journey.learner.pk, by=by(journey), now=journey.now)

    gone = Learner.objects.get(pk=journey.learner.pk)
    assert (gone.name, gone.email, gone.employee_number) == ("", "", "")
    assert not Identifier.objects.exists()
    for store in (Statement, Event, AssessmentResult, FeatureRow, Risk):
        assert not store.objects.exists(), store
    assert set(Decision.objects.values_list("pk", flat=True)) == decisions
    assert not Decision.objects.exclude(snapshot=None).exists()
    assert AuditEntry.objects.filter(target_uuid=journey.learner.pk, action="subject.erased").exists()
    assert request.receipt["stores"]
