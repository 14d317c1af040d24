"""Percentiles within the cohort: the arithmetic, the nightly stage, and what serving compares with."""

from datetime import timedelta
from random import Random

import pytest
from django.db import IntegrityError, transaction

from consent import record
from consent.actors import SYSTEM
from consent.scopes import Scope
from learners.models import Enrolment
from signals.features import cohort, quantiles
from signals.features.cohort import grid_of, percentile, percentiles
from signals.features.refresh import refresh, refresh_enrolments
from signals.models import CohortGrid, FeatureRow
from tests.support.knowledge import day, enrolled, make_event

needs_database = pytest.mark.django_db


def cohort_of(number: int) -> list[Enrolment]:
    """People of one course and start; the n-th did n things on the first day."""
    people = [enrolled(f"person-{place:04d}") for place in range(number)]
    for place, enrolment in enumerate(people):
        if place:
            make_event(enrolment, day(1), amount=place)
    return people


def test_a_percentile_is_the_share_below_and_half_of_those_alike() -> None:
    grid = grid_of(range(101))

    assert grid is not None
    assert percentile(grid, 50) == 0.5
    assert percentile(grid, -1) == 0
    assert percentile(grid, 1000) == 1
    assert percentile(grid_of([3.0] * 20), 3) == 0.5


def test_a_percentile_is_unknown_among_fewer_than_ten() -> None:
    assert grid_of([1.0] * 9 + [None] * 20) is None
    assert grid_of([1.0] * 10) is not None
    assert percentile(None, 3) is None
    assert percentile(grid_of([1.0] * 10), None) is None


def test_the_order_of_adding_up_does_not_decide_who_stands_before_whom() -> None:
    import numpy as np

    one, other = 0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1
    grid = grid_of([one] * 10 + [other] * 10)

    assert one != other
    assert percentile(grid, one) == percentile(grid, other) == 0.5
    assert percentiles(grid, np.array([one, other])).tolist() == [0.5, 0.5]


def test_a_percentile_does_not_depend_on_the_order_of_people() -> None:
    values = [Random(1).random() for _ in range(57)]

    assert grid_of(values) == grid_of(sorted(values, reverse=True))


def test_whole_columns_give_the_same_percentiles_as_single_values() -> None:
    import numpy as np

    draw = Random(2)
    grid = grid_of(draw.choice([0.0, 0.0, draw.random()]) for _ in range(300))
    values = [0.0, 1.0, 0.5, float("nan"), *(draw.random() for _ in range(50))]

    column = percentiles(grid, np.array(values))

    assert [None if np.isnan(value) else value for value in column] == [percentile(grid, v) for v in values]
    assert np.isnan(percentiles(None, np.array([1.0]))).all()


@needs_database
@pytest.mark.slow
def test_it_compares_with_the_cohort_once_its_grid_is_made() -> None:
    people = cohort_of(11)
    refresh(now=day(2))
    assert FeatureRow.objects.get(pk=people[5].pk).values["amount_pct"] is None

    assert quantiles.renew(now=day(2.5)) == 1
    refresh_enrolments([person.pk for person in people], now=day(3))

    stood = [FeatureRow.objects.get(pk=person.pk).values["amount_pct"] for person in people]
    assert stood == sorted(stood)
    assert stood[5] == pytest.approx(0.5, abs=0.01)


@needs_database
@pytest.mark.slow
def test_it_compares_with_the_grid_of_the_moment_and_not_with_a_later_one() -> None:
    people = cohort_of(10)
    refresh(now=day(2))
    quantiles.renew(now=day(2.5))

    refresh_enrolments([people[0].pk], now=day(2.4))

    assert FeatureRow.objects.get(pk=people[0].pk).values["amount_pct"] is None


@needs_database
@pytest.mark.slow
def test_it_makes_no_grid_of_fewer_than_ten_nor_of_those_who_refuse() -> None:
    people = cohort_of(10)
    record.withdraw(subject=people[0].learner_id, scope=Scope.PROFILE, by=SYSTEM, now=day(1))
    refresh(now=day(2))

    assert quantiles.renew(now=day(2.5)) == 0
    assert not CohortGrid.objects.exists()


@needs_database
@pytest.mark.slow
def test_it_renews_a_grid_nightly_and_only_where_something_was_computed() -> None:
    people = cohort_of(10)
    refresh(now=day(2))
    assert quantiles.renew(now=day(2.5)) == 1
    assert quantiles.renew(now=day(2.6)) == 0
    assert quantiles.renew(now=day(5)) == 0

    refresh_enrolments([people[0].pk], now=day(5))

    assert quantiles.renew(now=day(5.1)) == 1


@needs_database
@pytest.mark.slow
def test_it_keeps_a_grid_as_long_as_features_were_compared_with_it() -> None:
    people = cohort_of(10)
    ids = [person.pk for person in people]
    refresh(now=day(2))
    for at in (3, 5, 7):
        quantiles.renew(now=day(at))
        refresh_enrolments(ids if at != 5 else ids[:5], now=day(at + 0.5))
    # The second was compared with by nobody any more once the third came and all were computed anew.
    refresh_enrolments(ids, now=day(8))
    quantiles.renew(now=day(9))

    assert list(CohortGrid.objects.order_by("as_of").values_list("as_of", flat=True)) == [day(7), day(9)]


@needs_database
@pytest.mark.slow
def test_it_draws_a_bounded_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantiles, "SAMPLE", 12)
    cohort_of(15)
    refresh(now=day(2))

    quantiles.renew(now=day(2) + timedelta(hours=1))

    assert CohortGrid.objects.get().people == 12


@needs_database
def test_a_grid_is_of_ten_people_or_more_and_one_per_moment() -> None:
    enrolment = enrolled()
    given = {
        "course": enrolment.course,
        "starts_on": enrolment.starts_on,
        "as_of": day(1),
        "feature_set": "x",
        "grids": {},
    }
    with pytest.raises(IntegrityError, match="a_grid_is_of_ten_people_or_more"), transaction.atomic():
        CohortGrid.objects.create(people=9, **given)

    CohortGrid.objects.create(people=10, **given)
    with pytest.raises(IntegrityError, match="one_grid_per_cohort_and_moment"), transaction.atomic():
        CohortGrid.objects.create(people=10, **given)


def test_everything_compared_is_a_feature() -> None:
    assert {feature.of for feature in cohort.FEATURES} == set(cohort.COMPARED)
