"""Daily rollups: always what the day's events say, however and whenever those came."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from learners.models import Enrolment
from signals import surroundings
from signals.features.refresh import refresh
from signals.features.rollup import recompute
from signals.models import DailyRollup, Device, EnrolmentMark, Event, Verb
from signals.models.events import OBSERVED
from tests.support.knowledge import day, enrolled, make_event, make_result

pytestmark = pytest.mark.django_db


def rollup_of(enrolment: Enrolment, at: datetime) -> dict[str, Any]:
    recompute([(enrolment.pk, at.date())])
    return dict(DailyRollup.objects.values().get(enrolment=enrolment, day=at.date()))


def test_it_counts_events_amounts_and_distinct_activities() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(1), activity=1, amount=5)
    make_event(enrolment, day(1.1), activity=1, amount=2)
    make_event(enrolment, day(1.2), activity=2)

    row = rollup_of(enrolment, day(1))

    assert (row["events"], row["amount"], row["activities"]) == (3, 8, 2)
    assert row["last_at"] == day(1.2)


def test_it_ends_a_learning_session_after_thirty_minutes_without_an_event() -> None:
    enrolment = enrolled()
    for minutes in (0, 30, 61):
        make_event(enrolment, day(1) + timedelta(minutes=minutes))

    row = rollup_of(enrolment, day(1))

    assert row["learning_sessions"] == 2
    assert row["seconds"] == 30 * 60


def test_it_takes_a_reported_duration_for_the_time_before_its_event() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(1))
    make_event(enrolment, day(1) + timedelta(minutes=20), duration_s=900)

    assert rollup_of(enrolment, day(1))["seconds"] == 900


def test_it_counts_results_failures_and_scores_of_the_day_against_the_pass_mark() -> None:
    enrolment = enrolled()
    make_result(enrolment, day(1), scaled=0.39)
    make_result(enrolment, day(1.1), scaled=0.4)
    make_result(enrolment, day(1.2), scaled=0.9, success=False)

    row = rollup_of(enrolment, day(1))

    assert (row["results"], row["failures"], row["score_count"]) == (3, 2, 3)
    assert row["score_sum"] == pytest.approx(1.69)


def test_it_counts_what_was_finished() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(1), verb=Verb.COMPLETED)
    make_event(enrolment, day(1.1), verb=Verb.PASSED)

    assert rollup_of(enrolment, day(1))["completions"] == 2


def test_it_takes_days_in_utc() -> None:
    enrolment = enrolled()
    make_event(enrolment, datetime(2026, 1, 10, 23, 59, 59, tzinfo=UTC))
    make_event(enrolment, datetime(2026, 1, 11, 0, 0, tzinfo=UTC))

    refresh(now=day(10))

    assert list(DailyRollup.objects.values_list("day__day", "events")) == [(10, 1), (11, 1)]


def test_it_drops_the_row_of_a_day_whose_events_were_all_voided() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(1))
    refresh(now=day(2))
    Event.objects.update(voided_seq=9)

    changed = recompute([(enrolment.pk, day(1).date())])

    assert changed == 1
    assert not DailyRollup.objects.exists()


def test_it_changes_nothing_when_nothing_changed() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(1))
    days = [(enrolment.pk, day(1).date()), (enrolment.pk, day(2).date())]

    assert recompute(days) == 1
    assert recompute(days) == 0


def test_it_leaves_the_events_of_others_alone() -> None:
    first, second = enrolled("person-0001"), enrolled("person-0002")
    make_event(first, day(1))
    make_event(second, day(1))

    refresh(now=day(2))

    assert list(DailyRollup.objects.order_by("enrolment").values_list("enrolment", "events")) == [
        (first.pk, 1),
        (second.pk, 1),
    ]


def test_it_needs_one_statement_however_many_days(django_assert_num_queries: Any) -> None:
    enrolment = enrolled()
    for number in range(5):
        make_event(enrolment, day(number))

    with django_assert_num_queries(3):  # another asks which months are cold, one says not to compile
        recompute([(enrolment.pk, day(number).date()) for number in range(5)])


def test_the_database_marks_an_enrolment_that_appears_or_ends() -> None:
    enrolment = enrolled()
    assert EnrolmentMark.objects.get(pk=enrolment.pk).dirty_since is not None
    refresh(now=day(1))
    assert EnrolmentMark.objects.get(pk=enrolment.pk).dirty_since is None

    Enrolment.objects.filter(pk=enrolment.pk).update(state="completed", ended_at=day(1))

    assert EnrolmentMark.objects.get(pk=enrolment.pk).dirty_since is not None


# --- dwell: what counts as time spent -------------------------------------------------------------------------------


def at(minutes: float) -> datetime:
    """So many minutes into the enrolment's second day."""
    return day(1) + timedelta(minutes=minutes)


def minutes_of(enrolment: Enrolment) -> float:
    return rollup_of(enrolment, day(1))["seconds"] / 60


def test_it_counts_time_once_where_a_report_and_other_events_cover_it() -> None:
    enrolment = enrolled()
    make_event(enrolment, at(0))
    make_event(enrolment, at(10))
    make_event(enrolment, at(20), verb=Verb.TERMINATED, duration_s=20 * 60)

    assert minutes_of(enrolment) == 20


def test_it_does_not_count_what_ran_in_the_background() -> None:
    enrolment = enrolled()
    make_event(enrolment, at(0))
    make_event(enrolment, at(10))
    make_event(enrolment, at(30), background_s=surroundings.WHOLE, device=Device.PHONE)

    assert minutes_of(enrolment) == 10


def test_it_does_not_count_background_time_that_another_report_covers() -> None:
    enrolment = enrolled()
    make_event(enrolment, at(30), duration_s=20 * 60, background_s=surroundings.WHOLE)
    make_event(enrolment, at(60), duration_s=60 * 60)

    assert minutes_of(enrolment) == 40


def test_it_takes_a_reported_background_from_the_end_of_the_time_before_its_event() -> None:
    enrolment = enrolled()
    make_event(enrolment, at(60), duration_s=60 * 60, background_s=45 * 60)

    assert minutes_of(enrolment) == 15


def test_it_does_not_count_a_long_silence_within_a_session_whatever_its_clock_says() -> None:
    enrolment = enrolled()
    make_event(enrolment, at(0), session=7)
    make_event(enrolment, at(10), session=7)
    make_event(enrolment, at(540), session=7, verb=Verb.TERMINATED, duration_s=540 * 60)

    assert minutes_of(enrolment) == 10


def test_it_believes_another_source_about_the_silence_of_a_session() -> None:
    enrolment = enrolled()
    make_event(enrolment, at(0), session=7)
    make_event(enrolment, at(100), verb=Verb.ATTENDED, duration_s=60 * 60)
    make_event(enrolment, at(120), session=7, duration_s=120 * 60)

    assert minutes_of(enrolment) == 60


def test_it_does_not_count_the_time_between_two_sessions() -> None:
    enrolment = enrolled()
    make_event(enrolment, at(0), session=7)
    make_event(enrolment, at(20), session=8)
    make_event(enrolment, at(25), session=8)

    assert minutes_of(enrolment) == 5


@pytest.mark.parametrize("verb", OBSERVED)
def test_it_does_not_take_what_others_say_for_activity(verb: Verb) -> None:
    enrolment = enrolled()
    make_event(enrolment, at(0), verb=verb, duration_s=600)

    assert recompute([(enrolment.pk, day(1).date())]) == 0
    assert not DailyRollup.objects.exists()
