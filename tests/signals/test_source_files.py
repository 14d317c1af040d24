"""What each source of files says: certificates, metrics, meetings, ratings."""

from datetime import UTC, datetime

import pytest
from django.db import connection

from learners.models import Course
from signals.features.rollup import recompute
from signals.models import DailyRollup, Event, Statement, Verb
from signals.sources import FileRefused, ratings
from signals.xapi import bodies
from tests.support.signals import make_course, make_enrolment
from tests.support.sources import bring, counts, known

pytestmark = pytest.mark.django_db


def statements() -> list[dict[str, object]]:
    return [
        bodies.decode(bytes(row.body))
        for row in Statement.objects.filter(voids=None).order_by("stored", "pk")
    ]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


# --- certificates ---------------------------------------------------------------------------------------------------


def test_it_takes_a_renewed_certificate_for_another_one() -> None:
    known()

    report = bring(
        "certificates",
        "person,credential,issued\nanna@example.com,First aid,2023-05-01\nanna@example.com,First aid,2025-05-01\n",
    )

    assert counts(report) == {"new": 2}


def test_it_corrects_a_date_where_the_certificate_has_a_number() -> None:
    known()
    text = "person,credential,issued,certificate_id\nanna@example.com,First aid,{},C-1\n"
    bring("certificates", text.format("2025-05-01"))

    assert counts(bring("certificates", text.format("2025-05-02"))) == {"changed": 1}


def test_it_tells_names_apart_that_differ_in_signs_only() -> None:
    known()
    names = ("C", "C++", "C#", "c", " C  ")

    report = bring(
        "certificates",
        "person,credential,issued\n" + "".join(f"anna@example.com,{n},2025-05-01\n" for n in names),
    )

    assert report.new == 3


def test_it_counts_a_certificate_for_the_course_it_names_and_for_no_other() -> None:
    anna, course = known(), make_course()
    enrolment = make_enrolment(anna, course)

    bring(
        "certificates",
        "person,credential,issued,course\n"
        f"anna@example.com,First aid,2026-02-01,{course.iri}\nanna@example.com,Forklift,2026-02-02,\n",
    )

    assert [event.enrolment_id for event in Event.objects.order_by("occurred_at")] == [enrolment.pk, None]


def test_it_refuses_a_certificate_that_expires_before_it_was_issued() -> None:
    report = bring(
        "certificates", "person,credential,issued,expires\nanna@example.com,First aid,2025-05-01,2024-05-01\n"
    )

    assert report.lines()[0] == "line 2: expires is before issued. Correct one of the two dates."


# --- project metrics ------------------------------------------------------------------------------------------------


def test_it_keeps_a_metrics_number_and_the_end_of_its_period() -> None:
    known()

    bring(
        "project_metrics", 'person,metric,value,period,unit\nanna@example.com,Cycle time,"3,5",2026-01,days\n'
    )

    event = Event.objects.get()
    assert (event.verb, event.value, event.scaled) == (Verb.MEASURED, 3.5, None)
    assert event.occurred_at == utc(2026, 1, 31, 12)


@pytest.mark.parametrize(
    ("period", "ends"),
    [
        ("2025", "2025-12-31"),
        ("2025-Q3", "2025-09-30"),
        ("2024-02", "2024-02-29"),
        ("2026-W01", "2026-01-04"),
    ],
)
def test_it_reads_periods_as_people_write_them(period: str, ends: str) -> None:
    known()

    bring("project_metrics", f"person,metric,value,period\nanna@example.com,Throughput,1,{period}\n")

    assert Event.objects.get().occurred_at.date().isoformat() == ends


def test_it_does_not_take_a_metric_for_learning() -> None:
    anna, course = known(), make_course()
    enrolment = make_enrolment(anna, course)
    bring("project_metrics", "person,metric,value,period\nanna@example.com,Throughput,1,2026-01\n")

    Event.objects.update(enrolment_id=enrolment.pk)  # even if a source placed it there
    recompute([(enrolment.pk, utc(2026, 1, 31).date())])

    assert not DailyRollup.objects.exists()


# --- meetings -------------------------------------------------------------------------------------------------------

TEAMS = (
    "1. Summary\nMeeting title\tSafety briefing\nAttended participants\t2\n"
    "Start time\t2/24/26, 9:00:00 AM\n\n2. Participants\n"
    "Name\tFirst Join\tLast Leave\tIn-Meeting Duration\tEmail\tParticipant ID (UPN)\tRole\n"
    "Anna\t2/24/26, 9:01:10 AM\t2/24/26, 9:59:10 AM\t58m\tanna@example.com\tanna@example.com\tPresenter\n"
    "Guest\t2/24/26, 9:02:00 AM\t2/24/26, 9:10:00 AM\t8m\t\t\tAttendee\n\n"
    "3. In-Meeting Activities\nName\tJoin Time\tLeave Time\tDuration\tEmail\tRole\n"
    "Anna\t2/24/26, 9:01:10 AM\t2/24/26, 9:59:10 AM\t58m\tanna@example.com\tPresenter\n"
).encode("utf-16")

ZOOM = """Meeting ID,Topic,Start Time,End Time,User Email,Duration (Minutes),Participants
812 3456,Safety briefing,02/24/2026 09:00:00 AM,02/24/2026 10:00:00 AM,host@example.com,60,2

Name (Original Name),User Email,Join Time,Leave Time,Duration (Minutes),Guest
Anna,anna@example.com,02/24/2026 09:00:00 AM,02/24/2026 09:20:00 AM,20,No
Anna,anna@example.com,02/24/2026 09:30:00 AM,02/24/2026 10:00:00 AM,30,No
"""


