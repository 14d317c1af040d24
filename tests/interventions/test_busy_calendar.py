"""Calendar files as other programs write them, good and bad."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interventions import busy_calendar
from interventions.busy_calendar import Busy, CalendarFault

ZONE = ZoneInfo("Europe/Berlin")
SINCE = date(2026, 3, 1)


def calendar(*events: str) -> bytes:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Works//Close//EN"]
    for event in events:
        lines += ["BEGIN:VEVENT", *event.split("\n"), "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


def read(*events: str) -> list[Busy]:
    return busy_calendar.read(calendar(*events), since=SINCE, zone=ZONE)


CLOSE = "UID:close\nSUMMARY:Quarter close\nDTSTART;VALUE=DATE:20260323\nDTEND;VALUE=DATE:20260328"


def test_it_reads_whole_days_with_the_end_left_out() -> None:
    assert read(CLOSE) == [Busy("close", "Quarter close", date(2026, 3, 23), date(2026, 3, 27))]


def test_it_follows_what_recurs_without_its_exceptions_and_with_what_was_moved() -> None:
    quarterly = f"{CLOSE}\nRRULE:FREQ=MONTHLY;INTERVAL=3\nEXDATE;VALUE=DATE:20260623"
    moved = (
        "UID:close\nRECURRENCE-ID;VALUE=DATE:20260923\nSUMMARY:Quarter close, later\n"
        "DTSTART;VALUE=DATE:20260928\nDTEND;VALUE=DATE:20261003"
    )

    found = read(quarterly, moved)

    assert [(one.first, one.last) for one in found] == [
        (date(2026, 3, 23), date(2026, 3, 27)),
        (date(2026, 9, 28), date(2026, 10, 2)),
        (date(2026, 12, 23), date(2026, 12, 27)),
        (date(2027, 3, 23), date(2027, 3, 27)),
        (date(2027, 6, 23), date(2027, 6, 27)),
    ]


def test_it_counts_each_day_a_timed_event_touches_on_the_organisation_s_clock() -> None:
    late = "UID:a\nSUMMARY:Night work\nDTSTART:20260323T200000Z\nDTEND:20260323T233000Z"

    assert read(late) == [Busy("a", "Night work", date(2026, 3, 23), date(2026, 3, 24))]


def test_it_leaves_out_what_was_cancelled_and_what_is_over() -> None:
    cancelled = "UID:b\nSTATUS:CANCELLED\nDTSTART;VALUE=DATE:20260401"
    over = "UID:c\nDTSTART;VALUE=DATE:20260101"

    assert [one.uid for one in read(CLOSE, cancelled, over)] == ["close"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hello", "no calendar file"),
        (b"\xff\xfe\x00BEGIN", "not UTF-8"),
        (b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", "ends in the middle"),
        (b"x" * 1_000_001, "larger than 1 MB"),
        (calendar("UID:a\nSUMMARY:Close\nDTSTART:2026-03"), "cannot be read: DTSTART"),
        (calendar("UID:a\nSUMMARY:Close"), "no first day"),
        (calendar("UID:a\nSUMMARY:C\nDTSTART;VALUE=DATE:20260323\nDTEND;VALUE=DATE:20260320"), "ends before"),
        (calendar("UID:a\nSUMMARY:C\nDTSTART:20260323T080000Z\nRRULE:FREQ=SECONDLY"), "recurs within a day"),
        (calendar("UID:a\nDTSTART;VALUE=DATE:20260323\nRRULE:FREQ=DAILY"), "more than 500"),
        (
            calendar("UID:a\nDTSTART;VALUE=DATE:20260323\nRRULE:FREQ=DAILY;UNTIL=soon"),
            "cannot be read: RRULE",
        ),
        (calendar("UID:a\nSUMMARY:C\nDTSTART;VALUE=DATE:20260301\nDTEND;VALUE=DATE:20261001"), "8 weeks"),
        (calendar("UID:a\nDTSTART;VALUE=DATE:20200101"), "nothing to declare"),
    ],
)
def test_it_says_what_is_wrong_with_a_file(content: bytes, said: str) -> None:
    with pytest.raises(CalendarFault, match=said):
        busy_calendar.read(content, since=SINCE, zone=ZONE)


@pytest.mark.slow
@given(st.binary(max_size=200), st.integers(0, len(calendar(CLOSE))))
def test_it_takes_or_refuses_any_bytes_and_never_breaks(noise: bytes, place: int) -> None:
    whole = calendar(f"{CLOSE}\nRRULE:FREQ=MONTHLY")

    try:
        found = busy_calendar.read(whole[:place] + noise + whole[place:], since=SINCE, zone=ZONE)
    except CalendarFault:
        return
    assert all(one.first <= one.last for one in found)
