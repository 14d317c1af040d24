"""Quiet hours hold in every zone of the world, whatever its clocks do."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interventions import timing
from interventions.policy.document import Limits

LONDON = ZoneInfo("Europe/London")
ZONES = sorted(available_timezones() - {"localtime", "Factory"})
START = datetime(2025, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PARTS = 4  # of the list of zones, so that both cores have some
CLOCKS = st.integers(0, 24 * 60 - 1).map(lambda minute: time(minute // 60, minute % 60))
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


# The first open moment, in every zone


def minute_by_minute(
    at: datetime, zone: ZoneInfo, limits: Limits, own: timing.OwnHours, *, working_only: bool
) -> datetime:
    """The first whole minute from ``at`` on that is not quiet, found by asking about each."""
    moment = at if at.second == 0 and at.microsecond == 0 else at.replace(second=0, microsecond=0) + MINUTE
    while timing.is_quiet(moment, zone, limits, own, working_only=working_only):
        moment += MINUTE
    return moment


def changes_of_clocks(zone: ZoneInfo, *, year: int) -> list[datetime]:
    """The hours of a year within which the zone's clocks are changed."""
    hours = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(hours=6 * n) for n in range(366 * 4)]
    offsets = [hour.astimezone(zone).utcoffset() for hour in hours]
    return [hours[n] for n in range(len(hours) - 1) if offsets[n] != offsets[n + 1]]


def check_first_open(
    at: datetime, zone: ZoneInfo, limits: Limits, own: timing.OwnHours = None, *, working_only: bool = False
) -> None:
    opens = timing.next_open(at, zone, limits, own, working_only=working_only)

    assert opens >= at
    assert not timing.is_quiet(opens, zone, limits, own, working_only=working_only)
    if opens > at:
        assert opens == minute_by_minute(at, zone, limits, own, working_only=working_only), (at, zone, limits)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    at=MOMENTS,
    zone=st.sampled_from(ZONES),
    start=CLOCKS,
    end=CLOCKS,
    own=st.none() | st.tuples(CLOCKS, CLOCKS).filter(lambda span: span[0] != span[1]),
    weekends=st.booleans(),
    working_only=st.booleans(),
)
def test_it_finds_the_first_open_minute(
    at: datetime,
    zone: str,
    start: time,
    end: time,
    own: timing.OwnHours,
    weekends: bool,
    working_only: bool,
) -> None:
    limits = Limits(quiet_from=f"{start:%H:%M}", quiet_to=f"{end:%H:%M}", quiet_weekends=weekends)

    check_first_open(at, ZoneInfo(zone), limits, own, working_only=working_only)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_it_finds_it_in_every_zone_around_each_change_of_clocks(part: int) -> None:
    """Overnight windows that end within the hour that is skipped, or that comes twice."""
    for name in ZONES[part::PARTS]:
        zone = ZoneInfo(name)
        for change in [*changes_of_clocks(zone, year=2026), datetime(2026, 6, 10, 22, tzinfo=UTC)]:
            hour = (change + timedelta(hours=3)).astimezone(zone).hour
            for quiet_to in (f"{hour:02}:30", "00:30"):
                limits = Limits(quiet_from="17:10", quiet_to=quiet_to, quiet_weekends=False)
                for later in (timedelta(minutes=-31), timedelta(minutes=10), timedelta(hours=4)):
                    check_first_open(change + later, zone, limits)


@pytest.mark.parametrize(
    ("at", "zone", "limits", "opens"),
    [
        # London skips 01:00 to 02:00: quiet until 01:30 ends when the clocks jump past it.
        (
            "2026-03-29T00:10+00:00",
            "Europe/London",
            Limits(quiet_from="20:00", quiet_to="01:30", quiet_weekends=False),
            "2026-03-29T01:00+00:00",
        ),
        # London shows 01:00 to 02:00 twice: the second 01:10 is quiet again, until the second 01:30.
        (
            "2026-10-25T01:10+00:00",
            "Europe/London",
            Limits(quiet_from="20:00", quiet_to="01:30", quiet_weekends=False),
            "2026-10-25T01:30+00:00",
        ),
        # Apia went from Thursday to Saturday over the date line.
        ("2011-12-30T09:00+00:00", "Pacific/Apia", Limits(), "2012-01-01T18:00+00:00"),
    ],
)
def test_it_knows_hours_that_are_skipped_or_come_twice(
    at: str, zone: str, limits: Limits, opens: str
) -> None:
    found = timing.next_open(datetime.fromisoformat(at), ZoneInfo(zone), limits)

    assert found == datetime.fromisoformat(opens)


def test_it_keeps_to_working_hours_where_nobody_knows_the_zone() -> None:
    limits = Limits(quiet_from="22:00", quiet_to="06:00", quiet_weekends=False)
    evening = datetime(2026, 3, 6, 17, 30, tzinfo=LONDON)  # a Friday

    assert timing.next_open(evening, LONDON, limits) == evening
    assert timing.next_open(evening, LONDON, limits, working_only=True) == datetime(
        2026, 3, 9, 9, tzinfo=LONDON
    )


def test_it_keeps_to_the_policy_s_open_hours_where_working_hours_would_leave_none() -> None:
    nights = Limits(quiet_from="07:00", quiet_to="20:00", quiet_weekends=False)
    noon = datetime(2026, 3, 9, 12, tzinfo=LONDON)

    assert timing.next_open(noon, LONDON, nights, working_only=True) == datetime(
        2026, 3, 9, 20, tzinfo=LONDON
    )
