"""A few alerts are claimed together and leave one by one: what a withdrawal, a slow server or a dead worker changes."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from consent import record
from consent.actors import Party
from consent.models import AuditEntry
from consent.scopes import Scope
from interventions import claiming, deliver, limits, reached
from interventions.channels import CHANNELS, ChannelError
from interventions.channels.base import Channel
from interventions.models import AlertSlot, Attempt, Decision, Delivery, Episode, Suppression, Watch
from learners.models import Learner
from tests.support.coaching import NOW, make_circle, make_decision
from tests.support.interventions import make_delivery, make_slot

pytestmark = pytest.mark.django_db
LATER = NOW + deliver.IN_DOUBT_AFTER


class Post(Channel):
    """Keeps what it is given; ``before`` happens while it is being given."""

    def __init__(self) -> None:
        self.taken: list[UUID] = []
        self.before: Callable[[Delivery], None] = lambda _: None

    def send(self, delivery: Delivery, *, now: datetime) -> str:
        self.before(delivery)
        self.taken.append(delivery.pk)
        return "taken"


class WorkerDied(BaseException):
    """As a process that is killed: nothing of ours catches it."""


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Post:
    channel = Post()
    monkeypatch.setitem(CHANNELS, "email", channel)
    return channel


def queue(number: int = 1, *, minutes: int = 0) -> list[Delivery]:
    """So many people with one alert each that is due, in this order."""
    made = []
    for place in range(number):
        circle = make_circle(name=f"Robin {place}")
        decision = make_decision(circle.enrolment)
        due_at = NOW - timedelta(minutes=60 - place)
        make_slot(decision=decision, at=due_at)
        made.append(make_delivery(decision=decision, due_at=due_at))
    return made


def states() -> list[str]:
    return list(Delivery.objects.order_by("due_at").values_list("state", flat=True))


def refuse(learner: Learner, scope: Scope = Scope.NUDGE) -> None:
    record.withdraw(subject=learner.pk, scope=scope, by=Party("learner", learner.pk), now=NOW)


def test_it_sends_in_the_order_in_which_they_are_due_and_begins_each_window(post: Post) -> None:
    queued = queue(3)

    assert deliver.deliver(now=NOW) == 3

    assert post.taken == [delivery.pk for delivery in queued]
    assert states() == ["sent"] * 3
    assert not Delivery.objects.filter(to_follow_up=True).exists()
    windows = {attempt.reached_at for attempt in Attempt.objects.all()}
    assert (Attempt.objects.count(), windows) == (3, {NOW})
    assert AuditEntry.objects.filter(action="alert.sent").count() == 3
    week = NOW + limits.WINDOW + limits.ON_ITS_WAY
    assert {(slot.during.lower, slot.during.upper) for slot in AlertSlot.objects.all()} == {(NOW, week)}
    assert set(AlertSlot.objects.values_list("state", flat=True)) == {"committed"}
    assert Watch.objects.filter(review_at__gt=NOW).count() == 3


@pytest.mark.parametrize("scope", [Scope.NUDGE, Scope.PROFILE, Scope.RECORD])
def test_it_sends_nothing_to_somebody_who_refuses_between_claim_and_hand_over(
    post: Post, scope: Scope
) -> None:
    first, second = queue(2)
    post.before = lambda delivery: refuse(second.learner, scope)

    deliver.deliver(now=NOW)

    assert post.taken == [first.pk]
    assert states() == ["sent", "cancelled"]
    assert Suppression.objects.get(decision=second.decision_id).reason == "consent"
    # Nothing left, so their week keeps both its places.
    assert AlertSlot.objects.get(decision=second.decision_id).state == "released"


def test_it_asks_again_where_sending_is_slow(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = queue(2)

    def wait(_: Delivery) -> None:
        Delivery.objects.filter(pk=second.pk).update(due_at=NOW)

    clock = iter(range(0, 1000, 2))  # every look at the clock is two seconds after the one before
    monkeypatch.setattr(deliver, "monotonic", lambda: float(next(clock)))
    post.before = wait
    seen: list[list[UUID]] = []
    claim = claiming.claim

    def watched(decision_ids: list[UUID], *, now: datetime) -> list[Delivery]:
        seen.append(list(decision_ids))
        return claim(decision_ids, now=now)

    monkeypatch.setattr(claiming, "claim", watched)

    assert deliver.deliver(now=NOW) == 2

    assert seen == [[first.decision_id, second.decision_id], [second.decision_id]]
    assert post.taken == [first.pk, second.pk]
    assert states() == ["sent", "sent"]


def test_it_queues_again_what_had_not_left_when_a_worker_died(post: Post) -> None:
    (delivery,) = queue()
    claiming.claim([delivery.decision_id], now=NOW)  # and nothing more
    assert states() == ["claimed"]

    deliver.deliver(now=LATER - timedelta(seconds=1))
    assert post.taken == []  # its worker may be alive
    deliver.deliver(now=LATER)

    assert post.taken == [delivery.pk]
    # Seven days count from the moment at which it went out, not from the one at which it was claimed.
    slot = AlertSlot.objects.get()
    assert (slot.state, slot.during.lower) == ("committed", LATER)
    assert Delivery.objects.get().tries == 1


def test_it_leaves_one_message_in_doubt_when_a_worker_dies_and_never_sends_it_twice(post: Post) -> None:
    first, second, third = queue(3)

    def dies(delivery: Delivery) -> None:
        if delivery.pk == second.pk:
            post.taken.append(delivery.pk)  # it has left
            raise WorkerDied

    post.before = dies
    with pytest.raises(WorkerDied):
        deliver.deliver(now=NOW)
    post.before = lambda _: None
    deliver.deliver(now=LATER)

    assert post.taken == [first.pk, second.pk, third.pk]
    assert states() == ["sent", "failed", "sent"]
    assert Suppression.objects.get().decision_id == second.decision_id
    assert set(Attempt.objects.values_list("decision_id", flat=True)) == {
        first.decision_id,
        third.decision_id,
    }


def test_it_follows_up_what_a_dead_worker_had_sent(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    (delivery,) = queue()
    with monkeypatch.context() as patch:
        patch.setattr(reached, "follow_up", lambda *_, **__: 0)  # it dies before
        deliver.deliver(now=NOW)
    assert not Attempt.objects.exists()

    deliver.deliver(now=LATER)
    deliver.deliver(now=LATER + timedelta(hours=1))

    attempt = Attempt.objects.get()
    assert attempt.reached_at == NOW
    assert attempt.window_ends_at == NOW + timedelta(hours=72)
    assert AuditEntry.objects.filter(action="alert.sent").count() == 1
    assert post.taken == [delivery.pk]


def test_it_begins_one_window_whichever_channel_was_first(post: Post) -> None:
    (mail,) = queue()
    make_delivery(decision=mail.decision, channel="card", due_at=mail.due_at)

    deliver.deliver(now=NOW)

    assert states() == ["sent", "sent"]
    assert Attempt.objects.count() == 1
    assert AuditEntry.objects.filter(action="alert.sent").count() == 1
    assert AlertSlot.objects.count() == 1


def test_it_begins_no_window_for_what_came_back_before_it_was_followed_up(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue()
    with monkeypatch.context() as patch:
        patch.setattr(reached, "follow_up", lambda *_, **__: 0)
        deliver.deliver(now=NOW)
    Delivery.objects.update(state="failed")

    deliver.deliver(now=LATER)

    assert not Attempt.objects.exists()
    assert not Delivery.objects.filter(to_follow_up=True).exists()


def test_it_finds_the_other_place_where_its_own_is_wanted_too_soon(post: Post) -> None:
    first, second = queue(2)
    # Somebody reserved the first person's place 1 for the moment at which seven days from the due hour are over.
    begins = first.due_at + limits.WINDOW
    make_slot(decision=make_decision(first.decision.enrolment, step=7), at=begins)

    deliver.deliver(now=NOW)

    assert post.taken == [first.pk, second.pk]
    slot = AlertSlot.objects.get(decision=first.decision_id)
    assert (slot.place, slot.state, slot.during.lower) == (2, "committed", NOW)


def test_it_sends_the_others_where_one_no_longer_makes_sense(post: Post) -> None:
    first, second, third = queue(3)
    Episode.objects.filter(decisions=second.decision).update(closed_at=NOW, end="recovered")

    deliver.deliver(now=NOW)

    assert post.taken == [first.pk, third.pk]
    assert states() == ["sent", "cancelled", "sent"]
    assert Suppression.objects.get().reason == "recovered"


def test_it_tries_again_later_without_holding_up_the_others(post: Post) -> None:
    first, second = queue(2)

    def busy(delivery: Delivery) -> None:
        if delivery.pk == first.pk:
            raise ChannelError("busy", permanent=False)

    post.before = busy

    deliver.deliver(now=NOW)

    assert post.taken == [second.pk]
    assert set(states()) == {"queued", "sent"}
    waiting = Delivery.objects.get(pk=first.pk)
    assert waiting.tries == 1
    assert waiting.due_at > NOW
    # It was tried, so perhaps it was heard: its place stays used.
    assert AlertSlot.objects.get(decision=first.decision_id).state == "committed"
    assert Decision.objects.filter(lapsed_at__isnull=True).count() == 2


def test_it_asks_the_same_number_of_questions_for_few_and_for_many(post: Post) -> None:
    queue(14)
    ids = list(Delivery.objects.order_by("due_at").values_list("decision_id", flat=True))

    with CaptureQueriesContext(connection) as few:
        claimed = claiming.claim(ids[:2], now=NOW)
    with CaptureQueriesContext(connection) as many:
        claimed += claiming.claim(ids[2:], now=NOW)

    assert len(claimed) == 14
    assert len(many) <= len(few)
