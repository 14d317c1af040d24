"""Taking a micro-lesson: started, answered, graded, and told to the record store like any other learning."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from django.conf import settings
from django.db import transaction

from interventions import catalogue
from interventions.models import Decision, Lesson, LessonVisit
from learners.models import Learner
from signals import ingest
from signals.models import Credential

ADL = "http://adlnet.gov/expapi/verbs/"
SOURCE = "Rekindle lessons"


class WrongAnswers(ValueError):
    """The answers do not fit the questions; the message says how."""


def start(*, learner: Learner, lesson: Lesson, decision: Decision | None, now: datetime) -> LessonVisit:
    """The learner's open visit to this lesson, begun now if there is none."""
    with transaction.atomic():
        Learner.objects.select_for_update(no_key=True).get(pk=learner.pk)  # two tabs begin one visit
        visit = LessonVisit.objects.filter(learner=learner, lesson=lesson, completed_at__isnull=True).first()
        if visit is None:
            visit = LessonVisit.objects.create(
                learner=learner, lesson=lesson, decision=decision, started_at=now
            )
            _tell(visit, "launched", now, None)
    return visit


def finish(*, visit: LessonVisit, answers: list[int], now: datetime) -> LessonVisit:
    """Grades the answers (one choice per question) and completes the visit. Finishing twice changes nothing."""
    questions = catalogue.lesson_text(visit.lesson, visit.learner.language).questions
    if len(answers) != len(questions):
        raise WrongAnswers(f"This lesson has {len(questions)} questions; {len(answers)} were answered.")
    for number, (answer, question) in enumerate(zip(answers, questions, strict=True), 1):
        if not 0 <= answer < len(question["choices"]):
            raise WrongAnswers(f"Question {number} has no choice {answer + 1}.")
    right = sum(answer == question["answer"] for answer, question in zip(answers, questions, strict=True))
    with transaction.atomic():
        moved = LessonVisit.objects.filter(pk=visit.pk, completed_at__isnull=True).update(
            completed_at=now, answers=answers, score=right / len(questions)
        )
        visit.refresh_from_db()
        if moved:
            _tell(visit, "completed", now, {"score": {"scaled": visit.score}, "completion": True})
    return visit


def _tell(visit: LessonVisit, verb: str, now: datetime, result: dict[str, Any] | None) -> None:
    """Posts the visit to the record store. Its id follows from the visit, so telling twice stores once."""
    iri = f"{settings.PUBLIC_URL}/lessons/{visit.lesson.key}"
    statement: dict[str, Any] = {
        "id": str(uuid5(NAMESPACE_URL, f"rekindle:visit:{visit.pk}:{verb}")),
        "actor": {"account": {"homePage": settings.PUBLIC_URL, "name": str(visit.learner_id)}},
        "verb": {"id": ADL + verb},
        "object": {"id": iri, "definition": {"type": "http://adlnet.gov/expapi/activities/lesson"}},
        "timestamp": now.astimezone(UTC).isoformat(),
    }
    course = _course_iri(visit.decision_id)
    if course:
        # A lesson we suggested counts as activity in the course it was suggested for.
        statement["context"] = {"contextActivities": {"parent": [{"id": course}]}}
    if result:
        statement["result"] = result
    actor = _actor(visit.learner_id)
    if actor is not None:
        statement["actor"] = actor
    ingest.ingest([json.dumps(statement).encode()], credential=_credential(now), now=now)


def _course_iri(decision_id: UUID | None) -> str:
    if decision_id is None:
        return ""
    return Decision.objects.values_list("enrolment__course__iri", flat=True).get(pk=decision_id)


def _actor(learner_id: UUID) -> dict[str, Any] | None:
    """One of the identifiers by which systems already name the learner, so that the statement finds its person."""
    identifier = (
        Learner.objects.get(pk=learner_id)
        .identifiers.filter(valid_to__isnull=True)
        .exclude(kind="employee")  # no system sends it by itself
        .order_by("kind", "pk")
        .first()
    )
    if identifier is None:
        return None
    if identifier.kind in ("account", "sso"):
        home_page, _, name = identifier.value.partition("|")
        return {"account": {"homePage": home_page, "name": name}}
    if identifier.kind == "mbox" and not identifier.value.startswith("mailto:"):
        return {"mbox": f"mailto:{identifier.value}"}
    return {identifier.kind: identifier.value}


def _credential(now: datetime) -> Credential:
    return Credential.objects.get_or_create(
        name=SOURCE,
        defaults={
            "key": "rekindle-lessons",
            "secret_hash": b"",  # nobody can sign in with it: it only names the source
            "permissions": ["write"],
            "created_at": now,
            "is_active": False,
        },
    )[0]
