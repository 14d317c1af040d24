"""Stage 7: sends what is due, after asking once more whether it should be sent at all.

A claim is the point of no return: it locks the learner's consent row, checks everything again and moves the
delivery from queued to sending, in one transaction. Only then does anything leave the house.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from time import monotonic
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from consent import audit, gate
from consent.actors import SYSTEM, Party
from consent.audit import batched
from consent.scopes import Scope
from interventions import holds, limits, reachability, route, triggers, webhooks
from interventions.channels import CHANNELS, ChannelError
from interventions.decide import window_hours
from interventions.models import (
    AlertSlot,
    Attempt,
    Decision,
    Delivery,
    Episode,
    Hold,
    Suppression,
    UnreachableAddress,
    Watch,
    WebhookEndpoint,
)
from interventions.pauses import pause
from interventions.policy import store
from interventions.policy.document import Document
from interventions.recipients import recipients
from interventions.rules import applying
from interventions.situation import snapshots
from interventions.snapshot import Snapshot

MAX_TRIES = 6
AT_ONCE = 25  # alerts whose situation is looked up together
FRESH_S = 1.0  # for so long; where a mail server is slow, the rest of a batch is looked up again
IN_DOUBT_AFTER = timedelta(minutes=15)
State = Delivery.State


def deliver(*, now: datetime, limit: int = 200) -> int:
    """Sends up to ``limit`` due alerts; returns how many it looked at. Call again while it is not 0."""
    _resolve_doubtful(now, limit)
    looked_at = 0
    with ExitStack() as sessions:
        for channel in CHANNELS.values():
            sessions.enter_context(channel.session())
        due = (
            Delivery.objects.filter(state=State.QUEUED, due_at__lte=now)
            .order_by("due_at", "pk")
            .values_list("decision_id", flat=True)[:limit]
        )
        for decision_ids in batched(due, AT_ONCE):
            batch, looked = _look(decision_ids, now), monotonic()
            for place, decision_id in enumerate(decision_ids):
                if monotonic() - looked > FRESH_S:
                    batch, looked = _look(decision_ids[place:], now), monotonic()
                looked_at += 1
                for delivery in _claim(decision_id, batch, now):
                    _send(delivery, batch.policy, now)
    return looked_at


class _Batch(NamedTuple):
    """What is asked once for some alerts, a moment before each of them is claimed."""

    policy: Document
    learners: dict[UUID, UUID]  # by decision
    situations: dict[int, Snapshot]  # by enrolment


def _look(decision_ids: Sequence[UUID], now: datetime) -> _Batch:
    policy = store.document(store.live())
    rows = list(
        Decision.objects.filter(pk__in=decision_ids).values_list(
            "pk", "enrolment_id", "enrolment__learner_id"
        )
    )
    situations = snapshots([enrolment for _, enrolment, _ in rows], policy=policy, policy_version=0, now=now)
    return _Batch(policy, {pk: learner for pk, _, learner in rows}, situations)


def _claim(decision_id: UUID, batch: _Batch, now: datetime) -> list[Delivery]:
    """All due messages of one alert, moved to sending; none where it should no longer go out."""
    policy, learner_id = batch.policy, batch.learners[decision_id]
    with transaction.atomic():
        # The consent row before the deliveries, as a withdrawal locks them: the other way round the two could
        # wait for each other.
        willing = gate.lock_and_allows(learner_id, Scope.NUDGE)
        due = list(
            Delivery.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(decision_id=decision_id, state=State.QUEUED, due_at__lte=now)
            .select_related("learner", "decision__enrolment__course", "decision__episode__rule")
            .order_by("channel")
        )
        if not due:
            return []
        decision, learner = due[0].decision, due[0].learner
        if not willing:
            route.call_off(decision_ids=[decision.pk], reason=Suppression.Reason.CONSENT, now=now)
            return []
        reason = _second_thoughts(decision, batch)
        if reason is not None:
            route.call_off(decision_ids=[decision.pk], reason=reason, now=now)
            return []
        recipient = recipients([learner.pk], policy=policy, now=now)[learner.pk]
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
        claimed = []
        for delivery in due:
            delivery.tries += 1
            moved = Delivery.objects.filter(pk=delivery.pk, state=State.QUEUED).update(
                state=State.SENDING, claimed_at=now, tries=delivery.tries
            )
            if moved:
                claimed.append(delivery)
        return claimed


def _second_thoughts(decision: Decision, batch: _Batch) -> str | None:
    """Why this should not go out after all; None where it still makes sense."""
    snapshot = batch.situations[decision.enrolment_id]
    if not snapshot.active:
        return Suppression.Reason.COURSE_ENDED
    if Scope.PROFILE not in snapshot.scopes or Scope.RECORD not in snapshot.scopes:
        return Suppression.Reason.CONSENT
    episode = decision.episode
    if episode is None or episode.closed_at is not None or triggers.recovered(snapshot, batch.policy):
        return Suppression.Reason.RECOVERED
    if episode.rule is not None and not applying.still_holds(episode.rule, snapshot):
        return Suppression.Reason.RECOVERED
    return None


def _send(delivery: Delivery, policy: Document, now: datetime) -> None:
    try:
        answer = CHANNELS[delivery.channel].send(delivery, now=now)
    except ChannelError as fault:
        _not_sent(delivery, fault, now)
        return
    with transaction.atomic():
        moved = Delivery.objects.filter(pk=delivery.pk, state=State.SENDING).update(
            state=State.SENT, sent_at=now, provider_answer=answer[:300]
        )
        if moved:
            _reached(delivery, policy, now)


def _reached(delivery: Delivery, policy: Document, now: datetime) -> None:
    """The first channel that gets through starts the attempt's window."""
    decision = delivery.decision
    assert decision.episode_id is not None  # an acting decision has an episode (constraint)
    episode = Episode.objects.get(pk=decision.episode_id)
    hours = window_hours(episode.ladder, policy)
    # Days on which nobody is to be disturbed are no time in which something should have improved.
    closed = holds.closed_times([delivery.learner_id], now=now)[delivery.learner_id]
    ends_at = holds.lasting(now, hours, closed)
    _, created = Attempt.objects.get_or_create(
        decision=decision, defaults={"episode": episode, "reached_at": now, "window_ends_at": ends_at}
    )
    if created:
        Watch.objects.bulk_create(
            [Watch(enrolment_id=decision.enrolment_id, review_at=ends_at)],
            update_conflicts=True,
            unique_fields=["enrolment"],
            update_fields=["review_at"],
        )
        audit.record(
            actor=SYSTEM,
            action="alert.sent",
            target=Party("learner", delivery.learner_id),
            now=now,
            detail={"decision": str(decision.pk), "channel": delivery.channel},
        )
        webhooks.announce(
            event=WebhookEndpoint.Event.SENT,
            learner_id=delivery.learner_id,
            said={"decision": str(decision.pk), "action": decision.action, "channel": delivery.channel},
            now=now,
        )


