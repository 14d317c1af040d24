"""The training set: who is in it, what it may rest on, and that the same rows have the same hash."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from consent import record as consent
from consent.scopes import Scope
from learners.models import Course, Enrolment
from signals.features import shards
from signals.features.bulk import compute, tables, versions
from signals.features.bulk.ahead import DatedAhead
from signals.training.dataset import Dataset, NothingToLearnFrom, build, dataset_hash
from signals.training.population import at_risk
from signals.training.rows import take
from tests.support.consent import ADMIN
from tests.support.knowledge import day, enrolled, make_event, make_result
from tests.support.signals import make_enrolment, make_learner

database = pytest.mark.django_db
END_OF_DAY = timedelta(hours=23, minutes=59, seconds=59)
LATER = day(400)


def there(*days: int, now: datetime = LATER, course: Course | None = None) -> list[tuple[int, int]]:
    """(enrolment, day) of everyone at risk in the only course."""
    rows = at_risk(course_ids=[(course or Course.objects.get()).pk], days=days, now=now)
    return [(row.enrolment_id, row.day) for row in rows]


def built(*days: int, **more: Any) -> Dataset:
    return build(
        label="passed_by_end@1", days=days, course_ids=[Course.objects.get().pk], **{"now": LATER, **more}
    )


# --- who is in it --------------------------------------------------------------------------------------------------


@database
def test_a_row_is_as_of_the_last_second_of_its_day() -> None:
    enrolled()

    [row] = at_risk(course_ids=[Course.objects.get().pk], days=[14], now=LATER)

    assert row.as_of == day(14) + END_OF_DAY


@database
def test_it_has_who_left_up_to_the_day_they_left() -> None:
    stayed, left = enrolled("person-0001"), enrolled("person-0002")
    Enrolment.objects.filter(pk=left.pk).update(ended_at=day(14), state=Enrolment.State.WITHDRAWN)

    assert there(7, 14, 21) == [
        (stayed.pk, 7),
        (stayed.pk, 14),
        (stayed.pk, 21),
        (left.pk, 7),
    ]


@database
def test_it_has_who_was_never_active() -> None:
    silent = enrolled()

    data = built(7)

    assert data.enrolment_ids.tolist() == [silent.pk]
    assert data.features[0, data.keys.index("active_days")] == 0


@database
def test_it_has_nobody_before_they_were_enrolled() -> None:
    late = enrolled()
    Enrolment.objects.filter(pk=late.pk).update(enrolled_at=day(10))

    assert there(7, 14) == [(late.pk, 14)]


@database
def test_it_leaves_out_days_that_are_not_over() -> None:
    enrolment = enrolled()

    assert there(7, 8, now=day(8)) == [(enrolment.pk, 7)]


@database
def test_it_leaves_out_who_refuses_to_be_computed_about_or_to_have_their_records_used() -> None:
    stays, *gone = (enrolled(f"person-000{number}") for number in range(3))
    for enrolment, scope in zip(gone, (Scope.PROFILE, Scope.RECORD), strict=True):
        consent.withdraw(subject=enrolment.learner_id, scope=scope, by=ADMIN, now=day(300))

    assert there(7) == [(stays.pk, 7)]


@database
def test_it_leaves_out_who_was_erased() -> None:
    erased = enrolled()
    erased.learner.erased_at = day(300)
    erased.learner.save(update_fields=["erased_at"])

    assert there(7) == []


@database
def test_it_tells_a_start_apart_from_the_course_s_own() -> None:
    first = enrolled()
    course = first.course
    Course.objects.filter(pk=course.pk).update(starts_on=first.starts_on)
    make_enrolment(make_learner("person-0002"), course, starts_on=date(2026, 3, 2))

    cohorts = [row.cohort for row in at_risk(course_ids=[course.pk], days=[7], now=LATER)]

    assert cohorts[1] == f"{cohorts[0]}@2026-03-02"


@database
def test_it_says_so_where_there_is_nobody() -> None:
    enrolled()

    with pytest.raises(NothingToLearnFrom):
        built(7, now=day(3))


# --- what it rests on ----------------------------------------------------------------------------------------------


@database
def test_it_knows_nothing_of_what_came_after_a_row_s_day() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(3))
    make_event(enrolment, day(10))

    data = built(7, 14)

    assert data.features[:, data.keys.index("active_days")].tolist() == [1, 2]


@database
@pytest.mark.parametrize(
    ("table", "spoil"),
    [
        ("rollup", "UPDATE day_version SET last_at = last_at + 9000000"),
        ("material", "UPDATE opened SET day = day + 90"),
        ("result", "UPDATE result_version SET moment = moment + 9000000"),
        ("completion", "UPDATE completion_version SET moment = moment + 9000000"),
    ],
)
def test_it_refuses_what_is_dated_after_the_row(
    monkeypatch: pytest.MonkeyPatch, table: str, spoil: str
) -> None:
    make_result(enrolled(), day(3), scaled=0.5)

    def spoiled(duck: Any) -> None:
        versions.lay_out(duck)
        duck.execute(spoil)

    monkeypatch.setattr(compute, "lay_out", spoiled)

    with pytest.raises(DatedAhead, match=table):
        built(7)


@database
def test_it_refuses_a_rating_dated_after_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    enrolled()
    ahead = "SELECT p.point AS enrolment_id, 9e9 AS moment, 0.5 AS scaled FROM part p"
    monkeypatch.setattr(tables, "_TABLES", {**tables._TABLES, "rating": ahead})

    with pytest.raises(DatedAhead, match="rating"):
        built(7)


# --- its hash ------------------------------------------------------------------------------------------------------


@database
def test_the_hash_is_that_of_the_rows_in_any_order() -> None:
    import numpy as np

    for number in range(3):
        make_event(enrolled(f"person-000{number}"), day(number))
    data = built(7, 14)

    assert dataset_hash(take(data, np.array([5, 1, 3, 0, 2, 4]))) == dataset_hash(data)
    assert dataset_hash(take(data, np.array([0, 1, 2, 3, 4]))) != dataset_hash(data)


@database
def test_the_hash_does_not_mind_the_last_digits_of_a_sum_but_any_other_change() -> None:
    make_event(enrolled(), day(1))
    data = built(7)
    place = data.keys.index("recent_days_7")
    summed, changed = data.features.copy(), data.features.copy()
    summed[:, place] *= 1 + 1e-13
    changed[:, place] *= 1.01

    assert dataset_hash(replace(data, features=summed)) == dataset_hash(data)
    assert dataset_hash(replace(data, features=changed)) != dataset_hash(data)
    assert dataset_hash(replace(data, treated=~data.treated)) != dataset_hash(data)


# --- shards --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_every_shard_is_done_by_one_worker(workers: int) -> None:
    done = [shard.number for worker in range(workers) for shard in shards.share_of(worker, workers, shards=5)]

    assert sorted(done) == [0, 1, 2, 3, 4]


def test_every_enrolment_is_in_the_shard_that_says_so() -> None:
    ids = list(range(100, 160))
    parts = shards.split(ids, shards=7)

    assert sorted(pk for part in parts for pk in part) == ids
    for shard in shards.share_of(0, 1, shards=7):
        assert parts[shard.number] == [pk for pk in ids if pk in shard]


@database
def test_a_shard_means_the_same_in_sql() -> None:
    enrolments = [enrolled(f"person-000{number}").pk for number in range(5)]
    shard = shards.Shard(1, 3)

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM learners_enrolment WHERE {shard.condition('id')} ORDER BY id", [])
        found = [pk for (pk,) in cursor.fetchall()]

    assert found == [pk for pk in enrolments if pk in shard]


@pytest.mark.parametrize(("worker", "workers", "count"), [(2, 2, 4), (-1, 2, 4), (0, 1, 0)])
def test_a_worker_that_does_not_exist_is_refused(worker: int, workers: int, count: int) -> None:
    with pytest.raises(shards.NoSuchShard):
        list(shards.share_of(worker, workers, shards=count))


@database
def test_shards_together_are_what_all_are_at_once() -> None:
    enrolments = [enrolled(f"person-000{number}") for number in range(4)]
    for number, enrolment in enumerate(enrolments):
        make_event(enrolment, day(number))
    points = [(enrolment.pk, day(9)) for enrolment in enrolments]
    whole = compute.compute_table(points)

    apart: dict[int, Any] = {}
    for shard in shards.share_of(0, 1, shards=3):
        some = [point for point in points if point[0] in shard]
        table = compute.compute_table(some)
        apart |= dict(zip((pk for pk, _ in some), table.values, strict=True))

    for (pk, _), values in zip(points, whole.values, strict=True):
        assert apart[pk].tolist() == pytest.approx(values.tolist(), nan_ok=True)
