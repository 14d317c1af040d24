"""Who gets a learner's last place: the step that is worth most. What loses it is told to what.

Steps of one batch are compared with each other, and with those that hold a place and have not gone out yet. A place
that was used is nobody's to give.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from interventions import limits, turns
from interventions.models import AlertSlot, Decision, Delivery

KIND = AlertSlot.Kind.LEARNER


class Bid(NamedTuple):
    """A step that wants a place."""

    decision_id: UUID
    learner_id: UUID
    at: datetime  # when it would go out
    expected: float  # minutes of work it is worth


class Award(NamedTuple):
    """Who has a place, and why the others have none."""

    placed: set[UUID]
    outbid: dict[UUID, UUID]  # a step of this batch that lost → what won
    displaced: dict[UUID, UUID]  # a step that waited and lost its place → what won
    capped: set[UUID]  # all places were used


def award(bids: Sequence[Bid]) -> Award:
    """Hands out places, the highest expected value first. Inside a transaction; learners' rows are locked.

    Of ``displaced`` the messages are the caller's to call off.
    """
    placed: set[UUID] = set()
    without: list[Bid] = []
    ordered = sorted(bids, key=lambda bid: (-bid.expected, bid.decision_id))
    # One after the other of each learner, all learners at once.
    rounds: dict[UUID, list[Bid]] = defaultdict(list)
    for bid in ordered:
        rounds[bid.learner_id].append(bid)
    for turn in range(max(map(len, rounds.values()), default=0)):
        bidding = [own[turn] for own in rounds.values() if len(own) > turn]
        won = limits.reserve(kind=KIND, wanted={bid.decision_id: (bid.learner_id, bid.at) for bid in bidding})
        placed |= won
        without += [bid for bid in bidding if bid.decision_id not in won]
    if not without:
        return Award(placed, {}, {}, set())
    return _contest(placed, without)


def _contest(placed: set[UUID], without: Sequence[Bid]) -> Award:
    """Those without a place against those that hold one and have not gone out."""
    holding = _waiting({bid.learner_id for bid in without})
    outbid, displaced, capped = dict[UUID, UUID](), dict[UUID, UUID](), set[UUID]()
    for bid in without:
        during = (bid.at, bid.at + limits.WINDOW)
        rivals = [one for one in holding[bid.learner_id] if one.begins < during[1] and during[0] < one.ends]
        weakest = min(rivals, key=lambda one: (one.expected, one.decision_id), default=None)
        if weakest is None:
            capped.add(bid.decision_id)
        elif weakest.expected >= bid.expected or not weakest.is_movable or weakest.decision_id in placed:
            outbid[bid.decision_id] = weakest.decision_id
        else:
            limits.release(decision_ids=[weakest.decision_id])
            if limits.reserve(kind=KIND, wanted={bid.decision_id: (bid.learner_id, bid.at)}):
                placed.add(bid.decision_id)
                displaced[weakest.decision_id] = bid.decision_id
                holding[bid.learner_id].remove(weakest)
            else:  # its place alone does not help: the other one is used for part of the time
                limits.reserve(kind=KIND, wanted={weakest.decision_id: (bid.learner_id, weakest.begins)})
                capped.add(bid.decision_id)
    return Award(placed, outbid, displaced, capped)


class _Holder(NamedTuple):
    decision_id: UUID
    begins: datetime
    ends: datetime
    expected: float
    is_movable: bool  # nothing of it has gone out or is going out just now


def _waiting(learner_ids: set[UUID]) -> dict[UUID, list[_Holder]]:
    """The steps of these learners that hold a place without having used it."""
    slots = list(
        AlertSlot.objects.filter(kind=KIND, learner_id__in=learner_ids, state=AlertSlot.State.RESERVED)
        .order_by("pk")
        .values_list("decision_id", "learner_id", "during", "decision__enrolment_id")
    )
    ids = [decision_id for decision_id, *_ in slots]
    # A step about which somebody decides just now stays: they may wait for this learner's places, which we hold.
    free = turns.take_free(enrolment_id for *_, enrolment_id in slots)
    # Messages before places, as a send locks them; whatever is being sent is passed over.
    locked = set(
        Delivery.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(decision_id__in=ids, state=Delivery.State.QUEUED)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    messages: dict[UUID, list[bool]] = defaultdict(list)
    for pk, decision_id in Delivery.objects.filter(decision_id__in=ids).values_list("pk", "decision_id"):
        messages[decision_id].append(pk in locked)
    worth = expected_values(ids)
    found: dict[UUID, list[_Holder]] = defaultdict(list)
    for decision_id, learner_id, during, enrolment_id in slots:
        found[learner_id].append(
            _Holder(
                decision_id,
                during.lower,
                during.upper,
                worth.get(decision_id, 0.0),
                enrolment_id in free and bool(messages[decision_id]) and all(messages[decision_id]),
            )
        )
    return found


def expected_values(decision_ids: Sequence[UUID]) -> Mapping[UUID, float]:
    """Minutes that each of these decisions is worth; 0 where a person chose it and nobody did the sum."""
    rows = Decision.objects.filter(pk__in=decision_ids).values_list("pk", "expected_value")
    return {pk: value or 0.0 for pk, value in rows}
