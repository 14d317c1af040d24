"""Who gets the last place: what is worth most, in a batch and against what waits. The loser is told to what."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from interventions import bidding, limits, route
from interventions.bidding import Bid
from interventions.models import AlertSlot, Decision, Delivery, Suppression
from interventions.policy import store
from tests.support.coaching import Circle, make_circle, make_decision
from tests.support.learners import make_course, make_enrolment

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)


def steps(circle: Circle, *worth: float) -> list[Decision]:
    """Steps of one learner in as many courses."""
    return [
        make_decision(
            make_enrolment(learner=circle.learner, course=make_course()), now=NOW, expected_value=expected
        )
        for expected in worth
    ]


def send(decisions: list[Decision], *, now: datetime = NOW) -> None:
    route.route(decisions, policy=store.document(store.live()), now=now)


def fate(decision: Decision) -> tuple[str, UUID | None]:
    """Queued, or the reason why not and what won."""
    lost = Suppression.objects.filter(decision=decision).first()
    if lost is not None:
        return lost.reason, lost.lost_to_id
    states = set(Delivery.objects.filter(decision=decision).values_list("state", flat=True))
    assert states == {"queued"}
    return "queued", None


def test_it_gives_the_places_to_the_two_that_are_worth_most() -> None:
    low, high, middle = steps(make_circle(), 5, 40, 20)

    send([low, high, middle])

    assert fate(high)[0] == fate(middle)[0] == "queued"
    assert fate(low) == ("outbid", middle.pk)


def test_it_takes_the_place_of_one_that_waits_and_is_worth_less() -> None:
    low, high = steps(make_circle(), 5, 40)
    send([low, high])
    (better,) = steps_of_same(low, 20)

    send([better])

    assert fate(better)[0] == fate(high)[0] == "queued"
    assert fate(low) == ("outbid", better.pk)
    assert not Delivery.objects.filter(decision=low, state="queued").exists()


def test_it_keeps_the_place_of_one_that_waits_and_is_worth_as_much() -> None:
    first, high = steps(make_circle(), 20, 40)
    send([first, high])
    (same,) = steps_of_same(first, 20)

    send([same])

    assert fate(same) == ("outbid", first.pk)


def test_it_takes_nothing_from_what_has_gone_out() -> None:
    one, two = steps(make_circle(), 1, 2)
    send([one, two])
    for decision in (one, two):
        assert limits.commit(decision=decision, kind=AlertSlot.Kind.LEARNER, now=NOW)
    (better,) = steps_of_same(one, 50)

    send([better], now=NOW + timedelta(hours=1))

    assert fate(better) == ("cap", None)


def test_it_takes_nothing_from_what_is_being_sent() -> None:
    low, high = steps(make_circle(), 5, 40)
    send([low, high])
    Delivery.objects.filter(decision=low).update(state="sending", claimed_at=NOW)
    (better,) = steps_of_same(low, 20)

    send([better])

    assert fate(better) == ("outbid", low.pk)


def test_it_never_places_more_than_two_whatever_the_order() -> None:
    circle = make_circle()
    for worth in (5.0, 9.0, 1.0, 30.0, 30.0, 2.0):
        send(steps(circle, worth))

    kept = [
        slot.decision.expected_value or 0.0
        for slot in AlertSlot.objects.exclude(state="released").select_related("decision")
    ]
    assert sorted(kept) == [30.0, 30.0]
    assert Suppression.objects.filter(reason="outbid", lost_to__isnull=False).count() == 4


def test_it_does_not_mix_learners_up() -> None:
    one, other = make_circle(), make_circle()
    bids = [
        Bid(decision.pk, decision.enrolment.learner_id, NOW, decision.expected_value or 0)
        for decision in [*steps(one, 1, 2), *steps(other, 3, 4)]
    ]

    assert len(bidding.award(bids).placed) == 4


def test_it_asks_the_database_equally_often_for_few_learners_and_many() -> None:
    def queries(count: int) -> int:
        bids = [
            Bid(decision.pk, decision.enrolment.learner_id, NOW, 1.0)
            for _ in range(count)
            for decision in steps(make_circle(), 1, 2, 3)
        ]
        with CaptureQueriesContext(connection) as captured:
            assert len(bidding.award(bids).outbid) == count
        return len(captured)

    assert queries(1) == queries(4)


def steps_of_same(other: Decision, *worth: float) -> list[Decision]:
    """Further steps of the same learner."""
    return [
        make_decision(
            make_enrolment(learner=other.enrolment.learner, course=make_course()),
            now=NOW,
            expected_value=expected,
        )
        for expected in worth
    ]
