"""Where a lesson is taken: one answer for messages, pages, the card, the calendar, statements and the framework."""

from typing import Any

import pytest
from django.test import Client
from time_machine import travel

from coaching import own
from coaching.api import reading
from interventions import authoring, framework_places, lessons, links, places, wording
from interventions.channels import letter
from interventions.models import Lesson, LessonPlace
from learners.models import CompetencyLesson
from tests.support.coaching import NOW, Circle, make_circle, make_decision
from tests.support.interventions import make_delivery
from tests.support.lessons import content, make_competency, make_lesson

pytestmark = pytest.mark.django_db
ENGLISH, GERMAN = "https://lms.example/page?id=9", "https://lms.example/page?id=10"
THERE = "https://lms.example/course/page"


@pytest.fixture
def circle(settings: Any) -> Circle:
    settings.PUBLIC_URL = "https://rekindle.example"
    return make_circle()


@pytest.fixture
def lesson() -> Lesson:
    """A page elsewhere, in two languages."""
    made = make_lesson(
        key="ladders",
        said=content(format="link", address=ENGLISH, questions=[]),
        competency=make_competency(),
    )
    authoring.draft(
        lesson=made,
        language="de",
        content=content(format="link", title="Leitern", address=GERMAN, questions=[]),
        by=None,
        now=NOW,
    )
    authoring.publish(lesson=made, by=None, now=NOW)
    return made


def everywhere(circle: Circle, lesson: Lesson, client: Client) -> set[str]:
    """Where everything that leads to this lesson leads."""
    decision = make_decision(circle.enrolment, action="lesson", lesson=lesson)
    words = wording.words(decision, circle.learner)
    delivery = make_delivery(decision=decision, channel="card", state="sent", sent_at=NOW, body=words.body)
    (card,) = reading.suggestions(circle.learner, now=NOW)
    (shown,) = own.suggestions(circle.learner, now=NOW)
    said = letter.write(delivery, now=NOW)
    client.force_login(circle.account)
    with travel(NOW, tick=False):
        page = client.get("/me/").content.decode()
        calendar = client.get(links.calendar_address(decision.pk, now=NOW)).content.decode()
    own_page = places.own_page(lesson.key)
    found = {card["lesson"]["url"], words.body.rpartition(" ")[2], shown.lesson_address or own_page}
    found.add(said.lesson[1] if said.lesson else own_page)
    unfolded = calendar.replace("\r\n ", "")
    found.add(next(line for line in unfolded.splitlines() if line.startswith("URL")).partition(":")[2])
    short = page.partition('id="lessons"')[2]
    found |= {one for one in (ENGLISH, GERMAN, THERE) if f'href="{one}"' in short}
    if f'href="/me/lessons/{lesson.key}/"' in short:
        found.add(own_page)
    return found


def test_a_page_elsewhere_is_shown_on_our_own_page_of_the_lesson(
    circle: Circle, lesson: Lesson, client: Client
) -> None:
    assert everywhere(circle, lesson, client) == {"https://rekindle.example/me/lessons/ladders/"}


def test_one_that_lives_in_the_lms_leads_there_from_everywhere(
    circle: Circle, lesson: Lesson, client: Client
) -> None:
    LessonPlace.objects.create(lesson=lesson, address=THERE)

    assert everywhere(circle, lesson, client) == {THERE}


@pytest.mark.parametrize(("language", "address"), [("en", ENGLISH), ("de", GERMAN), ("fr", ENGLISH)])
def test_a_place_without_an_address_is_where_the_text_says(
    circle: Circle, lesson: Lesson, client: Client, language: str, address: str
) -> None:
    LessonPlace.objects.create(lesson=lesson, moodle_course=12)
    circle.learner.language = language
    circle.learner.save(update_fields=["language"])

    assert everywhere(circle, lesson, client) == {address}


def test_a_place_without_any_address_changes_nothing(circle: Circle, client: Client) -> None:
    lesson = make_lesson(key="ladders")
    LessonPlace.objects.create(lesson=lesson, moodle_course=12)

    assert everywhere(circle, lesson, client) == {"https://rekindle.example/me/lessons/ladders/"}


def test_what_people_do_there_counts_for_its_competency(lesson: Lesson) -> None:
    LessonPlace.objects.create(lesson=lesson, address=THERE)

    framework_places.declare(lesson)

    of_it = CompetencyLesson.objects.filter(competency=lesson.competency)
    assert {THERE, ENGLISH, GERMAN} <= set(of_it.values_list("iri", flat=True))


def test_who_began_it_on_our_own_page_finishes_it_there(
    circle: Circle, lesson: Lesson, client: Client
) -> None:
    lessons.start(learner=circle.learner, lesson=lesson, decision=None, now=NOW)
    LessonPlace.objects.create(lesson=lesson, address=THERE)
    client.force_login(circle.account)

    with travel(NOW, tick=False):
        short = client.get("/me/").content.decode().partition('id="lessons"')[2]

    assert f'href="/me/lessons/{lesson.key}/"' in short
    assert THERE not in short
