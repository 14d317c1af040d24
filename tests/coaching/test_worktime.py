"""Hours that count."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from coaching import worktime

BERLIN = ZoneInfo("Europe/Berlin")


def local(day: int, hour: int, minute: int = 0, *, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        (local(2, 9), 8, local(2, 17)),  # Monday, one whole day
        (local(2, 12), 8, local(3, 12)),
        (local(6, 16), 8, local(9, 16)),  # from Friday into Monday
        (local(7, 11), 8, local(9, 17)),  # from Saturday
        (local(2, 3), 1, local(2, 10)),  # before the day begins
    ],
)
def test_it_counts_working_hours_only(start: datetime, hours: float, end: datetime) -> None:
    assert worktime.add_hours(start, hours, BERLIN) == end


def test_it_skips_the_weekend_where_nights_count() -> None:
    assert worktime.add_hours(local(6, 15), 24, BERLIN, day=worktime.ALL_DAY) == local(9, 15)


def test_it_counts_real_hours_when_the_clocks_change() -> None:
    # The clocks go forward in the night to Sunday 29 March, which does not count; Monday is a day as any other.
    assert worktime.add_hours(local(27, 16), 8, BERLIN) == local(30, 16)


def test_it_measures_what_it_adds() -> None:
    start = datetime(2026, 3, 5, 14, 30, tzinfo=UTC)

    for hours in (0.5, 3, 8, 21.25, 40):
        end = worktime.add_hours(start, hours, BERLIN)
        assert worktime.hours_between(start, end, BERLIN) == pytest.approx(hours)


def test_it_counts_overdue_hours_as_negative() -> None:
    assert worktime.hours_between(local(3, 10), local(2, 16), BERLIN) == pytest.approx(-2)


def test_it_finds_the_next_working_morning() -> None:
    assert worktime.next_working_morning(local(6, 10), BERLIN) == local(9, 9)
    assert worktime.next_working_morning(local(2, 8), BERLIN) == local(2, 9)
