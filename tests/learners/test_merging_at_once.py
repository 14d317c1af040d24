"""Merges that meet each other, or statements on their way in."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from learners.merging.gather import gather
from learners.merging.merge import CannotMerge, merge
from learners.models import Enrolment, Learner, Merge
from signals.models import Event
from tests.support.consent import ADMIN, Elsewhere
from tests.support.knowledge import make_event
from tests.support.learners import make_learner as make_person
from tests.support.signals import (
    account,
    identify,
    make_course,
    make_credential,
    make_enrolment,
    send,
    statement,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def people() -> tuple[Learner, Learner, Enrolment]:
    one, other = make_person(), make_person()
    identify(other, account("second"))
    return one, other, make_enrolment(other, make_course())


def test_it_lets_one_of_two_opposite_merges_win() -> None:
    one, other, _ = people()

    with transaction.atomic():
        merge(duplicate=other.pk, into=one.pk, by=ADMIN, now=NOW)
        opposite = Elsewhere(lambda: merge(duplicate=one.pk, into=other.pk, by=ADMIN, now=NOW))
        assert opposite.still_waits()

    with pytest.raises(CannotMerge, match="merged into another record already"):
        opposite.answer()
    assert Merge.objects.get().kept_id == one.pk


def test_it_lets_what_comes_in_wait_for_the_merge_and_follow_it() -> None:
    one, other, enrolment = people()
    credential = make_credential().credential
    at = NOW - timedelta(days=5)

    def comes_in() -> Any:
        return send(statement(actor=account("second"), at=at), credential=credential)

    comes_in()
    with transaction.atomic():
        merge(duplicate=other.pk, into=one.pk, by=ADMIN, now=NOW)
        late = Elsewhere(comes_in)
        assert late.still_waits()
    late.answer()

    # It knew the duplicate when it was read, and was written after the merge.
    assert Event.objects.filter(learner_id=other.pk).count() == 1
    assert gather(now=NOW) == 1
    assert gather(now=NOW) == 0
    assert set(Event.objects.values_list("learner_id", "enrolment_id")) == {(one.pk, enrolment.pk)}


def test_it_gathers_what_came_late_for_an_enrolment_told_twice() -> None:
    one, other, twin = people()
    kept = make_enrolment(one, twin.course)
    merge(duplicate=other.pk, into=one.pk, by=ADMIN, now=NOW)
    make_event(twin, NOW - timedelta(days=4))

    assert gather(now=NOW) == 1

    assert set(Event.objects.values_list("learner_id", "enrolment_id")) == {(one.pk, kept.pk)}
