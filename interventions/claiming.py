"""Stage 7, first half: asks of everything that is due whether it should still go out, and claims what should.

Most alerts should: they are asked about together, in one transaction for a few of them. Whatever cannot simply go out
is looked at by itself. What is claimed has not left; until it is handed over it can be called off.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from consent import gate
from consent.scopes import Scope
from interventions import automation, holds, limits, route, triggers, turns
from interventions.models import AlertSlot, Decision, Delivery, Hold, Suppression
from interventions.policy import store
from interventions.policy.document import Document
from interventions.recipients import recipients
from interventions.rules import applying
from interventions.situation import snapshots
from interventions.snapshot import Snapshot

State = Delivery.State


class Situations(NamedTuple):
    """What is asked once for some alerts, a moment before they are claimed."""

    policy: Document
    learners: dict[UUID, UUID]  # by decision
    of: dict[int, Snapshot]  # by enrolment


def claim(decision_ids: Sequence[UUID], *, now: datetime) -> list[Delivery]:
    """All due messages of these alerts, claimed, in the order of the alerts; without those that should not go out."""
    looked = _look(decision_ids, now)
    claimed, left = _claim_together(looked, now)
    for decision_id in left:
        claimed += _claim_one(decision_id, looked, now)
    place = {pk: number for number, pk in enumerate(decision_ids)}
    return sorted(claimed, key=lambda delivery: (place[delivery.decision_id], delivery.channel))


def unclaim(deliveries: Sequence[Delivery]) -> int:
    """Puts back what was claimed and has not been handed over; returns how many."""
    with transaction.atomic():
        rows = list(
            Delivery.objects.select_for_update(of=("self",))
            .filter(pk__in=[delivery.pk for delivery in deliveries], state=State.CLAIMED)
            .order_by("pk")
            .values_list("pk", "decision_id")
        )
        Delivery.objects.filter(pk__in=[pk for pk, _ in rows]).update(state=State.QUEUED)
        limits.give_back(decision_ids={decision_id for _, decision_id in rows})
    return len(rows)


def _look(decision_ids: Sequence[UUID], now: datetime) -> Situations:
    policy_row = store.live()
    policy = store.document(policy_row)
    rows = list(
        Decision.objects.filter(pk__in=decision_ids).values_list(
            "pk", "enrolment_id", "enrolment__learner_id"
        )
    )
    situations = snapshots(
        [enrolment for _, enrolment, _ in rows],
        policy=policy,
        policy_version=policy_row.version,
        now=now,
    )
    return Situations(policy, {pk: learner for pk, _, learner in rows}, situations)


def _claim_together(looked: Situations, now: datetime) -> tuple[list[Delivery], list[UUID]]:
    """Claims the alerts against which nothing speaks; returns their messages, and those that need a closer look."""
    with transaction.atomic():
        # The consent rows before the deliveries, as a withdrawal locks them: the other way round the two could wait
        # for each other.
        willing = gate.lock_and_filter(looked.learners.values(), Scope.NUDGE)
        due = _due(list(looked.learners), now)
        people = recipients(
            [messages[0].learner_id for messages in due.values()], policy=looked.policy, now=now
        )
        held = set(
            Hold.objects.filter(decision__in=list(due), released_at__isnull=True).values_list(
                "decision_id", flat=True
            )
        )
        ready = []
        for decision_id, messages in due.items():
            learner_id = messages[0].learner_id
            if (
                learner_id in willing
                and decision_id not in held
                and _second_thoughts(messages[0].decision, looked) is None
                and holds.current(people[learner_id].closed, now) is None
                and not people[learner_id].is_quiet(now, looked.policy.limits)
            ):
                ready.append(decision_id)
        placed = limits.commit_each(decision_ids=ready, kind=AlertSlot.Kind.LEARNER, now=now)
        claimed = [message for pk in ready if pk in placed for message in due[pk]]
        return _claimed(claimed, now), [pk for pk in due if pk not in placed]


def _claim_one(decision_id: UUID, looked: Situations, now: datetime) -> list[Delivery]:
    """All due messages of one alert, claimed; where it should not go out, none, and what follows from that is done."""
    policy = looked.policy
    with transaction.atomic():
        willing = gate.lock_and_allows(looked.learners[decision_id], Scope.NUDGE)
        turns.wait_for_decisions([decision_id])  # it may be called off
        due = _due([decision_id], now).get(decision_id)
        if not due:
            return []
        decision, learner_id = due[0].decision, due[0].learner_id
        if not willing:
            route.call_off(decision_ids=[decision.pk], reason=Suppression.Reason.CONSENT, now=now)
            return []
        reason = _second_thoughts(decision, looked)
        if reason is not None:
            route.call_off(decision_ids=[decision.pk], reason=reason, now=now)
            return []
        recipient = recipients([learner_id], policy=policy, now=now)[learner_id]
        closed = holds.current(recipient.closed, now)
        if closed is not None:
            opens_at = recipient.open_at(now, policy.limits)
            holds.hold(decision, closed=closed, due=due, until=opens_at, now=now)
            return []
        held = Hold.objects.filter(decision=decision, released_at__isnull=True).first()
        if held is not None:
            # It is open again: what was decided before may no longer be what is needed.
            Hold.objects.filter(pk=held.pk).update(released_at=now)
            route.call_off(decision_ids=[decision.pk], reason=held.reason, now=now)
            return []
        if recipient.is_quiet(now, policy.limits):
            opens_at = recipient.open_at(now, policy.limits)
            Delivery.objects.filter(pk__in=[delivery.pk for delivery in due]).update(due_at=opens_at)
            return []
        if not limits.commit(decision=decision, kind=AlertSlot.Kind.LEARNER, now=now):
            route.call_off(decision_ids=[decision.pk], reason=Suppression.Reason.CAP, now=now)
            return []
        return _claimed(due, now)


def _due(decision_ids: Sequence[UUID], now: datetime) -> dict[UUID, list[Delivery]]:
    """The due messages of each of these alerts, locked; those that somebody else is busy with are passed over."""
    rows = (
        Delivery.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(decision__in=decision_ids, state=State.QUEUED, due_at__lte=now)
        .select_related(
            "learner", "decision__enrolment__course", "decision__episode__rule", "decision__lesson"
        )
        .order_by("pk")
    )
    found: dict[UUID, list[Delivery]] = defaultdict(list)
    for delivery in rows:
        found[delivery.decision_id].append(delivery)
    return found


def _claimed(deliveries: Sequence[Delivery], now: datetime) -> list[Delivery]:
    """These locked messages, claimed."""
    Delivery.objects.filter(pk__in=[delivery.pk for delivery in deliveries]).update(
        state=State.CLAIMED, claimed_at=now
    )
    return list(deliveries)


def _second_thoughts(decision: Decision, looked: Situations) -> str | None:
    """Why this should not go out after all; None where it still makes sense."""
    snapshot = looked.of[decision.enrolment_id]
    if not snapshot.active:
        return Suppression.Reason.COURSE_ENDED
    if Scope.PROFILE not in snapshot.scopes or Scope.RECORD not in snapshot.scopes:
        return Suppression.Reason.CONSENT
    episode = decision.episode
    if episode is None or episode.closed_at is not None or triggers.recovered(snapshot, looked.policy):
        return Suppression.Reason.RECOVERED
    by_itself = automation.of(decision.action, decision.reasons)
    if by_itself is not None and not automation.stands(by_itself, snapshot, looked.policy):
        return (
            Suppression.Reason.ASK_FIRST
        )  # its route was lost while it waited: it is decided anew, and asks
    if decision.lesson is not None and not decision.lesson.is_open(snapshot.now.date()):
        return Suppression.Reason.EXPIRED
    if episode.rule is not None and not applying.is_in_force(episode.rule, now=snapshot.now):
        return Suppression.Reason.SUPERSEDED
    if episode.rule is not None and not applying.still_holds(episode.rule, snapshot):
        return Suppression.Reason.RECOVERED
    return None
