"""Files as spreadsheets and meeting products really write them: nothing is lost without a word."""

from typing import Any

import pytest

from signals.models import Event, ImportRun, Statement
from signals.sources import FileRefused
from signals.xapi import bodies
from tests.support.sources import bring, counts, known

pytestmark = pytest.mark.django_db

PEOPLE = ("anna@example.com", "bert@example.com", "cora@example.com")
MEETING = "person,meeting,joined,left\n"
HOUR = "Briefing,2026-02-24T09:00Z,2026-02-24T10:00Z\n"


def everybody() -> None:
    for address in PEOPLE:
        known(address)


def test_it_takes_in_what_stands_below_an_empty_row() -> None:
    everybody()

    report = bring(
        "meetings",
        f"{MEETING}anna@example.com,{HOUR},,,\nbert@example.com,{HOUR}\ncora@example.com,{HOUR}anna@example.com,,,\n",
    )

    assert counts(report) == {"new": 3, "refused": 1}


def test_it_refuses_a_file_whose_quotation_mark_is_never_closed_whole() -> None:
    everybody()
    text = (
        "person,rater,relation,period,topic,rating,comment\n"
        "anna@example.com,bert@example.com,manager,2025,Care,4,ok\n"
        'bert@example.com,cora@example.com,manager,2025,Care,4,"good\n'
        "cora@example.com,bert@example.com,manager,2025,Care,1,bad\n"
    )

    with pytest.raises(FileRefused, match="Line 3 has a quotation mark that is never closed"):
        bring("ratings", text)

    assert not Statement.objects.exists()


def test_it_changes_nothing_where_a_file_cannot_be_read_to_its_end() -> None:
    known()
    rows = "".join(f"anna@example.com,Course {number},2025-05-01\n" for number in range(600))

    with pytest.raises(FileRefused, match="Line 602 cannot be read as CSV"):
        bring(
            "certificates", f"person,credential,issued\n{rows}anna@example.com,{'x' * 200_000},2025-05-01\n"
        )

    assert not Statement.objects.exists()


def test_it_finds_the_separator_by_the_header_and_not_by_what_people_write() -> None:
    everybody()

    report = bring(
        "ratings",
        "person;rater;relation;period;topic;rating;comment\r\n"
        "anna@example.com;bert@example.com;manager;2025;Care;4;quick, kind, calm, sure, exact, fair, firm, warm\r\n",
    )

    assert counts(report) == {"new": 1}


@pytest.mark.parametrize("value", ["1,234", "-12,000"])
def test_it_does_not_guess_whether_a_comma_stands_before_thousands(value: str) -> None:
    known()

    report = bring(
        "project_metrics", f'person,metric,value,period\nanna@example.com,Sales,"{value}",2025-01\n'
    )

    assert counts(report) == {"refused": 1}
    assert "thousands or decimals" in report.lines()[0]


def test_it_counts_the_stays_that_teams_lists_and_not_the_time_between_them() -> None:
    known()
    stay = "Anna\t{}\t{}\t5m\tanna@example.com\tPresenter\n"
    teams = (
        "1. Summary\nMeeting title\tBriefing\n\n2. Participants\n"
        "Name\tFirst Join\tLast Leave\tIn-Meeting Duration\tEmail\tParticipant ID (UPN)\tRole\n"
        "Anna\t2/24/26, 9:00:00 AM\t2/24/26, 10:00:00 AM\t10m\tanna@example.com\tanna@example.com\tPresenter\n\n"
        "3. In-Meeting Activities\nName\tJoin Time\tLeave Time\tDuration\tEmail\tRole\n"
        + stay.format("2/24/26, 9:00:00 AM", "2/24/26, 9:05:00 AM")
        + stay.format("2/24/26, 9:55:00 AM", "2/24/26, 10:00:00 AM")
    )

    report = bring("meetings", teams.encode("utf-16"), dates="mdy")

    assert counts(report) == {"new": 1}
    assert Event.objects.get().duration_s == 10 * 60


def test_it_does_not_count_the_time_in_zooms_waiting_room() -> None:
    known()
    zoom = (
        "Topic,ID,Host name,Host email,Start time,End time,Participants,Duration (minutes)\n"
        "Briefing,812,Boss,boss@example.com,02/24/2026 09:00:00 AM,02/24/2026 10:00:00 AM,1,60\n\n"
        "Name (original name),Email,Join time,Leave time,Duration (minutes),Guest,In waiting room\n"
        "Anna,anna@example.com,02/24/2026 08:40:00 AM,02/24/2026 09:00:00 AM,20,No,Yes\n"
        "Anna,anna@example.com,02/24/2026 09:00:00 AM,02/24/2026 09:30:00 AM,30,No,No\n"
    )

    bring("meetings", zoom, dates="mdy")

    assert Event.objects.get().duration_s == 30 * 60
    assert "Briefing" in str(bodies.decode(bytes(Statement.objects.get().body)))


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"zone": "Mars"}, "no such time zone"),
        ({"zone": "../../etc/passwd"}, "no such time zone"),
        ({"dates": "american"}, "mdy, dmy, ymd"),
        ({"course": "Safety"}, "course is no IRI"),
    ],
)
def test_it_says_which_setting_it_cannot_follow_and_holds_it_against_no_source(
    options: dict[str, Any], fault: str
) -> None:
    with pytest.raises(FileRefused, match=fault):
        bring("meetings", f"{MEETING}anna@example.com,{HOUR}", **options)

    assert not ImportRun.objects.exists()


def test_it_refuses_the_row_whose_course_or_day_cannot_be_and_takes_the_others() -> None:
    everybody()
    hour = HOUR.strip()

    report = bring(
        "meetings",
        f"person,meeting,joined,left,course\nanna@example.com,{hour},Safety\n"
        f"bert@example.com,Briefing,0001-01-01 00:00,0001-01-01 00:10,\ncora@example.com,{hour},\n",
        zone="Asia/Tokyo",
    )

    assert counts(report) == {"new": 1, "refused": 2}
