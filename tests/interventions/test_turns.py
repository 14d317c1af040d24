"""Deciding holds watches and then calls messages off; whoever else calls one off asks for the watch first."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from interventions import deliver, outcomes, route, turns
from interventions.models import Attempt, Decision, Delivery, Episode, Suppression, Watch
from tests.signals.test_refresh_meeting import Elsewhere
from tests.support.interventions import NOW, make_attempt, make_contents, make_decision, make_delivery

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def lock(row: Any) -> None:
    """Locks this row, as deciding does when it calls it off; fails where somebody else holds it."""
    type(row).objects.select_for_update(nowait=True).get(pk=row.pk)


def watched(enrolment_id: int) -> None:
    """Whoever was decided about once has a watch."""
    Watch.objects.create(pk=enrolment_id)


def test_settling_passes_over_whom_somebody_decides_about() -> None:
    delivery = make_delivery(expires_at=NOW - timedelta(hours=1))
    watched(delivery.decision.enrolment_id)
    with transaction.atomic():
        turns.wait_for([delivery.decision.enrolment_id])

        settled: list[int] = []
        Elsewhere(lambda: settled.append(route.settle(now=NOW))).done()
        lock(delivery)

    assert settled == [0]
    assert route.settle(now=NOW) == 1
    assert Suppression.objects.get().reason == "expired"


def test_judging_passes_over_whom_somebody_decides_about() -> None:
    attempt = make_attempt(window_ends_at=NOW - timedelta(hours=1), reached_at=NOW - timedelta(days=3))
    Decision.objects.update(snapshot=None)  # nothing to compare with: no improvement
    watched(attempt.decision.enrolment_id)
    with transaction.atomic():
        turns.wait_for([attempt.decision.enrolment_id])

        judged: list[int] = []
        Elsewhere(lambda: judged.append(outcomes.judge(now=NOW))).done()
        lock(attempt.episode)

    assert judged == [0]
    assert outcomes.judge(now=NOW) == 1
    assert Attempt.objects.get().judged_at == NOW


def test_a_send_holds_no_message_while_it_waits_for_deciding() -> None:
    make_contents()
    delivery = make_delivery()
    Episode.objects.update(closed_at=NOW, end="recovered")  # so that it is called off
    with transaction.atomic():
        turns.wait_for([delivery.decision.enrolment_id])

        sending = Elsewhere(lambda: deliver.deliver(now=NOW))
        sending.join(0.3)
        assert sending.is_alive()
        lock(delivery)
    sending.done()

    assert Delivery.objects.get().state == "cancelled"
    assert Suppression.objects.get().reason in ("recovered", "consent")


def test_it_makes_the_watch_that_is_missing_and_takes_only_what_is_free() -> None:
    one, other = make_decision().enrolment_id, make_decision().enrolment_id
    watched(one)
    with transaction.atomic():
        turns.wait_for([one])

        taken: list[set[int]] = []

        def take() -> None:
            with transaction.atomic():
                taken.append(turns.take_free([one, other]))

        Elsewhere(take).done()

    assert taken == [{other}]
    assert set(Watch.objects.values_list("pk", flat=True)) == {one, other}
