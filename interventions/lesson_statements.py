"""What people do in our own lessons, told to the record store like any other learning: the ordinary xAPI statements.

An id follows from the visit and the step, so telling twice stores once.
"""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from django.conf import settings

from interventions.framework_places import lesson_iri, question_iri
from interventions.models import Decision, LessonText, LessonVisit
from learners.models import Enrolment, Learner
from signals import ingest
from signals.models import Credential
from signals.normalize import CMI5_PROGRESS
from signals.surroundings import SESSION

ADL = "http://adlnet.gov/expapi/"
SOURCE = "Rekindle lessons"
COMPETENCY = "https://w3id.org/rekindle/xapi/competency"
FORMAT = "https://w3id.org/rekindle/xapi/format"
LETTERS = "abcdefgh"  # how a choice is called in an interaction


def launched(visit: LessonVisit, text: LessonText, *, now: datetime) -> None:
    """The learner began."""
    _tell(visit, text, "launched", "launched", _lesson(visit, text), None, now)


def progressed(visit: LessonVisit, text: LessonText, *, now: datetime) -> None:
    """So much of the lesson is done."""
    share = round(100 * len(visit.answers) / len(text.questions))
    result = {"extensions": {CMI5_PROGRESS: share}, "duration": _duration(visit)}
    step = f"progressed:{len(visit.answers)}"
    _tell(visit, text, "progressed", step, _lesson(visit, text), result, now)


def answered(visit: LessonVisit, text: LessonText, number: int, *, now: datetime) -> None:
    """The learner answered this question (from 0): which choice, and whether it was right."""
    question, given = text.questions[number], visit.answers[number]
    target = {
        "id": question_iri(visit.lesson, number),
        "definition": {
            "type": ADL + "activities/cmi.interaction",
            "name": {text.language: f"{text.title} ({number + 1})"},
            "description": {text.language: question["text"]},
            "interactionType": "choice",
            "correctResponsesPattern": [LETTERS[question["answer"]]],
            "choices": [
                {"id": LETTERS[place], "description": {text.language: choice}}
                for place, choice in enumerate(question["choices"])
            ],
        },
    }
    result = {"response": LETTERS[given], "success": given == question["answer"]}
    _tell(visit, text, "answered", f"answered:{number}", target, result, now, inside=True)


def completed(visit: LessonVisit, text: LessonText, right: int, *, now: datetime) -> None:
    """The learner came to the end; with a score where questions were asked."""
    result: dict[str, Any] = {"completion": True, "duration": _duration(visit)}
    if visit.score is not None:
        result["score"] = {"scaled": visit.score, "raw": right, "min": 0, "max": len(text.questions)}
    _tell(visit, text, "completed", "completed", _lesson(visit, text), result, now)


def _lesson(visit: LessonVisit, text: LessonText) -> dict[str, Any]:
    return {
        "id": lesson_iri(visit.lesson),
        "definition": {"type": ADL + "activities/lesson", "name": {text.language: text.title}},
    }


def _duration(visit: LessonVisit) -> str:
    return f"PT{visit.seconds}S"


def _tell(
    visit: LessonVisit,
    text: LessonText,
    verb: str,
    step: str,
    target: dict[str, Any],
    result: dict[str, Any] | None,
    now: datetime,
    *,
    inside: bool = False,
) -> None:
    around: dict[str, list[dict[str, str]]] = {}
    course = _course_iri(visit)
    if inside:
        around["parent"] = [{"id": lesson_iri(visit.lesson)}]
    if course:
        around["grouping" if inside else "parent"] = [{"id": course}]
    competency = visit.lesson.competency
    context: dict[str, Any] = {
        "registration": str(visit.pk),
        "platform": "Rekindle",
        "language": text.language,
        "revision": str(text.version),
        "extensions": {
            SESSION: str(visit.pk),
            FORMAT: text.format,
            **({COMPETENCY: competency.key} if competency else {}),
        },
    }
    if around:
        context["contextActivities"] = around
    statement: dict[str, Any] = {
        "id": str(uuid5(NAMESPACE_URL, f"rekindle:visit:{visit.pk}:{step}")),
        "actor": _actor(visit.learner_id)
        or {"account": {"homePage": settings.PUBLIC_URL, "name": str(visit.learner_id)}},
        "verb": {"id": f"{ADL}verbs/{verb}", "display": {"en": verb}},
        "object": target,
        "context": context,
        "timestamp": now.astimezone(UTC).isoformat(),
    }
    if result:
        statement["result"] = result
    ingest.ingest([json.dumps(statement).encode()], credential=_credential(now), now=now)


def _course_iri(visit: LessonVisit) -> str:
    """The course that this counts for: the one it was suggested for, else one in which its competency is planned."""
    if visit.decision_id is not None:
        return Decision.objects.values_list("enrolment__course__iri", flat=True).get(pk=visit.decision_id)
    if visit.lesson.competency_id is None:
        return ""
    planned = Enrolment.objects.filter(
        learner=visit.learner_id,
        state=Enrolment.State.ACTIVE,
        course__plan__competency=visit.lesson.competency_id,
    )
    return planned.order_by("starts_on", "pk").values_list("course__iri", flat=True).first() or ""


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
