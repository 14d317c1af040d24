"""What deciding and acting moves when two learners' records become one. Called by learners.merging.

Most of it hangs on enrolments and goes with them. What remains: whom a message was for, the lessons taken, the places
in the cap ledger, and what was under way about a course that the person turns out to be enrolled in twice.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from interventions import limits, route
from interventions.models import (
    AlertSlot,
    Approval,
    Decision,
    Delivery,
    Episode,
    HelpRequest,
    LessonVisit,
    ManagerAsk,
    Suppression,
    Watch,
)
from learners.merging.journal import Journal, Watched

if TYPE_CHECKING:
    from learners.merging.merge import Plan
    from learners.merging.undo import Undoing

State = AlertSlot.State


def watched(both: tuple[UUID, UUID]) -> list[Watched]:
    """Everything decided about the two, and done."""
    mine, decided = Q(enrolment__learner__in=both), Q(decision__enrolment__learner__in=both)
    own = Q(learner__in=both)
    return [
        *(Watched(model, mine) for model in (Watch, Episode, Decision, ManagerAsk, HelpRequest)),
        *(Watched(model, decided) for model in (Approval, Suppression)),
        *(Watched(model, own | decided) for model in (AlertSlot, Delivery)),
        Watched(LessonVisit, own),
    ]


def lock(people: Sequence[UUID]) -> None:
    """The watches: nobody decides about these people meanwhile."""
    list(Watch.objects.select_for_update().filter(enrolment__learner__in=people).order_by("pk"))


def refuses(plan: "Plan") -> str | None:
    """A sentence, where a person is in the middle of something about the enrolment that would end."""
    asked = ManagerAsk.objects.filter(enrolment__in=plan.staying, state__in=route.ASKS_BEFORE_THE_MANAGER)
    if asked.exists():
        return (
            "A manager has been asked about a course in which both records are enrolled. Wait for the answer, or keep "
            "the other record."
        )
    return None


def merge(plan: "Plan", journal: Journal) -> None:
    """What was for the duplicate is for the one that is kept; of a course told twice, one story ends."""
    twins = list(plan.staying)
    ending = Episode.objects.filter(enrolment__in=twins, closed_at__isnull=True).order_by("pk")
    route.end_episodes(
        episode_ids=list(ending.values_list("pk", flat=True)), end=Episode.End.SETTLED, now=plan.now
    )
    Watch.objects.filter(pk__in=twins).update(review_at=None)
    for mine, kept in sorted(plan.staying.items()):
        # Somebody asked for help: that is not lost with the second enrolment.
        same = HelpRequest.objects.filter(enrolment=kept, kind=OuterRef("kind"), answered_at__isnull=True)
        HelpRequest.objects.filter(
            ~Exists(same), enrolment=mine, answered_at__isnull=True, escalated_at__isnull=True
        ).update(enrolment_id=kept)
    Delivery.objects.filter(learner=plan.duplicate).exclude(decision__enrolment__in=twins).update(
        learner_id=plan.into
    )
    LessonVisit.objects.filter(learner=plan.duplicate).update(learner_id=plan.into)
    for kind in AlertSlot.Kind:
        _share_places(kind, plan)


def _share_places(kind: AlertSlot.Kind, plan: "Plan") -> None:
    """One person has one person's places. Used ones count first, those that last longest before the others.

    More were used than one person has, if both were full: the rest ends sooner than those kept, so giving them back
    makes no room that was not there. A reserved one goes out only where it would have fitted beside all used ones.
    """
    slots = list(
        AlertSlot.objects.select_for_update(of=("self",))
        .filter(kind=kind, learner__in=plan.both)
        .exclude(state=State.RELEASED)
        .order_by("pk")
    )
    if not any(slot.learner_id == plan.duplicate for slot in slots):
        return
    # Out of the way first: places are compared row by row.
    AlertSlot.objects.filter(pk__in=[slot.pk for slot in slots]).update(state=State.RELEASED)
    kept: list[AlertSlot] = []
    committed = [slot for slot in slots if slot.state == State.COMMITTED]
    for slot in sorted(
        slots, key=lambda one: (one.state != State.COMMITTED, -one.during.upper.timestamp(), one.pk)
    ):
        others = kept if slot.state == State.COMMITTED else [*kept, *(c for c in committed if c not in kept)]
        places = limits.PLACES[kind]
        free = next((place for place in _ordered(slot.place, places) if _is_free(place, slot, kept)), None)
        crowded = _most_at_once(slot, others) >= len(places)
        if free is not None and not crowded:
            slot.place = free
            kept.append(slot)
    keep = {slot.pk for slot in kept}
    for slot in slots:
        AlertSlot.objects.filter(pk=slot.pk).update(
            learner_id=plan.into,
            holder=limits.holder(kind, plan.into),
            place=slot.place,
            state=slot.state if slot.pk in keep else State.RELEASED,
        )


def _ordered(first: int, places: Sequence[int]) -> list[int]:
    return [first, *(place for place in places if place != first)]


def _overlap(one: AlertSlot, other: AlertSlot) -> bool:
    return bool(one.during.lower < other.during.upper and other.during.lower < one.during.upper)


def _is_free(place: int, slot: AlertSlot, kept: Sequence[AlertSlot]) -> bool:
    return not any(other.place == place and _overlap(slot, other) for other in kept)


def _most_at_once(slot: AlertSlot, others: Sequence[AlertSlot]) -> int:
    """How many of the others hold at one moment of this slot's time, at most."""
    meeting = [other for other in others if _overlap(slot, other)]
    moments = [max(slot.during.lower, other.during.lower) for other in meeting]
    return max(
        (sum(other.during.lower <= at < other.during.upper for other in meeting) for at in moments), default=0
    )


def before_undo(undoing: "Undoing") -> None:
    """Frees the places that go back, so that their rows can change one by one; `undo` says how they stand."""
    keys: list[Any] = [key["id"] for key in undoing.keys_of(AlertSlot._meta.db_table)]
    touched = AlertSlot.objects.select_for_update(of=("self",)).filter(pk__in=keys).order_by("pk")
    undoing.states = dict(touched.values_list("pk", "state"))
    AlertSlot.objects.filter(pk__in=keys).update(state=State.RELEASED)


def undo(undoing: "Undoing") -> None:
    """What was sent or taken since goes with the enrolment it was about."""
    for step in undoing.steps:
        if step.table == AlertSlot._meta.db_table and step.before is not None and step.after is not None:
            for pk in (key["id"] for key in step.keys):
                now = undoing.states.get(pk)
                # A place that was used or given back since the merge stays so.
                state = step.before["state"] if "state" in step.after and now == step.after["state"] else now
                AlertSlot.objects.filter(pk=pk).update(state=state)
    theirs = Q(decision__enrolment__learner=undoing.duplicate)
    Delivery.objects.filter(theirs, learner=undoing.into).update(learner_id=undoing.duplicate)
    LessonVisit.objects.filter(theirs, learner=undoing.into).update(learner_id=undoing.duplicate)
    for slot in AlertSlot.objects.filter(theirs, learner=undoing.into).order_by("pk"):
        AlertSlot.objects.filter(pk=slot.pk).update(
            learner_id=undoing.duplicate, holder=limits.holder(slot.kind, undoing.duplicate)
        )
