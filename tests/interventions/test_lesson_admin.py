"""Writing lessons by form: drafts, preview, publishing, comparing, retiring, importing."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from interventions import authoring
from interventions.models import Lesson, LessonText
from interventions.views.text_admin import differences
from learners.models import Role, User
from tests.interventions.test_lesson_import import ROW, table
from tests.support.interventions import NOW, make_rule
from tests.support.lessons import content, make_lesson

pytestmark = pytest.mark.django_db
NAME = "admin:interventions_lesson_"


@pytest.fixture
def user() -> User:
    return User.objects.create_user("author@works.example", roles=[Role.ADMIN, Role.STEWARD])


@pytest.fixture
def admin(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def page(name: str, *args: Any) -> str:
    return reverse(NAME + name, args=args)


def text_form(**changes: str) -> dict[str, str]:
    return {
        "format": "text",
        "title": "Safe on a ladder",
        "body": "Look at it.\r\n\r\nThen hold on.",
        "address": "",
        "q1_text": "How many points?",
        "q1_choice0": "One",
        "q1_choice1": "Two",
        "q1_choice2": "Three",
        "q1_choice3": "Four",
        "q1_right": "2",
        "q1_because": "Three hold.",
        **changes,
    }


def test_it_writes_a_lesson_from_nothing_to_in_use(admin: Client, user: User) -> None:
    made = admin.post(page("add"), {"key": "ladder", "minutes": "4", "owner": str(user.pk), "competency": ""})
    lesson = Lesson.objects.get(key="ladder")
    written = admin.post(page("text", lesson.pk, "en"), text_form())
    before = admin.get(page("change", lesson.pk)).content.decode()
    published = admin.post(page("state", lesson.pk), {"do": "publish"}, follow=True)

    lesson.refresh_from_db()
    text = LessonText.objects.in_use().get(lesson=lesson)
    assert made.headers["Location"] == page("text", lesson.pk, "en")
    assert written.headers["Location"] == page("preview", lesson.pk)
    assert "German is missing" in before
    assert "Publish the drafts" in before
    assert [str(one) for one in published.context["messages"]] == ["ladder is in use: en version 1."]
    assert (lesson.state(), text.body, text.created_by) == ("in use", "Look at it.\n\nThen hold on.", user.pk)
    assert text.questions == [
        {
            "text": "How many points?",
            "choices": ["One", "Two", "Three", "Four"],
            "answer": 2,
            "because": "Three hold.",
        }
    ]


def test_it_edits_what_is_in_use_as_a_draft(admin: Client) -> None:
    lesson = make_lesson()
    form = admin.get(page("text", lesson.pk, "en")).context["form"]
    said = {name: form[name].value() for name in form.fields}

    admin.post(
        page("text", lesson.pk, "en"),
        {name: value for name, value in said.items() if value is not None} | {"title": "Look twice"},
    )

    assert LessonText.objects.in_use().get(lesson=lesson).title == "Look first"
    assert LessonText.objects.drafts().get(lesson=lesson).title == "Look twice"
    assert len(LessonText.objects.drafts().get(lesson=lesson).questions) == 2


def test_it_throws_a_draft_away(admin: Client) -> None:
    lesson = make_lesson()
    authoring.draft(lesson=lesson, language="en", content=content(title="No"), by=None, now=NOW)

    admin.post(page("text", lesson.pk, "en"), {"discard": "yes"})

    assert not LessonText.objects.drafts().filter(lesson=lesson).exists()
    assert LessonText.objects.in_use().get(lesson=lesson).title == "Look first"


@pytest.mark.parametrize(
    ("changes", "field", "word"),
    [
        ({"title": "You failed to look"}, "title", "failed to"),
        ({"q1_right": ""}, "q1_text", "needs exactly one right choice."),
        ({"q1_choice3": ""}, "q1_text", "needs 4 choices"),
        ({"q2_text": "And?"}, "q2_text", "needs 4 choices"),
        ({"format": "link", "address": "javascript:alert(1)"}, "address", "https://"),
        ({"body": ""}, "body", "has a text"),
    ],
    ids=str,
)
def test_it_shows_a_fault_at_its_field(admin: Client, changes: dict[str, str], field: str, word: str) -> None:
    lesson = make_lesson(published=False)

    answer = admin.post(page("text", lesson.pk, "de"), text_form(**changes))

    assert word in " ".join(answer.context["form"].errors[field])
    assert word.split()[0] in answer.content.decode()
    assert not LessonText.objects.filter(lesson=lesson, language="de").exists()


def test_it_wants_a_question(admin: Client) -> None:
    lesson = make_lesson(published=False)
    form = {name: value for name, value in text_form().items() if not name.startswith("q1_")}

    answer = admin.post(page("text", lesson.pk, "de"), form)

    assert answer.context["form"].errors["q1_text"] == ["A lesson ends with at least one question."]


def test_it_refuses_a_day_that_is_over(admin: Client) -> None:
    lesson = make_lesson()

    answer = admin.post(page("change", lesson.pk), {"minutes": "5", "expires_on": "2020-01-01"})

    assert answer.context["form"].errors["expires_on"] == ["Choose a day in the future."]


def test_it_makes_a_shipped_lesson_our_own_by_an_owner(admin: Client, user: User) -> None:
    lesson = Lesson.objects.get(key="spotting-phishing")
    shown = admin.get(page("change", lesson.pk)).content.decode()

    admin.post(page("change", lesson.pk), {"minutes": "5", "owner": str(user.pk)})

    lesson.refresh_from_db()
    assert "Shipped with Rekindle: it has no owner and never expires" in shown
    assert (lesson.origin, lesson.owner, lesson.key) == ("own", user, "spotting-phishing")


def test_it_previews_every_language_as_the_learner_sees_it(admin: Client) -> None:
    lesson = Lesson.objects.get(key="lock-out-tag-out")
    text = LessonText.objects.get(lesson=lesson, language="de")

    outside = admin.get(page("preview", lesson.pk)).content.decode()
    inside = admin.get(page("page", text.pk))

    assert page("page", text.pk) in outside
    assert inside.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "Sperren und kennzeichnen vor der Wartung" in inside.content.decode()
    assert "Frage 1 von 3" in inside.content.decode()


def test_it_compares_two_versions(admin: Client) -> None:
    lesson = make_lesson()
    authoring.draft(
        lesson=lesson, language="en", content=content(body="Stop.\n\nThen wait."), by=None, now=NOW
    )

    shown = admin.get(page("compare", lesson.pk, "en")).content.decode()
    same = admin.get(page("compare", lesson.pk, "en"), {"from": "1", "to": "1"}).content.decode()

    assert "<del>look.</del>" in shown
    assert "<ins>wait.</ins>" in shown
    assert "These two say the same." in same
    assert admin.get(page("compare", lesson.pk, "de")).status_code == 404


def test_it_marks_what_differs_and_nothing_else() -> None:
    assert differences("one two three", "one 2 three") == [
        ("same", "one"),
        ("gone", "two"),
        ("new", "2"),
        ("same", "three"),
    ]


def test_it_asks_before_it_retires_and_names_the_rules(admin: Client) -> None:
    lesson = make_lesson()
    rule = make_rule(action="lesson", lesson=lesson)

    asked = admin.get(page("state", lesson.pk)).content.decode()
    admin.post(page("state", lesson.pk), {"do": "retire"})
    lesson.refresh_from_db()
    retired = lesson.state()
    admin.post(page("state", lesson.pk), {"do": "bring_back"})
    lesson.refresh_from_db()

    assert rule.title in asked
    assert (retired, lesson.state()) == ("retired", "draft")


def test_it_says_what_is_missing_before_it_can_be_published(admin: Client) -> None:
    lesson = make_lesson(published=False, owner=None)

    answer = admin.post(page("state", lesson.pk), {"do": "publish"}, follow=True)

    assert "Name an owner who can sign in." in answer.content.decode()


def test_it_lists_lessons_with_what_is_to_mend(admin: Client, django_assert_max_num_queries: Any) -> None:
    for _ in range(3):
        make_lesson()

    with django_assert_max_num_queries(9):
        listed = admin.get(page("changelist")).content.decode()

    assert "German is missing" in listed
    assert "Rekindle (shipped)" in listed


@pytest.mark.parametrize("stands", ["use", "draft", "soon", "expired", "retired"])
def test_it_finds_lessons_by_how_they_stand(admin: Client, stands: str) -> None:
    lesson = make_lesson(published=False)

    listed = admin.get(page("changelist"), {"stands": stands}).content.decode()

    assert (lesson.key in listed) is (stands == "draft")


def test_it_deletes_nothing(admin: Client) -> None:
    assert admin.post(page("delete", make_lesson().pk), {"post": "yes"}).status_code == 403


class TestImporting:
    def send(self, client: Client, said: bytes, **more: Any) -> Any:
        file = SimpleUploadedFile("ladder.csv", said, content_type="text/csv")
        return client.post(page("import"), {"file": file, "language": "en", **more})

    def test_it_shows_first_what_would_happen(self, admin: Client, user: User) -> None:
        shown = self.send(admin, table(ROW))
        none_yet = Lesson.objects.filter(key="ladder").exists()
        ticket = shown.context["form"].initial["ticket"]

        done = admin.post(page("import"), {"ticket": ticket, "language": "en", "import": "yes"})

        assert "row 2: ladder in en" in shown.content.decode()
        assert not none_yet
        assert done.status_code == 302
        assert Lesson.objects.get(key="ladder").owner == user

    def test_it_offers_no_import_while_something_is_to_mend(self, admin: Client) -> None:
        shown = self.send(admin, table(ROW.replace("Safe", "<b>You failed to climb</b>"))).content.decode()

        assert "To mend in the file first" in shown
        assert "Import it now" not in shown
        assert "<b>You" not in shown

    def test_it_says_why_a_file_cannot_be_read(self, admin: Client) -> None:
        answer = self.send(admin, b"PK\x03\x04")

        assert answer.status_code == 422
        assert "no zip file" in answer.content.decode()

    def test_it_gives_nobody_anothers_file(self, admin: Client, client: Client) -> None:
        ticket = self.send(admin, table(ROW)).context["form"].initial["ticket"]
        client.force_login(User.objects.create_user("other@works.example", roles=[Role.ADMIN]))

        answer = client.post(page("import"), {"ticket": ticket, "language": "en", "import": "yes"})

        assert answer.status_code == 422
        assert not Lesson.objects.filter(key="ladder").exists()

    def test_it_names_the_feeds_there_are(self, admin: Client) -> None:
        assert admin.get(page("import_lms")).status_code == 200
        assert admin.post(page("import_lms"), {"course": "7", "language": "en"}).status_code == 422


@pytest.mark.parametrize("role", [Role.LEARNER, Role.MANAGER, Role.COACH, Role.REVIEWER])
def test_it_is_closed_to_everybody_else(client: Client, role: Role) -> None:
    client.force_login(User.objects.create_user("somebody@works.example", roles=[role]))
    lesson = make_lesson()
    text = LessonText.objects.get(lesson=lesson)

    answers = [
        client.get(page("change", lesson.pk)),
        client.post(page("text", lesson.pk, "en"), text_form()),
        client.get(page("page", text.pk)),
        client.post(page("state", lesson.pk), {"do": "retire"}),
        client.get(page("compare", lesson.pk, "en")),
        client.get(page("import")),
        client.get(page("import_lms")),
    ]

    lesson.refresh_from_db()
    assert all(answer.status_code in (302, 403) for answer in answers)
    assert (lesson.state(), LessonText.objects.filter(lesson=lesson).count()) == ("in use", 1)
