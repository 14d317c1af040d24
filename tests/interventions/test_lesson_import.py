"""Lessons from files and learning systems: previewed, idempotent, refused with what to mend, and harmless."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.core.management import CommandError, call_command

from interventions import authoring
from interventions.lesson_import import bringing, csv_file, moodle
from interventions.lesson_import.bringing import Report
from interventions.lesson_import.plain import plain
from interventions.lesson_import.proposed import NotReadable, Proposed
from interventions.models import Lesson, LessonPlace, LessonText
from learners.models import User
from signals.models import Feed
from tests.support.interventions import NOW
from tests.support.lessons import content, make_competency, make_lesson, make_owner
from tests.support.listening import Listener, http_server

SAMPLE = Path("docs/samples/lessons.csv")
HEADER = "key,language,title,text,question_1,right_1,wrong_1a,wrong_1b,wrong_1c,because_1"
ROW = "ladder,en,Safe on a ladder,Three points stay.,How many?,Three,One,Two,Four,Three hold."


def table(*rows: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *rows]).encode()


def bring(said: bytes, *, dry_run: bool = False, owner: User | None = None, publish: bool = False) -> Report:
    return bringing.bring_in(
        csv_file.read(said),
        origin=Lesson.Origin.CSV,
        owner=owner,
        by=None,
        now=NOW,
        dry_run=dry_run,
        whole=True,
        publish=publish,
    )


@pytest.mark.django_db
class TestCsv:
    def test_it_brings_drafts(self) -> None:
        owner = make_owner()

        report = bring(table(ROW), owner=owner)

        lesson = Lesson.objects.get(key="ladder")
        text = LessonText.objects.get(lesson=lesson)
        assert [line.what for line in report.lines] == ["added"]
        assert (lesson.state(), lesson.owner, lesson.origin) == ("draft", owner, "csv")
        assert (text.is_draft, text.title) == (True, "Safe on a ladder")
        asked = text.questions[0]
        assert asked["choices"][asked["answer"]] == "Three"
        assert sorted(asked["choices"]) == ["Four", "One", "Three", "Two"]

    def test_it_changes_nothing_the_second_time(self) -> None:
        bring(table(ROW), owner=make_owner(), publish=True)

        again = bring(table(ROW))

        assert [line.what for line in again.lines] == ["unchanged"]
        assert LessonText.objects.filter(lesson__key="ladder").count() == 1

    def test_it_makes_the_next_version_of_what_is_in_use(self) -> None:
        bring(table(ROW), owner=make_owner(), publish=True)

        report = bring(table(ROW.replace("Three points stay.", "Three points stay on it.")))

        versions = LessonText.objects.filter(lesson__key="ladder").order_by("version")
        assert [(text.version, text.is_draft) for text in versions] == [(1, False), (2, True)]
        assert str(report.of("changed")[0]) == "row 2: ladder in en (version 2)"

    def test_it_changes_nothing_when_it_only_looks(self) -> None:
        report = bring(table(ROW), dry_run=True)

        assert (report.is_done, len(report.of("added"))) == (False, 1)
        assert not Lesson.objects.filter(key="ladder").exists()

    def test_it_takes_all_of_a_file_or_nothing(self) -> None:
        report = bring(table(ROW, ROW.replace("ladder,en", "roof,xx")))

        assert [str(one) for one in report.refused] == ["row 3: 'xx' is no language here. There are en, de."]
        assert not report.is_done
        assert not Lesson.objects.filter(key__in=("ladder", "roof")).exists()

    @pytest.mark.parametrize(
        ("row", "word"),
        [
            (ROW.replace("ladder,", "La der!,"), "is no key"),
            (ROW.replace("Safe on a ladder", "=HYPERLINK(0)"), "looks like a formula"),
            (ROW.replace("Safe on a ladder", "You failed to climb"), 'do not say "failed to"'),
            (ROW.replace(",One,", ",Three,"), "two choices are the same"),
            (ROW.replace("Three hold.", ""), "why the answer is right"),
            (ROW + ",more", "11 cells where the header has 10"),
            (ROW.replace("ladder,en", "spotting-phishing,en"), "shipped with Rekindle"),
        ],
    )
    def test_it_says_what_to_mend_in_which_row(self, row: str, word: str) -> None:
        report = bring(table(row))

        assert word in str(report.refused[0])
        assert str(report.refused[0]).startswith("row 2: ")

    @pytest.mark.parametrize(
        ("column", "value", "word"),
        [
            ("minutes", "five", "whole number"),
            ("minutes", "61", "1 to 60 minutes"),
            ("expires_on", "31.12.2027", "2027-03-31"),
            ("expires_on", "2020-01-01", "is over"),
            ("owner", "nobody@works.example", "who can sign in"),
            ("competency", "flying", "there is no competency"),
            ("address", "https://x.example/", "questions may"),
        ],
    )
    def test_it_refuses_facts_that_cannot_be(self, column: str, value: str, word: str) -> None:
        if column == "address":
            report = bring(table(f"{ROW},ftp://x.example/", header=f"{HEADER},{column}"))
            word = "https://"
        else:
            report = bring(table(f"{ROW},{value}", header=f"{HEADER},{column}"))

        assert word in str(report.refused[0])

    def test_it_counts_rows_as_a_spreadsheet_does(self) -> None:
        tall = ROW.replace("Three points stay.", '"Three\n\npoints\nstay."')

        report = bring(table(tall, ROW.replace("ladder,en", "roof,xx")))

        assert report.refused[0].place == "row 3"

    def test_it_wants_one_fact_for_all_languages(self) -> None:
        rows = [f"{ROW},5", ROW.replace(",en,", ",de,") + ",6"]

        report = bring(table(*rows, header=f"{HEADER},minutes"))

        assert "minutes differs from row 2" in str(report.refused[0])

    def test_it_keeps_html_as_the_text_it_is(self) -> None:
        bring(table(ROW.replace("Three points stay.", "<script>alert(1)</script>")), owner=make_owner())

        assert LessonText.objects.get(lesson__key="ladder").body == "<script>alert(1)</script>"

    def test_it_leaves_what_was_retired_alone(self) -> None:
        bring(table(ROW), owner=make_owner(), publish=True)
        authoring.retire(lesson=Lesson.objects.get(key="ladder"), by=None, now=NOW)

        report = bring(table(ROW.replace("stay", "hold")))

        assert report.of("unchanged")[0].detail == "retired here, left alone"
        assert LessonText.objects.filter(lesson__key="ladder").count() == 1

    def test_it_sets_facts(self) -> None:
        owner, looking = make_owner(), make_competency()
        cells = f"{ROW},7,{looking.key},{owner.login},2027-03-31"

        bring(table(cells, header=f"{HEADER},minutes,competency,owner,expires_on"))

        lesson = Lesson.objects.get(key="ladder")
        assert (lesson.minutes, lesson.competency, lesson.owner) == (7, looking, owner)
        assert lesson.expires_on == date(2027, 3, 31)

    @pytest.mark.parametrize(
        ("said", "word"),
        [
            (b"key,language\nx,en", "lacks the columns title, text"),
            (table(ROW, header=HEADER + ",colour"), "no column colour"),
            (table(ROW, header=HEADER + ",key"), "column key twice"),
            (b"\xff\xfe\xff", "UTF-8"),
            (b"x" * (5 * 1024 * 1024 + 1), "larger than 5 MiB"),
        ],
        ids=range(5),
    )
    def test_it_says_why_a_file_cannot_be_read(self, said: bytes, word: str) -> None:
        with pytest.raises(NotReadable, match=word):
            bring(said)

    def test_it_takes_no_more_rows_than_it_says(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(csv_file, "MOST_ROWS", 1)

        with pytest.raises(NotReadable, match="more than 1 rows"):
            bring(table(ROW, ROW.replace("ladder", "roof")))

    def test_it_reads_the_sample_in_the_documents(self, capsys: pytest.CaptureFixture[str]) -> None:
        owner = make_owner()

        call_command("import_lessons", SAMPLE, "--owner", owner.login, "--publish")

        assert "0 refused." in capsys.readouterr().out
        assert Lesson.objects.get(key="ladder-safety").state() == "in use"

    def test_it_tells_the_command_line_what_to_mend(self, tmp_path: Path, capsys: Any) -> None:
        file = tmp_path / "lessons.csv"
        file.write_bytes(table(ROW.replace(",en,", ",xx,")))

        with pytest.raises(CommandError, match="Nothing was changed"):
            call_command("import_lessons", file)
        assert "! row 2: 'xx' is no language here." in capsys.readouterr().out


SECTIONS: list[dict[str, Any]] = [
    {
        "id": 1,
        "name": "Ladders &amp; roofs",
        "modules": [
            {"id": 17, "name": "Three <b>points</b>", "modname": "page", "visible": 1, "uservisible": True},
            {"id": 18, "name": "Hidden", "modname": "page", "visible": 0},
            {"id": 19, "name": "News", "modname": "forum", "visible": 1},
            {
                "id": 20,
                "name": "The sheet",
                "modname": "resource",
                "description": "<p>One <i>page</i>.</p><p>A4.</p>",
            },
            {
                "id": 21,
                "name": "Elsewhere",
                "modname": "url",
                "url": "https://evil.example/mod/url/view.php?id=21",
            },
            {"modname": "page"},
        ],
    }
]


@pytest.mark.django_db
class TestMoodle:
    @pytest.fixture
    def site(self, settings: Any) -> Iterator[Listener]:
        settings.OUTGOING_PRIVATE_NETWORKS = ["127.0.0.0/8"]
        with http_server() as listener:
            yield listener

    @pytest.fixture
    def feed(self, site: Listener) -> Feed:
        return Feed.objects.create(
            source="moodle", name="campus", base_url=f"{site.url}/moodle", secret="token-7", created_at=NOW
        )

    def answer(self, site: Listener, said: object, status: int = 200) -> None:
        site.answers = [(status, {"Content-Type": "application/json"}, json.dumps(said).encode())]

    def sections(self, site: Listener) -> list[dict[str, Any]]:
        said = json.loads(json.dumps(SECTIONS))
        for module in said[0]["modules"]:
            if "id" in module and "url" not in module:
                module["url"] = f"{site.url}/moodle/mod/{module['modname']}/view.php?id={module['id']}"
        return list(said)

    def bring(self, feed: Feed, **more: Any) -> Report:
        said = {"language": "en", "competency": None, "minutes": 6, **more}
        return bringing.bring_in(
            moodle.MoodleLessons().read(feed, 7, **said),
            origin=Lesson.Origin.MOODLE,
            owner=make_owner(),
            by=None,
            now=NOW,
            dry_run=False,
            whole=False,
        )

    def test_it_brings_activities_with_their_deep_links(self, site: Listener, feed: Feed) -> None:
        self.answer(site, self.sections(site))

        report = self.bring(feed)

        page = LessonText.objects.get(lesson__key="campus-17")
        sheet = LessonText.objects.get(lesson__key="campus-20")
        assert [line.key for line in report.of("added")] == ["campus-17", "campus-20"]
        assert (page.title, page.format) == ("Three points", "link")
        assert page.address == f"{site.url}/moodle/mod/page/view.php?id=17"
        assert "“Ladders & roofs”" in page.body
        assert (sheet.format, sheet.body) == ("document", "One page.\n\nA4.")
        assert Lesson.objects.get(key="campus-17").state() == "draft"
        place = LessonPlace.objects.get(lesson__key="campus-17")
        assert (place.address, place.moodle_course) == ("", 7)  # the address is the text's, in each language
        assert [str(one) for one in report.refused] == [
            "activity 21: its address leads to another site. Look at the activity in Moodle.",
            "an activity: it is not as Moodle documents it. Check the site's version.",
        ]

    def test_it_keeps_the_page_somebody_gave_it_and_moves_with_its_course(
        self, site: Listener, feed: Feed
    ) -> None:
        self.answer(site, self.sections(site))
        self.bring(feed)
        LessonPlace.objects.filter(lesson__key="campus-17").update(
            address="https://campus.example/nicer", moodle_course=3
        )

        report = self.bring(feed)
        again = self.bring(feed)

        assert [(line.key, line.detail) for line in report.of("changed")] == [("campus-17", "course 3 → 7")]
        assert not again.brings_anything
        place = LessonPlace.objects.get(lesson__key="campus-17")
        assert (place.address, place.moodle_course) == ("https://campus.example/nicer", 7)

    def test_it_asks_for_one_course_with_the_token_in_the_body(self, site: Listener, feed: Feed) -> None:
        self.answer(site, [])

        self.bring(feed)

        asked = site.asked[0]
        assert (asked.method, asked.path) == ("POST", "/moodle/webservice/rest/server.php")
        assert parse_qs(asked.body.decode()) == {
            "wstoken": ["token-7"],
            "wsfunction": ["core_course_get_contents"],
            "moodlewsrestformat": ["json"],
            "courseid": ["7"],
        }

    def test_it_brings_them_once(self, site: Listener, feed: Feed) -> None:
        self.answer(site, self.sections(site))

        self.bring(feed)
        again = self.bring(feed)

        assert {line.what for line in again.lines} == {"unchanged"}

    @pytest.mark.parametrize(
        ("said", "status", "word"),
        [
            (
                {
                    "exception": "core\\exception\\moodle_exception",
                    "errorcode": "invalidtoken",
                    "message": "…",
                },
                200,
                "make a new one in Moodle",
            ),
            (
                {"exception": "x", "errorcode": "odd", "message": "Something else"},
                200,
                r"\(odd\). Something else",
            ),
            ({"surprise": 1}, 200, "otherwise than Moodle documents"),
            ([1], 200, "otherwise than Moodle documents"),
            ([], 500, "answered 500"),
            ([], 302, "answered 302"),
        ],
        ids=range(6),
    )
    def test_it_says_what_moodle_refused(
        self, site: Listener, feed: Feed, said: object, status: int, word: str
    ) -> None:
        self.answer(site, said, status)

        with pytest.raises(NotReadable, match=word):
            self.bring(feed)

    def test_it_reads_no_more_than_it_says(
        self, site: Listener, feed: Feed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(moodle, "LARGEST_ANSWER", 100)
        self.answer(site, self.sections(site))

        with pytest.raises(NotReadable, match="larger than"):
            self.bring(feed)

    def test_it_asks_nothing_of_our_own_network(self, site: Listener, feed: Feed, settings: Any) -> None:
        settings.OUTGOING_PRIVATE_NETWORKS = []

        with pytest.raises(NotReadable, match="private network"):
            self.bring(feed)
        assert site.asked == []

    def test_it_comes_by_the_command(self, site: Listener, feed: Feed, capsys: Any) -> None:
        self.answer(site, self.sections(site))

        call_command("import_lessons", "--feed", "campus", "--course", "7", "--dry-run")

        assert "2 added" in capsys.readouterr().out
        assert not Lesson.objects.filter(key="campus-17").exists()


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a<br>b", "a\nb"),
        ("<p>a &amp; b</p><p>&lt;script&gt;</p>", "a & b\n\n<script>"),
        ("<style>x{}</style>a<script>b</script>", "a"),
        ("<div><div>a</div></div>", "a"),
    ],
)
def test_it_reads_words_and_no_tags(html: str, text: str) -> None:
    assert plain(html) == text


@pytest.mark.django_db
def test_it_lets_a_file_bring_a_next_version_of_what_was_written_here() -> None:
    lesson = make_lesson(key="ladder", expires_on=NOW.date() + timedelta(days=90))

    report = bring(table(ROW))

    assert [line.what for line in report.lines] == ["changed"]
    assert authoring.content_of(LessonText.objects.in_use().get(lesson=lesson)) == content()


@pytest.mark.django_db
def test_it_says_beforehand_what_changes_at_once_for_a_lesson_in_use() -> None:
    owner = make_owner(name="Alex")
    used, waiting = make_lesson(owner=owner), make_lesson(owner=owner, published=False)
    rows = [
        Proposed("row 2", used.key, "en", content(), minutes=9, expires_on=date(2027, 1, 31)),
        Proposed("row 3", waiting.key, "en", content(), minutes=9),
    ]

    report = bringing.bring_in(
        rows, origin=Lesson.Origin.CSV, owner=None, by=None, now=NOW, dry_run=True, whole=True
    )

    assert [line.detail for line in report.of("changed")] == [
        "minutes: 4 → 9 at once, while it is in use, look again by: never → 2027-01-31 at once, while it is in use",
        "minutes: 4 → 9",
    ]
    used.refresh_from_db()
    assert used.minutes == 4