def _not_sent(delivery: Delivery, fault: ChannelError, now: datetime) -> None:
    """Tries again later with growing pauses, or gives up; an alert no channel delivered lapses."""
    again = not fault.permanent and delivery.tries < MAX_TRIES
    with transaction.atomic():
        wait = max(pause(delivery.pk, delivery.tries), timedelta(seconds=fault.wait_seconds))
        if fault.bounced:
            reachability.mark(
                address=delivery.learner.email,
                kind=UnreachableAddress.Kind.BOUNCED,
                detail=fault.bounced,
                now=now,
            )
        Delivery.objects.filter(pk=delivery.pk, state=State.SENDING).update(
            state=State.QUEUED if again else State.FAILED,
            due_at=now + wait if again else delivery.due_at,
            provider_answer=str(fault)[:300],
        )
        if not again:
            route.fall_back(delivery, now=now)
            _lapse_if_nobody_reached([delivery.decision_id], now)


def _resolve_doubtful(now: datetime, limit: int) -> None:
    """Settles sends whose worker died in between: repeated where harmless, else given up rather than doubled."""
    with transaction.atomic():
        doubtful = list(
            Delivery.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(state=State.SENDING, claimed_at__lte=now - IN_DOUBT_AFTER)
            .order_by("claimed_at", "pk")[:limit]
        )
        repeat = [delivery.pk for delivery in doubtful if CHANNELS[delivery.channel].repeatable]
        give_up = [delivery.pk for delivery in doubtful if not CHANNELS[delivery.channel].repeatable]
        Delivery.objects.filter(pk__in=repeat).update(state=State.QUEUED)
        Delivery.objects.filter(pk__in=give_up).update(
            state=State.FAILED, provider_answer="interrupted; not repeated, so that nobody hears it twice"
        )
        _lapse_if_nobody_reached([d.decision_id for d in doubtful if d.pk in give_up], now)


def _lapse_if_nobody_reached(decision_ids: list[UUID], now: datetime) -> None:
    alive = set(
        Delivery.objects.filter(
            decision_id__in=decision_ids, state__in=(State.QUEUED, State.SENDING, State.SENT)
        ).values_list("decision_id", flat=True)
    )
    route.suppress({pk: Suppression.Reason.FAILED for pk in decision_ids if pk not in alive}, now=now)
