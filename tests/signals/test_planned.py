"""Statements that are planned once: the same rows as planned anew, and nothing else is planned otherwise for it."""

import pytest
from django.db import DataError, connection, transaction

from consent.arrays import int8s
from signals.features import planned, serving
from signals.features.planned import fetch_planned
from signals.features.refresh import refresh
from tests.support.knowledge import day, enrolled, make_event, make_result

pytestmark = pytest.mark.django_db

TWICE = "SELECT id, %(times)s::int * id FROM unnest(%(ids)s::bigint[]) id WHERE id = ANY(%(ids)s::bigint[])"


def setting(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [name])
        return str(cursor.fetchone()[0])


@pytest.mark.parametrize("size", [1, planned.SMALL])
def test_it_takes_values_by_name_as_often_as_they_are_named(size: int) -> None:
    assert fetch_planned(TWICE, {"ids": int8s([1, 2]), "times": 2, "not_asked_for": 3}, size=size) == [
        (1, 2),
        (2, 4),
    ]


@pytest.mark.parametrize("size", [1, planned.SMALL])
def test_it_leaves_the_planning_of_others_as_it_was(size: int) -> None:
    fetch_planned(TWICE, {"ids": int8s([1]), "times": 2}, size=size)

    assert (setting("plan_cache_mode"), setting("enable_seqscan")) == ("auto", "on")


@pytest.mark.parametrize("size", [1, planned.SMALL])
def test_a_transaction_outlives_what_it_raises(size: int) -> None:
    with transaction.atomic():
        with pytest.raises(DataError):
            fetch_planned("SELECT 1 / unnest(%(ids)s::bigint[])", {"ids": int8s([0])}, size=size)

        assert (setting("plan_cache_mode"), setting("enable_seqscan")) == ("auto", "on")


def test_small_and_large_batches_have_the_same_features(monkeypatch: pytest.MonkeyPatch) -> None:
    people = [enrolled(f"person-{number}") for number in range(3)]
    for number, enrolment in enumerate(people):
        for at in range(1, 4 + number):
            make_event(enrolment, day(at), activity=at % 2)
            make_result(enrolment, day(at + 0.5), scaled=0.1 * at, activity=at)
    refresh(now=day(9))
    points = [(enrolment.pk, day(9)) for enrolment in people]
    small = serving.compute(points)

    monkeypatch.setattr(planned, "SMALL", 0)

    assert serving.compute(points) == small
    assert small[people[2].pk]["amount"] == 10