def test_it_reads_the_report_that_teams_exports() -> None:
    known()

    report = bring("meetings", TEAMS, dates="mdy", zone="Europe/Berlin")

    event = Event.objects.get()
    assert counts(report) == {"new": 1, "refused": 1}
    assert (event.verb, event.duration_s, event.occurred_at) == (
        Verb.ATTENDED,
        58 * 60,
        utc(2026, 2, 24, 8, 59, 10),
    )


def test_it_adds_up_the_stays_that_zoom_exports() -> None:
    known()

    report = bring("meetings", ZOOM, dates="mdy")

    assert counts(report) == {"new": 1}
    assert Event.objects.get().duration_s == 50 * 60


def test_it_never_guesses_which_is_the_day_and_which_the_month() -> None:
    report = bring("meetings", ZOOM)

    assert "Add --set dates=mdy" in report.lines()[0]
    assert not Statement.objects.exists()


def test_it_counts_two_devices_at_once_as_one_person() -> None:
    known()

    bring(
        "meetings",
        "person,meeting,joined,left\n"
        "anna@example.com,Briefing,2026-02-24T09:00Z,2026-02-24T09:40Z\n"
        "anna@example.com,Briefing,2026-02-24T09:10Z,2026-02-24T10:00Z\n",
    )

    assert Event.objects.get().duration_s == 60 * 60


def test_it_counts_a_live_class_for_its_course() -> None:
    anna, course = known(), make_course()
    enrolment = make_enrolment(anna, course)

    bring(
        "meetings",
        "person,meeting,joined,left\nanna@example.com,Class 1,2026-02-24T09:00Z,2026-02-24T10:00Z\n",
        course=course.iri,
    )
    recompute([(enrolment.pk, utc(2026, 2, 24).date())])

    assert DailyRollup.objects.get().seconds == 3600
    assert Course.objects.count() == 1


def test_it_says_when_a_file_has_no_attendance() -> None:
    with pytest.raises(FileRefused, match="no table of who was there"):
        bring("meetings", "a,b\n1,2\n")


# --- ratings --------------------------------------------------------------------------------------------------------

HEAD = "person,rater,relation,period,topic,rating,comment\n"


def peers(count: int, rating: int = 4) -> str:
    return "".join(
        f"anna@example.com,peer{number}@example.com,peer,2025-Q4,Teamwork,{rating},Comment {number}\n"
        for number in range(count)
    )


def test_it_keeps_a_managers_rating_as_a_share_of_its_scale() -> None:
    anna = known()

    bring("ratings", HEAD + "anna@example.com,boss@example.com,manager,2025-Q4,Teamwork,4,Well done\n")

    event = Event.objects.get()
    assert (event.learner_id, event.verb, event.scaled) == (anna.pk, Verb.WAS_RATED, 0.75)


def test_it_keeps_a_corrected_rating_in_place_of_the_first() -> None:
    known()
    row = "anna@example.com,boss@example.com,manager,2025-Q4,Teamwork,{},\n"
    bring("ratings", HEAD + row.format(4))

    assert counts(bring("ratings", HEAD + row.format(5))) == {"changed": 1}


def test_it_keeps_what_peers_say_only_together() -> None:
    known()

    report = bring("ratings", HEAD + peers(ratings.SMALLEST_GROUP))

    (statement,) = statements()
    assert counts(report) == {"new": 1}
    assert "peer0" not in str(statement)
    assert statement["context"]["extensions"][ratings.RATERS] == 5  # type: ignore[index]
    assert Event.objects.get().scaled == 0.75


def test_it_keeps_nothing_of_a_group_in_which_one_could_be_told() -> None:
    known()

    report = bring("ratings", HEAD + peers(ratings.SMALLEST_GROUP - 1))

    assert counts(report) == {"refused": 1}
    assert "begins a group of 4 peer ratings, of which nothing is kept" in report.lines()[0]
    assert not Statement.objects.exists()


def test_it_counts_a_peer_who_speaks_twice_once() -> None:
    known()
    four = peers(ratings.SMALLEST_GROUP - 1)

    report = bring("ratings", HEAD + four + four.splitlines()[0] + "\n")

    assert counts(report) == {"refused": 2}


def test_it_shows_no_comment_in_the_database() -> None:
    known()
    bring(
        "ratings", HEAD + "anna@example.com,boss@example.com,manager,2025-Q4,Teamwork,4,Speaks up bravely\n"
    )

    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(encode(body, 'escape'), '') FROM signals_statement")
        (text,) = cursor.fetchone()

    assert "bravely" not in text
    assert "bravely" in str(statements())


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("anna@example.com,b@example.com,friend,2025-Q4,Teamwork,4,", "relation is none we know"),
        ("anna@example.com,b@example.com,manager,2025-Q4,Teamwork,6,", "rating is not between 1 and 5"),
        ("anna@example.com,anna@example.com,peer,2025-Q4,Teamwork,4,", "the rater is the person rated"),
        ("anna@example.com,b@example.com,manager,autumn,Teamwork,4,", "period is none we know"),
    ],
)
def test_it_says_what_is_wrong_with_a_rating(row: str, fault: str) -> None:
    assert fault in bring("ratings", HEAD + row + "\n").lines()[0]
