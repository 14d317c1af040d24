"""Two alerts in any rolling 168 hours: looked for in code, refused by the database."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from interventions import limits
from interventions.models import AlertSlot, Decision, Episode
from interventions.policy import store
from learners.models import Learner
from tests.support.journey import Journey

NOW = datetime(2026, 3, 9, 10, tzinfo=UTC)
LEARNER = AlertSlot.Kind.LEARNER


def decisions(count: int) -> tuple[Learner, list[UUID]]:
    journey = Journey()
    episode = Episode.objects.create(
        enrolment=journey.enrolment, triggers=["inactivity"], ladder="normal", opened_at=NOW, signal_at=NOW
    )
    made = Decision.objects.bulk_create(
        Decision(
            enrolment=journey.enrolment,
            episode=episode,
            step=step,
            policy=store.live(),
            action="nudge",
            known_seq=0,
            at=NOW,
            snapshot={},
        )
        for step in range(count)
    )
    return journey.learner, [decision.pk for decision in made]


@pytest.mark.django_db
def test_it_gives_two_places_and_refuses_the_third_until_168_hours_have_passed() -> None:
    learner, ids = decisions(4)

    def reserve(pk: UUID, at: datetime) -> bool:
        return bool(limits.reserve(kind=LEARNER, wanted={pk: (learner.pk, at)}))

    assert reserve(ids[0], NOW)
    assert reserve(ids[1], NOW + timedelta(hours=1))
    assert not reserve(ids[2], NOW + timedelta(hours=167, minutes=59))
    assert reserve(ids[3], NOW + timedelta(hours=168))


@pytest.mark.django_db
def test_it_gives_a_released_place_to_the_next() -> None:
    learner, ids = decisions(3)
    limits.reserve(kind=LEARNER, wanted={pk: (learner.pk, NOW) for pk in ids[:2]})

    limits.release(decision_ids=[ids[0]])

    assert limits.reserve(kind=LEARNER, wanted={ids[2]: (learner.pk, NOW)}) == {ids[2]}


@pytest.mark.django_db
def test_it_is_the_database_that_refuses_a_third_alert() -> None:
    learner, ids = decisions(3)
    limits.reserve(kind=LEARNER, wanted={pk: (learner.pk, NOW) for pk in ids[:2]})

    with pytest.raises(IntegrityError, match="places_in_the_cap_ledger_never_overlap"), transaction.atomic():
        AlertSlot.objects.create(
            kind=LEARNER,
            learner=learner,
            holder=limits.holder(LEARNER, learner.pk),
            place=1,
            during=DateTimeTZRange(NOW + timedelta(hours=100), NOW + timedelta(hours=268)),
            decision_id=ids[2],
        )


@pytest.mark.django_db
def test_it_counts_168_hours_from_the_moment_of_sending() -> None:
    learner, ids = decisions(3)
    limits.reserve(kind=LEARNER, wanted={pk: (learner.pk, NOW) for pk in ids[:2]})
    later = NOW + timedelta(hours=30)

    assert limits.commit(decision=Decision.objects.get(pk=ids[0]), kind=LEARNER, now=later)

    assert (
        not limits.reserve(kind=LEARNER, wanted={ids[2]: (learner.pk, NOW + timedelta(hours=170))})
        or AlertSlot.objects.get(decision_id=ids[2]).place == AlertSlot.objects.get(decision_id=ids[1]).place
    )


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_holds_when_sixteen_workers_want_the_same_place_at_once() -> None:
    learner, ids = decisions(48)

    def worker(pk: UUID) -> bool:
        try:
            with transaction.atomic():
                return bool(limits.reserve(kind=LEARNER, wanted={pk: (learner.pk, NOW)}))
        finally:
            connection.close()

    run: Callable[[UUID], bool] = worker
    with ThreadPoolExecutor(max_workers=16) as pool:
        won = list(pool.map(run, ids))

    assert sum(won) == 2
    assert AlertSlot.objects.filter(kind=LEARNER).exclude(state="released").count() == 2
