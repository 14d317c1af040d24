"""What the database itself promises about lessons, in words that say what went wrong."""

from datetime import date
from typing import Any

import pytest

from interventions import authoring, lessons
from interventions.models import Lesson, LessonText
from tests.support.interventions import NOW, make_enrolment
from tests.support.lessons import content, make_lesson, make_owner
from tests.support.promises import Broken

pytestmark = pytest.mark.django_db
DAY = date(2027, 1, 1)


def test_it_retires_no_lesson_that_is_in_use() -> None:
    lesson = make_lesson()

    with Broken("a_lesson_in_use_is_not_retired"):
        Lesson.objects.filter(pk=lesson.pk).update(retired_at=NOW)


@pytest.mark.parametrize("what", ["owner", "expires_on"])
def test_it_lets_no_shipped_lesson_expire_by_accident(what: str) -> None:
    value = make_owner() if what == "owner" else DAY

    with Broken("a_shipped_lesson_has_no_owner_and_never_expires"):
        Lesson.objects.filter(key="spotting-phishing").update(**{what: value})


def test_it_knows_where_a_lesson_is_from() -> None:
    with Broken("the_origin_of_a_lesson_is_known"):
        Lesson.objects.create(key="strange", origin="heaven")


def test_it_has_one_draft_of_a_language() -> None:
    lesson = make_lesson(published=False)

    with Broken("one_draft_of_a_lesson_text"):
        LessonText.objects.create(
            lesson=lesson, language="en", version=9, is_draft=True, title="Two", body="…", questions=[]
        )


def test_it_keeps_a_version_once() -> None:
    lesson = make_lesson()

    with Broken("a_version_of_a_lesson_text_is_kept_once"):
        LessonText.objects.create(
            lesson=lesson, language="en", version=1, replaced_at=NOW, title="Two", body="…", questions=[]
        )


def test_it_replaces_no_draft() -> None:
    lesson = make_lesson(published=False)

    with Broken("a_draft_is_not_replaced"):
        LessonText.objects.filter(lesson=lesson).update(replaced_at=NOW)


@pytest.mark.parametrize(
    "fields",
    [
        {"format": "link"},
        {"format": "link", "address": "javascript:alert(1)"},
        {"format": "text", "address": "https://x.example/"},
        {"format": "song", "address": "https://x.example/"},
    ],
    ids=str,
)
def test_it_leads_only_to_addresses(fields: dict[str, Any]) -> None:
    lesson = make_lesson(published=False)

    with Broken("a_lesson_elsewhere_has_its_address"):
        LessonText.objects.filter(lesson=lesson).update(**fields)


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Other"},
        {"body": "Other"},
        {"questions": []},
        {"version": 7},
        {"language": "de"},
        {"is_draft": True},
    ],
    ids=str,
)
def test_it_never_changes_what_was_published(change: dict[str, Any]) -> None:
    lesson = make_lesson()

    with Broken("a_published_lesson_text_stays"):
        LessonText.objects.filter(lesson=lesson).update(**change)


def test_it_replaces_a_published_text_once() -> None:
    lesson = make_lesson()
    LessonText.objects.filter(lesson=lesson).update(replaced_at=NOW)

    with Broken("a_published_lesson_text_stays"):
        LessonText.objects.filter(lesson=lesson).update(replaced_at=None)


def test_it_keeps_which_version_a_visit_showed() -> None:
    lesson = make_lesson()
    visit = lessons.start(learner=make_enrolment().learner, lesson=lesson, decision=None, now=NOW)
    authoring.draft(lesson=lesson, language="en", content=content(title="Newer"), by=None, now=NOW)
    newer = authoring.publish(lesson=lesson, by=None, now=NOW)[0]

    with Broken("a_visit_keeps_what_it_showed"):
        type(visit).objects.filter(pk=visit.pk).update(text=newer)


def test_it_shows_a_visit_only_a_text_of_its_lesson() -> None:
    visit = lessons.start(learner=make_enrolment().learner, lesson=make_lesson(), decision=None, now=NOW)

    with Broken("a_visit_shows_a_text_of_its_lesson"):
        type(visit).objects.filter(pk=visit.pk).update(lesson=make_lesson())


def test_it_points_at_a_text_with_its_lesson_by_key() -> None:
    # The key itself cannot be doubled, as the id alone is unique: it must exist for the visit to point at.
    assert "a_lesson_text_with_its_lesson" in [constraint.name for constraint in LessonText._meta.constraints]
