"""What people had open about two records that become one. Called by learners.merging."""

from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import F, Q

from coaching.models import Case
from learners.merging.journal import Journal, Watched

if TYPE_CHECKING:
    from learners.merging.merge import Plan


def watched(both: tuple[UUID, UUID]) -> list[Watched]:
    """The cases about the two. They go with their enrolments."""
    return [Watched(Case, Q(enrolment__learner__in=both))]


def refuses(plan: "Plan") -> str | None:
    """A sentence, where a coach has in hand what would end."""
    in_hand = Case.objects.filter(enrolment__in=plan.staying).exclude(state=Case.State.CLOSED)
    if in_hand.filter(Q(is_escalation=True) | Q(state=Case.State.ACCEPTED)).exists():
        return (
            "A coach has an open case about a course in which both records are enrolled. Close the case first, or keep "
            "the other record."
        )
    return None


def merge(plan: "Plan", journal: Journal) -> None:
    """Steps of a course told twice are called off, so nobody need approve them."""
    Case.objects.filter(enrolment__in=plan.staying).exclude(state=Case.State.CLOSED).update(
        state=Case.State.CLOSED, closed_at=plan.now, snoozed_until=None, version=F("version") + 1
    )
