"""Messages that no try delivered, and the way back to the queue for those that still make sense."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db import transaction

from consent import audit
from consent.actors import Party
from interventions import route
from interventions.models import Delivery
from interventions.wake import work_left


class Outcome(StrEnum):
    QUEUED = "queued again"
    DECIDED_ANEW = "its step lapsed, so the learner is looked at afresh instead"
    TOO_OLD = "held too long to still make sense"
    NOT_FAILED = "it did not fail"


def try_again(*, delivery_id: UUID, by: Party, now: datetime) -> Outcome:
    """Puts one failed delivery back into the queue with all its tries, and says what became of it.

    A message whose alert lapsed is never sent: its slot may be somebody else's turn by now. Everything is asked once
    more at the claim, as for any message.
    """
    with transaction.atomic():
        delivery = (
            Delivery.objects.select_for_update(of=("self",))
            .select_related("decision")
            .filter(pk=delivery_id, state=Delivery.State.FAILED)
            .first()
        )
        if delivery is None:
            return Outcome.NOT_FAILED
        audit.record(
            actor=by,
            action="delivery.tried_again",
            target=Party("learner", delivery.learner_id),
            now=now,
            detail={"delivery": str(delivery.pk)},
        )
        if delivery.decision.lapsed_at is not None:
            route.look_again([delivery.decision.enrolment_id], at=now)
            return Outcome.DECIDED_ANEW
        if delivery.expires_at <= now:
            return Outcome.TOO_OLD
        Delivery.objects.filter(pk=delivery.pk).update(state=Delivery.State.QUEUED, tries=0, due_at=now)
        transaction.on_commit(lambda: work_left.send(sender=None, stage="deliver"))
    return Outcome.QUEUED
