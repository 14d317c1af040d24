"""The page of a lesson: one thing at a time, where one left, with and without JavaScript."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from time_machine import travel

from interventions import authoring
from interventions.models import Lesson, LessonVisit
from learners.models import Role
from tests.coaching.parts import HTMX, fragment, main_part
from tests.support.coaching import NOW, Circle, make_card, make_circle, make_decision
from tests.support.interventions import make_contents
from tests.support.learners import make_user
from tests.support.lessons import content, make_lesson

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now_is")]


@pytest.fixture
def now_is() -> Iterator[None]:
    with travel(NOW + timedelta(minutes=5), tick=False):
        yield


@pytest.fixture
def circle() -> Circle:
    return make_circle()


@pytest.fixture
def learner(client: Client, circle: Circle) -> Client:
    client.force_login(circle.account)
    return client


@pytest.fixture
def lesson() -> Lesson:
    return make_lesson()


def address(lesson: Lesson) -> str:
    return f"/me/lessons/{lesson.key}/"


def read(client: Client, at: str) -> str:
    return client.get(at).content.decode()


def answer(client: Client, lesson: Lesson, number: int, choice: int) -> str:
    """Posts without JavaScript; where it leads."""
    said = client.post(address(lesson), {"do": "answer", "number": number, "choice": choice})
    assert said.status_code == 302
    return said.headers["Location"]


def test_it_goes_step_by_step_without_javascript(learner: Client, circle: Circle, lesson: Lesson) -> None:
    decision = make_decision(circle.enrolment, action="lesson", lesson=lesson)
    make_card(decision)
    page = address(lesson)

    before = read(learner, page)
    learner.post(page, {"do": "start"})
    text, first = read(learner, page), read(learner, page + "?q=1")
    told = answer(learner, lesson, 1, 1)
    explained, resumed = read(learner, told), read(learner, page)
    done = read(learner, answer(learner, lesson, 2, 0))

    visit = LessonVisit.objects.get()
    assert "Start the lesson" in before
    assert "Then look." in text
    assert "What comes first?" not in text
    assert "Question 1 of 2" in first
    assert "It is so." not in first
    assert told == page + "?q=1"
    assert "That is right." in explained
    assert "Question 2 of 2" in resumed
    assert "1 of 2 right" in done
    assert (visit.decision, visit.answers, visit.score) == (decision, [1, 0], 0.5)


def test_it_shows_the_same_part_as_a_fresh_page(learner: Client, lesson: Lesson) -> None:
    page = address(lesson)
    begun = learner.post(page, {"do": "start"}, headers=HTMX)
    same = main_part(read(learner, page))
    told = learner.post(page, {"do": "answer", "number": "1", "choice": "0"}, headers=HTMX)

    assert fragment(begun.content.decode()) == same
    assert fragment(told.content.decode()) == main_part(read(learner, page + "?q=1"))
    assert told.headers["HX-Push-Url"] == page + "?q=1"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"do": "answer", "number": "1"}, 422),
        ({"do": "answer", "number": "1", "choice": "9"}, 422),
        ({"do": "answer", "number": "2", "choice": "1"}, 422),
        ({"do": "answer", "number": "²", "choice": "1"}, 422),
        ({"do": "done"}, 422),
    ],
    ids=str,
)
def test_it_says_what_to_do_when_an_answer_is_missing(
    learner: Client, lesson: Lesson, sent: dict[str, str], status: int
) -> None:
    learner.post(address(lesson), {"do": "start"})

    said = learner.post(address(lesson), sent, headers=HTMX)

    assert said.status_code == status
    assert "Choose one of the four, then check it." in said.content.decode()
    assert LessonVisit.objects.get().answers == []


def test_it_takes_a_double_tap_on_the_last_question_once(learner: Client, lesson: Lesson) -> None:
    learner.post(address(lesson), {"do": "start"})
    for number in (1, 2, 2):
        answer(learner, lesson, number, 1)

    assert LessonVisit.objects.get().answers == [1, 1]


def test_it_answers_nothing_that_was_not_begun(learner: Client, lesson: Lesson) -> None:
    said = learner.post(address(lesson), {"do": "answer", "number": "1", "choice": "1"})

    assert said.status_code == 409
    assert "Start the lesson first." in said.content.decode()


def test_it_hides_a_draft(learner: Client) -> None:
    assert learner.get(address(make_lesson(published=False))).status_code == 404


def test_it_lets_who_began_finish_what_was_retired_and_tells_others(
    learner: Client, lesson: Lesson, client: Client
) -> None:
    learner.post(address(lesson), {"do": "start"})
    authoring.retire(lesson=lesson, by=None, now=NOW)

    listed = address(lesson) in read(learner, "/me/")
    answer(learner, lesson, 1, 1)
    done = read(learner, answer(learner, lesson, 2, 1))
    client.force_login(make_circle().account)
    other = read(client, address(lesson))

    assert listed
    assert "of 2 right" in done
    assert "Take it again" not in done
    assert "not offered any more" in other
    assert client.post(address(lesson), {"do": "start"}).status_code == 409
    assert address(lesson) not in read(client, "/me/")


def test_it_leads_elsewhere_and_back(learner: Client) -> None:
    lesson = make_lesson(
        said=content(
            format="video", address="https://video.example/7", body="Stop. <b>Look</b>.", questions=[]
        )
    )
    learner.post(address(lesson), {"do": "start"})

    page = read(learner, address(lesson))
    learner.post(address(lesson), {"do": "done"})

    assert 'href="https://video.example/7" rel="noopener noreferrer external"' in page
    assert "What is said in the video" in page
    assert "&lt;b&gt;Look&lt;/b&gt;" in page
    assert "Well done." in read(learner, address(lesson))


def test_it_speaks_german_around_a_german_lesson(client: Client) -> None:
    make_contents()
    client.force_login(make_circle(language="de").account)

    page = read(client, "/me/lessons/spotting-phishing/")

    assert "Lektion beginnen" in page
    assert "Start the lesson" not in page


def test_it_is_for_learners(client: Client, lesson: Lesson) -> None:
    client.force_login(make_user(Role.COACH))

    assert client.get(address(lesson)).status_code == 403
