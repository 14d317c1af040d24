"""Quiet hours hold in every zone of the world, whatever its clocks do."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interventions import timing
from interventions.policy.document import Limits

LONDON = ZoneInfo("Europe/London")
ZONES = sorted(available_timezones() - {"localtime", "Factory"})
START = datetime(2025, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 3 * 365 * 24 * 60).map(lambda minutes: START + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("day", "clock", "quiet"),
    [(9, (7, 59), True), (9, (8, 0), False), (9, (17, 59), False), (9, (18, 0), True), (7, (12, 0), True)],
)
def test_it_is_quiet_at_night_and_at_weekends(day: int, clock: tuple[int, int], quiet: bool) -> None:
    assert timing.is_quiet(datetime(2026, 3, day, *clock, tzinfo=LONDON), LONDON, Limits()) is quiet


def test_it_waits_from_friday_evening_to_monday_morning() -> None:
    friday = datetime(2026, 3, 6, 19, tzinfo=LONDON)

    assert timing.next_open(friday, LONDON, Limits()) == datetime(2026, 3, 9, 8, tzinfo=LONDON)


def test_it_opens_at_eight_on_the_clock_after_the_clocks_change() -> None:
    saturday = datetime(2026, 3, 28, 12, tzinfo=LONDON)  # clocks go forward on the 29th

    assert timing.next_open(saturday, LONDON, Limits()) == datetime(2026, 3, 30, 7, tzinfo=UTC)


@given(at=MOMENTS, zone=st.sampled_from(ZONES), start=st.integers(0, 23), end=st.integers(0, 23))
def test_it_always_finds_an_hour_that_is_not_quiet(at: datetime, zone: str, start: int, end: int) -> None:
    limits = Limits(quiet_from=f"{start:02}:00", quiet_to=f"{end:02}:00")
    where = ZoneInfo(zone)

    opens = timing.next_open(at, where, limits)

    assert at <= opens <= at + timedelta(days=4)
    assert not timing.is_quiet(opens, where, limits)


def test_it_keeps_to_the_recipient_s_own_hours_on_top_of_the_policy_s() -> None:
    lunch = (time(12), time(13, 30))
    noon = datetime(2026, 3, 9, 12, tzinfo=LONDON)

    assert timing.is_quiet(noon, LONDON, Limits(), lunch)
    assert timing.next_open(noon, LONDON, Limits(), lunch) == datetime(2026, 3, 9, 13, 30, tzinfo=LONDON)
    assert timing.is_quiet(datetime(2026, 3, 9, 19, tzinfo=LONDON), LONDON, Limits(), lunch)
    assert not timing.is_quiet(datetime(2026, 3, 9, 11, tzinfo=LONDON), LONDON, Limits(), lunch)


def test_it_waits_past_both_ends_where_own_hours_begin_in_the_policy_s() -> None:
    morning = (time(6), time(10))
    early = datetime(2026, 3, 9, 7, tzinfo=LONDON)

    assert timing.next_open(early, LONDON, Limits(), morning) == datetime(2026, 3, 9, 10, tzinfo=LONDON)


def test_it_takes_own_hours_that_leave_no_time_for_none() -> None:
    all_day = (time(7), time(19))
    noon = datetime(2026, 3, 9, 12, tzinfo=LONDON)

    assert not timing.is_quiet(noon, LONDON, Limits(), all_day)
    assert timing.next_open(noon, LONDON, Limits(), all_day) == noon
