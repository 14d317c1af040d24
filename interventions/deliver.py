"""Stage 7: sends what is due, after asking once more whether it should be sent at all (``claiming.py``).

Handing a message over is the point of no return: one conditional update moves it from claimed to sending, so it comes
wholly before a withdrawal or wholly after. Only then does it leave the house, and that it did is committed before the
next one is handed over: a worker that dies leaves one message in doubt, however many it had claimed.
"""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

from django.db import transaction
from django.db.models import F

from interventions import claiming, reachability, reached, route, turns
from interventions.channels import CHANNELS, ChannelError
from interventions.models import Delivery, Suppression, UnreachableAddress
from interventions.pauses import pause

MAX_TRIES = 6
AT_ONCE = 50  # alerts that are claimed together, at most
FRESH_S = 1.0  # for so long what was asked counts; what has not gone out by then is asked about again
LONGEST_S = 10.0  # after this the caller comes again, with a later now
IN_DOUBT_AFTER = timedelta(minutes=15)
State = Delivery.State


def deliver(*, now: datetime, limit: int = 200) -> int:
    """Sends up to ``limit`` due alerts, for some seconds; returns how many it came to. Call again while it is not 0."""
    _tidy_up(now, limit)
    with ExitStack() as sessions:
        for channel in CHANNELS.values():
            sessions.enter_context(channel.session())
        due = list(
            dict.fromkeys(
                Delivery.objects.filter(state=State.QUEUED, due_at__lte=now)
                .order_by("due_at", "pk")
                .values_list("decision_id", flat=True)[:limit]
            )
        )
        done, at_once = 0, AT_ONCE
        begun = monotonic()
        while done < len(due) and monotonic() - begun < LONGEST_S:
            some = due[done : done + at_once]
            came_to = _claim_and_send(some, now)
            # Where sending is slow, fewer are claimed next time.
            at_once = came_to if came_to < len(some) else min(AT_ONCE, at_once * 2)
            done += came_to
    return done


def _claim_and_send(decision_ids: Sequence[UUID], now: datetime) -> int:
    """Claims these alerts and sends for a moment; returns how many, in their order, it came to: one at least."""
    begun, came_to = monotonic(), 0
    claimed = claiming.claim(decision_ids, now=now)
    handled: set[UUID] = set()
    sent: list[UUID] = []
    try:
        refused = _refused(claimed)
        for decision_id in decision_ids:
            if came_to and monotonic() - begun > FRESH_S:
                break
            came_to += 1
            for delivery in claimed:
                if delivery.decision_id != decision_id:
                    continue
                handled.add(delivery.pk)
                if _hand_over(delivery, now) and _send(delivery, refused.get(delivery.pk), now):
                    sent.append(delivery.pk)
    finally:
        if left := [delivery for delivery in claimed if delivery.pk not in handled]:
            claiming.unclaim(left)
        reached.follow_up(sent, now=now)
    return came_to


def _refused(deliveries: Sequence[Delivery]) -> dict[UUID, ChannelError]:
    """Those of these messages that their channel knows beforehand it cannot deliver."""
    by_channel: dict[str, list[Delivery]] = defaultdict(list)
    for delivery in deliveries:
        by_channel[delivery.channel].append(delivery)
    refused: dict[UUID, ChannelError] = {}
    for name, messages in by_channel.items():
        refused |= CHANNELS[name].refused(messages)
    return refused


def _hand_over(delivery: Delivery, now: datetime) -> bool:
    """The point of no return; False where it was called off since it was claimed."""
    moved = Delivery.objects.filter(pk=delivery.pk, state=State.CLAIMED).update(
        state=State.SENDING, claimed_at=now, tries=F("tries") + 1
    )
    delivery.tries += moved
    return bool(moved)


def _send(delivery: Delivery, refused: ChannelError | None, now: datetime) -> bool:
    """Sends a message that was handed over and notes what came of it; whether it went out."""
    try:
        if refused is not None:
            raise refused
        answer = CHANNELS[delivery.channel].send(delivery, now=now)
    except ChannelError as fault:
        _not_sent(delivery, fault, now)
        return False
    return bool(
        Delivery.objects.filter(pk=delivery.pk, state=State.SENDING).update(
            state=State.SENT, sent_at=now, provider_answer=answer[:300], to_follow_up=True
        )
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
            if not fault.in_doubt:
                route.fall_back(delivery, now=now)
            _lapse_if_nobody_reached([delivery.decision_id], now)


def _tidy_up(now: datetime, limit: int) -> None:
    """Settles what a worker left behind that died: what had not left is queued again, what may have left is repeated
    where that is harmless and else given up rather than doubled, and what had left is followed up."""
    with transaction.atomic():
        stranded = Delivery.objects.filter(
            state__in=(State.CLAIMED, State.SENDING), claimed_at__lte=now - IN_DOUBT_AFTER
        ).order_by("claimed_at", "pk")
        free = turns.take_free(stranded.values_list("decision__enrolment_id", flat=True)[:limit])
        behind = list(
            stranded.select_for_update(skip_locked=True, of=("self",)).filter(decision__enrolment__in=free)[
                :limit
            ]
        )
        claiming.unclaim([one for one in behind if one.state == State.CLAIMED])
        doubtful = [one for one in behind if one.state == State.SENDING]
        repeat = [delivery.pk for delivery in doubtful if CHANNELS[delivery.channel].repeatable]
        give_up = [delivery.pk for delivery in doubtful if not CHANNELS[delivery.channel].repeatable]
        Delivery.objects.filter(pk__in=repeat).update(state=State.QUEUED)
        Delivery.objects.filter(pk__in=give_up).update(
            state=State.FAILED, provider_answer="interrupted; not repeated, so that nobody hears it twice"
        )
        _lapse_if_nobody_reached([d.decision_id for d in doubtful if d.pk in give_up], now)
    forgotten = Delivery.objects.filter(to_follow_up=True, sent_at__lte=now - IN_DOUBT_AFTER)
    reached.follow_up(list(forgotten.order_by("sent_at", "pk").values_list("pk", flat=True)[:limit]), now=now)


def _lapse_if_nobody_reached(decision_ids: list[UUID], now: datetime) -> None:
    alive = set(
        Delivery.objects.filter(
            decision_id__in=decision_ids, state__in=(*route.NOT_YET, *route.REACHED)
        ).values_list("decision_id", flat=True)
    )
    route.suppress({pk: Suppression.Reason.FAILED for pk in decision_ids if pk not in alive}, now=now)
