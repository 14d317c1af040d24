"""Taking a micro-lesson: begun, answered question by question, graded; told by ``lesson_statements``."""

from datetime import datetime, timedelta

from django.db import transaction

from interventions import catalogue, framework_places, lesson_statements
from interventions.models import Decision, Lesson, LessonText, LessonVisit
from learners.models import Learner

# Longer than this between two steps, and somebody was away.
AWAY = timedelta(minutes=30)


class NotOffered(Exception):
    """This lesson cannot be begun any more (or not yet)."""


class WrongAnswers(ValueError):
    """The answers do not fit the questions; the message says how."""


def start(*, learner: Learner, lesson: Lesson, decision: Decision | None, now: datetime) -> LessonVisit:
    """The learner's open visit to this lesson, begun now if there is none. Raises NotOffered.

    A visit keeps the version it began with: one that is under way can be finished whatever becomes of the lesson.
    """
    with transaction.atomic():
        Learner.objects.select_for_update(no_key=True).get(pk=learner.pk)  # two tabs begin one visit
        visit = LessonVisit.objects.filter(learner=learner, lesson=lesson, completed_at__isnull=True).first()
        if visit is None:
            if not lesson.is_open(now.date()):
                raise NotOffered("This lesson is not offered any more.")
            text = catalogue.lesson_text(lesson, learner.language)
            framework_places.declare(lesson)
            visit = LessonVisit.objects.create(
                learner=learner, lesson=lesson, decision=decision, text=text, started_at=now, stepped_at=now
            )
            lesson_statements.launched(visit, text, now=now)
    return visit


def shown(visit: LessonVisit) -> LessonText:
    """What this visit shows, first to last."""
    return visit.text or catalogue.lesson_text(visit.lesson, visit.learner.language)


def answer(*, visit: LessonVisit, number: int, choice: int, now: datetime) -> LessonVisit:
    """Takes the answer to one question (from 0), in order; the last one completes the visit.

    The first answer to a question counts: a double tap, or the back button, changes nothing. Raises WrongAnswers.
    """
    with transaction.atomic():
        visit = _locked(visit)
        text = shown(visit)
        if visit.completed_at is not None or number < len(visit.answers):
            return visit
        if number > len(visit.answers) or number >= len(text.questions):
            raise WrongAnswers(f"Question {len(visit.answers) + 1} comes first.")
        if not 0 <= choice < len(text.questions[number]["choices"]):
            raise WrongAnswers(f"Question {number + 1} has no choice {choice + 1}.")
        visit.answers = [*visit.answers, choice]
        _step(visit, now)
        lesson_statements.answered(visit, text, number, now=now)
        if len(visit.answers) == len(text.questions):
            _complete(visit, text, now)
        else:
            lesson_statements.progressed(visit, text, now=now)
    return visit


def finish(*, visit: LessonVisit, answers: list[int], now: datetime) -> LessonVisit:
    """Takes the answers to all questions at once and completes the visit. Finishing twice changes nothing."""
    questions = shown(visit).questions
    if len(answers) != len(questions):
        raise WrongAnswers(f"This lesson has {len(questions)} questions; {len(answers)} were answered.")
    with transaction.atomic():
        for number, choice in enumerate(answers):
            visit = answer(visit=visit, number=number, choice=choice, now=now)
    return visit


def done(*, visit: LessonVisit, now: datetime) -> LessonVisit:
    """Completes a visit to a lesson that asks nothing, because its reader says so. Raises WrongAnswers."""
    with transaction.atomic():
        visit = _locked(visit)
        text = shown(visit)
        if text.questions:
            raise WrongAnswers("Answer the questions first.")
        if visit.completed_at is None:
            _step(visit, now)
            _complete(visit, text, now)
    return visit


def _locked(visit: LessonVisit) -> LessonVisit:
    return (
        LessonVisit.objects.select_for_update(of=("self",))
        .select_related("lesson__competency", "learner", "text")
        .get(pk=visit.pk)
    )


def _step(visit: LessonVisit, now: datetime) -> None:
    away = now - (visit.stepped_at or visit.started_at)
    visit.seconds += round(min(max(away, timedelta()), AWAY).total_seconds())
    visit.stepped_at = now
    visit.save(update_fields=["answers", "seconds", "stepped_at"])


def _complete(visit: LessonVisit, text: LessonText, now: datetime) -> None:
    right = sum(
        given == question["answer"] for given, question in zip(visit.answers, text.questions, strict=True)
    )
    visit.completed_at = now
    visit.score = right / len(text.questions) if text.questions else None
    visit.save(update_fields=["completed_at", "score"])
    lesson_statements.completed(visit, text, right, now=now)
