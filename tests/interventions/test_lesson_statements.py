"""What is done in our own lessons comes back as real statements: who, which competency, which course."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings

from consent import record
from consent.actors import SYSTEM
from consent.scopes import Scope
from interventions import lessons
from interventions.models import Lesson, LessonVisit
from signals.mastery.answers import items
from signals.models import AssessmentResult, Event, Statement
from signals.xapi.bodies import unseal
from signals.xapi.keys import activity_key
from tests.support.coaching import Circle, make_circle, make_decision
from tests.support.interventions import NOW
from tests.support.learners import make_identifier, make_plan_step
from tests.support.lessons import content, make_competency, make_lesson

pytestmark = pytest.mark.django_db


@pytest.fixture
def circle() -> Circle:
    made = make_circle()
    make_identifier(learner=made.learner, value="robin@works.example")
    return made


@pytest.fixture
def lesson() -> Lesson:
    return make_lesson(competency=make_competency())


def begin(circle: Circle, lesson: Lesson, *, suggested: bool = True) -> LessonVisit:
    decision = make_decision(circle.enrolment, action="lesson", lesson=lesson) if suggested else None
    return lessons.start(learner=circle.learner, lesson=lesson, decision=decision, now=NOW)


def told() -> dict[str, dict[str, Any]]:
    """Every statement, by its verb and the last part of its object."""
    found = {}
    for row in Statement.objects.order_by("stored"):
        said = json.loads(unseal(bytes(row.body)).raw)
        verb = said["verb"]["id"].rpartition("/")[2]
        found[f"{verb} {said['object']['id'].rpartition('/')[2]}"] = said
    return found


def test_it_tells_each_step_once(circle: Circle, lesson: Lesson) -> None:
    visit = begin(circle, lesson)
    for _ in range(2):  # a double tap
        lessons.start(learner=circle.learner, lesson=lesson, decision=None, now=NOW)
        lessons.answer(visit=visit, number=0, choice=1, now=NOW + timedelta(minutes=2))
    for choice in (3, 2):  # the first answer counts
        lessons.answer(visit=visit, number=1, choice=choice, now=NOW + timedelta(minutes=3))

    said = told()

    key = lesson.key
    assert list(said) == [
        f"launched {key}",
        "answered 1",
        f"progressed {key}",
        "answered 2",
        f"completed {key}",
    ]
    assert Statement.objects.count() == 5
    assert said["answered 1"]["result"] == {"response": "b", "success": True}
    assert said["answered 2"]["result"] == {"response": "d", "success": False}
    assert said[f"progressed {key}"]["result"]["extensions"] == {
        "https://w3id.org/xapi/cmi5/result/extensions/progress": 50
    }
    assert said[f"completed {key}"]["result"] == {
        "completion": True,
        "duration": "PT180S",
        "score": {"scaled": 0.5, "raw": 1, "min": 0, "max": 2},
    }


def test_it_says_what_was_asked(circle: Circle, lesson: Lesson) -> None:
    lessons.answer(visit=begin(circle, lesson), number=0, choice=1, now=NOW)

    answered = told()["answered 1"]

    assert answered["object"]["definition"] == {
        "type": "http://adlnet.gov/expapi/activities/cmi.interaction",
        "name": {"en": "Look first (1)"},
        "description": {"en": "What comes first?"},
        "interactionType": "choice",
        "correctResponsesPattern": ["b"],
        "choices": [
            {"id": sign, "description": {"en": text}}
            for sign, text in zip("abcd", ["Run", "Look", "Shout", "Wait"], strict=True)
        ],
    }
    assert answered["actor"] == {"mbox": "mailto:robin@works.example"}
    assert answered["context"]["revision"] == "1"
    assert answered["context"]["extensions"]["https://w3id.org/rekindle/xapi/competency"] == "looking"


def test_it_lets_mastery_see_the_answers_in_the_course_it_was_suggested_for(
    circle: Circle, lesson: Lesson
) -> None:
    lessons.finish(visit=begin(circle, lesson), answers=[1, 0], now=NOW)

    shown = items()
    answers = AssessmentResult.objects.filter(enrolment_id=circle.enrolment.pk, is_item=True)
    assert {(shown[row.activity], row.success) for row in answers} == {
        (lesson.competency_id, True),
        (lesson.competency_id, False),
    }


@pytest.mark.parametrize("planned", [True, False])
def test_it_counts_one_taken_freely_for_the_course_that_plans_its_competency(
    circle: Circle, lesson: Lesson, planned: bool
) -> None:
    if planned:
        make_plan_step(course=circle.enrolment.course, competency=lesson.competency)

    lessons.finish(visit=begin(circle, lesson, suggested=False), answers=[1, 2], now=NOW)

    assert Event.objects.filter(learner_id=circle.learner.pk).exists()
    assert AssessmentResult.objects.filter(enrolment_id=circle.enrolment.pk, is_item=True).exists() is planned


def test_it_makes_nothing_of_them_for_somebody_who_does_not_want_it(circle: Circle, lesson: Lesson) -> None:
    record.withdraw(subject=circle.learner.pk, scope=Scope.RECORD, by=SYSTEM, now=NOW)

    lessons.finish(visit=begin(circle, lesson), answers=[1, 2], now=NOW)

    assert Statement.objects.exists()  # the store keeps what it hears; nothing is made of it
    assert not Event.objects.exists()
    assert not AssessmentResult.objects.exists()


def test_it_does_not_count_the_time_somebody_was_away(circle: Circle, lesson: Lesson) -> None:
    visit = begin(circle, lesson)

    lessons.answer(visit=visit, number=0, choice=1, now=NOW + timedelta(days=2))
    lessons.answer(visit=visit, number=1, choice=2, now=NOW + timedelta(days=2, minutes=1))

    assert (
        told()[f"completed {lesson.key}"]["result"]["duration"] == "PT1860S"
    )  # half an hour at most, and a minute


def test_it_completes_a_link_without_a_score(circle: Circle) -> None:
    there = content(format="link", address="https://lms.example/mod/page/view.php?id=7", questions=[])
    lesson = make_lesson(said=there)

    visit = lessons.done(visit=begin(circle, lesson), now=NOW + timedelta(minutes=5))

    assert (visit.score, visit.completed_at) == (None, NOW + timedelta(minutes=5))
    assert told()[f"completed {lesson.key}"]["result"] == {"completion": True, "duration": "PT300S"}


@pytest.mark.parametrize(("number", "choice"), [(1, 0), (7, 0), (0, 4), (0, -1)])
def test_it_takes_answers_in_order_and_only_those_there_are(
    circle: Circle, lesson: Lesson, number: int, choice: int
) -> None:
    visit = begin(circle, lesson)

    with pytest.raises(lessons.WrongAnswers):
        lessons.answer(visit=visit, number=number, choice=choice, now=NOW)
    assert list(told()) == [f"launched {lesson.key}"]


def test_it_names_a_question_without_language_or_version(lesson: Lesson) -> None:
    assert activity_key(f"{settings.PUBLIC_URL}/lessons/{lesson.key}/questions/1") in items()
