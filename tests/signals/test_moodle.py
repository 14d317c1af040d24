"""Asking Moodle: only the configured site, page by page, from the watermark on; and never with the token in sight."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from io import StringIO
from socketserver import ThreadingTCPServer  # not HTTPServer, which asks for the machine's name and waits
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.core.management import CommandError, call_command

from signals.models import Event, Feed, ImportRun, Verb
from signals.sources import moodle
from signals.sources.base import PullFailed
from signals.sources.moodle import check_address
from signals.sources.pulling import pull, pull_due
from tests.support.signals import make_course, make_enrolment
from tests.support.sources import NOW, counts, known

pytestmark = pytest.mark.django_db

TOKEN = "a-token-nobody-may-see"


def seconds(at: datetime) -> int:
    return int(at.timestamp())


DONE = datetime(2026, 2, 20, 10, tzinfo=UTC)


class FakeMoodle:
    """A site with one course (7), a page (31) and a quiz (32), and the people given."""

    def __init__(self) -> None:
        self.people: list[dict[str, Any]] = [
            {"id": 5, "username": "anna", "email": "anna@example.com", "lastcourseaccess": seconds(DONE)}
        ]
        self.graderaw: float | None = 80.0
        self.graded_at = DONE + timedelta(hours=1)
        self.refuse: set[str] = set()
        self.has_moved = False
        self.calls: list[dict[str, str]] = []
        self.paths: list[str] = []

    def answer(self, form: dict[str, str]) -> Any:
        self.calls.append(form)
        function = form["wsfunction"]
        if form["wstoken"] != TOKEN or function in self.refuse:
            return {"exception": "moodle_exception", "errorcode": "invalidtoken", "message": "Invalid token"}
        return getattr(self, function)(form)

    def core_course_get_courses(self, form: dict[str, str]) -> Any:
        return [{"id": 1}, {"id": 7}]

    def core_course_get_contents(self, form: dict[str, str]) -> Any:
        return [{"modules": [{"id": 31, "modname": "page"}, {"id": 32, "modname": "quiz"}]}]

    def core_enrol_get_enrolled_users(self, form: dict[str, str]) -> Any:
        start, count = int(form["options[0][value]"]), int(form["options[1][value]"])
        return self.people[start : start + count]

    def core_completion_get_activities_completion_status(self, form: dict[str, str]) -> Any:
        done = {"cmid": 31, "modname": "page", "state": 1, "timecompleted": seconds(DONE)}
        return {"statuses": [done, {"cmid": 32, "modname": "quiz", "state": 0, "timecompleted": 0}]}

    def gradereport_user_get_grade_items(self, form: dict[str, str]) -> Any:
        quiz = {
            "id": 900,
            "itemtype": "mod",
            "itemmodule": "quiz",
            "cmid": 32,
            "graderaw": self.graderaw,
            "grademin": 0,
            "grademax": 100,
            "gradedategraded": seconds(self.graded_at),
        }
        total = {**quiz, "id": 901, "itemtype": "course", "cmid": None}
        return {
            "usergrades": [
                {"userid": person["id"], "gradeitems": [quiz, total]} for person in self.people[:1]
            ]
        }


@contextmanager
def serving(site: FakeMoodle) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            site.paths.append(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            answer = json.dumps(
                site.answer({name: values[0] for name, values in parse_qs(body).items()})
            ).encode()
            self.send_response(302 if site.has_moved else 200)
            if site.has_moved:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def site() -> FakeMoodle:
    return FakeMoodle()


@pytest.fixture
def feed(site: FakeMoodle) -> Iterator[Feed]:
    with serving(site) as address:
        yield Feed.objects.create(
            source="moodle", name="campus", base_url=address, secret=TOKEN, created_at=NOW
        )


def test_it_makes_events_of_what_was_finished_and_marked(feed: Feed) -> None:
    anna = known()
    enrolment = make_enrolment(anna, make_course(f"{feed.base_url}/course/view.php?id=7"))

    report = pull(feed, clock=lambda: NOW)

    assert counts(report) == {"new": 2}
    events = {(event.verb, event.scaled, event.enrolment_id) for event in Event.objects.all()}
    assert events == {(Verb.COMPLETED, None, enrolment.pk), (Verb.SCORED, 0.8, enrolment.pk)}


def test_it_changes_nothing_when_asked_twice(feed: Feed) -> None:
    known()
    pull(feed, clock=lambda: NOW)

    again = pull(feed, clock=lambda: NOW, everything=True)

    assert counts(again) == {"same": 2}


def test_it_replaces_a_mark_that_was_corrected(feed: Feed, site: FakeMoodle) -> None:
    known()
    pull(feed, clock=lambda: NOW)
    site.graderaw, site.graded_at = 60.0, NOW + timedelta(hours=1)

    report = pull(feed, clock=lambda: NOW + timedelta(hours=2))

    assert counts(report) == {"changed": 1}
    assert Event.objects.get(voided_seq=None, verb=Verb.SCORED).scaled == 0.6


def test_it_asks_only_about_those_who_were_there_since_last_time(feed: Feed, site: FakeMoodle) -> None:
    known()
    pull(feed, clock=lambda: NOW)
    site.calls.clear()

    pull(feed, clock=lambda: NOW + timedelta(days=3))

    assert "core_completion_get_activities_completion_status" not in {
        call["wsfunction"] for call in site.calls
    }


def test_it_reads_page_by_page(feed: Feed, site: FakeMoodle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moodle, "PAGE", 2)
    site.people = [
        {"id": number, "email": f"p{number}@example.com", "lastcourseaccess": seconds(DONE)}
        for number in range(1, 6)
    ]

    report = pull(feed, clock=lambda: NOW)

    pages = [call for call in site.calls if call["wsfunction"] == "core_enrol_get_enrolled_users"]
    assert [call["options[0][value]"] for call in pages] == ["0", "2", "4"]
    assert report.new == 6  # five completions, one mark


def test_it_sends_the_token_in_the_body_alone(feed: Feed, site: FakeMoodle) -> None:
    pull(feed, clock=lambda: NOW)

    assert set(site.paths) == {"/webservice/rest/server.php"}


def test_it_says_what_the_site_refused_without_the_token(feed: Feed, site: FakeMoodle) -> None:
    site.refuse.add("gradereport_user_get_grade_items")

    with pytest.raises(PullFailed, match="refused gradereport_user_get_grade_items") as failed:
        pull(feed, clock=lambda: NOW)

    assert TOKEN not in str(failed.value)
    feed.refresh_from_db()
    assert feed.watermark == {}


def test_it_names_people_as_the_plugin_does_when_told_to(feed: Feed) -> None:
    feed.settings = {"identify_by": "id"}

    assert counts(pull(feed, clock=lambda: NOW)) == {"new": 2, "waiting": 2}


@pytest.mark.parametrize(
    "address",
    [
        "http://moodle.example.com",
        "ftp://moodle.example.com",
        "https://user@moodle.example.com",
        "https://",
        "",
    ],
)
def test_it_sends_no_token_to_an_address_that_is_not_safe(address: str) -> None:
    with pytest.raises(PullFailed):
        check_address(address)


def test_it_follows_no_redirect(feed: Feed, site: FakeMoodle) -> None:
    site.has_moved = True

    with pytest.raises(PullFailed, match="answered 302"):
        pull(feed, clock=lambda: NOW)

    assert site.paths == ["/webservice/rest/server.php"]


def test_the_stage_asks_each_feed_when_its_time_has_come(feed: Feed, site: FakeMoodle) -> None:
    known()

    asked = [
        pull_due(now=NOW),
        pull_due(now=NOW + timedelta(hours=5)),
        pull_due(now=NOW + timedelta(hours=7)),
    ]

    assert asked == [1, 0, 1]


def test_the_stage_goes_on_after_a_site_that_fails(feed: Feed, site: FakeMoodle) -> None:
    site.refuse.add("core_course_get_courses")

    assert [pull_due(now=NOW), pull_due(now=NOW)] == [1, 0]
    run = ImportRun.objects.get()
    assert run.finished_at is None
    assert "refused core_course_get_courses (invalidtoken)" in run.problems[0][1]


def test_the_command_pulls_a_feed_by_its_name(feed: Feed) -> None:
    known()
    out = StringIO()

    call_command("pull_source", "campus", "--dry-run", stdout=out)

    assert out.getvalue() == "2 rows: 2 new.\nDry run: nothing was changed.\n"
    with pytest.raises(CommandError, match="there are: campus"):
        call_command("pull_source", "nowhere")


def test_it_asks_for_all_of_a_course_that_it_never_asked_about(feed: Feed, site: FakeMoodle) -> None:
    known()
    feed.settings = {"courses": [8]}
    site.graderaw = None
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            site, "core_completion_get_activities_completion_status", lambda form: {"statuses": []}
        )
        pull(feed, clock=lambda: NOW)
    site.graderaw = 80.0
    feed.settings = {"courses": [7, 8]}

    report = pull(feed, clock=lambda: NOW)

    assert counts(report) == {"new": 2}


@pytest.mark.parametrize(
    ("function", "answer"),
    [
        ("core_course_get_courses", {"warnings": []}),
        ("core_enrol_get_enrolled_users", None),
        ("core_completion_get_activities_completion_status", ["?"]),
        ("gradereport_user_get_grade_items", {"usergrades": [{"userid": "?"}]}),
    ],
)
def test_it_says_so_when_a_site_answers_like_no_moodle(
    feed: Feed, site: FakeMoodle, function: str, answer: Any
) -> None:
    known()
    setattr(site, function, lambda form: answer)

    with pytest.raises(CommandError, match="otherwise than Moodle documents"):
        call_command("pull_source", "campus", stdout=StringIO())

    assert ImportRun.objects.get().finished_at is None


def test_the_stage_asks_the_other_feeds_where_one_has_settings_that_cannot_be_followed(feed: Feed) -> None:
    known()
    Feed.objects.create(
        source="moodle", name="a", base_url=feed.base_url, settings={"every_hours": "often"}, created_at=NOW
    )

    assert pull_due(now=NOW) == 1
    assert ImportRun.objects.get().feed == feed
