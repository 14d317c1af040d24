"""The smallest valid lessons and what they say."""

from itertools import count
from typing import Any
from uuid import uuid4

from interventions import authoring
from interventions.authoring import Content
from interventions.models import Lesson
from learners.models import Competency, Role, User
from tests.support.interventions import NOW

_number = count(1)


def question(text: str = "What comes first?", answer: int = 1) -> dict[str, Any]:
    return {
        "text": text,
        "choices": ["Run", "Look", "Shout", "Wait"],
        "answer": answer,
        "because": "It is so.",
    }


def content(**fields: Any) -> Content:
    """A text of our own with two questions."""
    said: dict[str, Any] = {
        "format": "text",
        "title": "Look first",
        "body": "Stop.\n\nThen look.",
        "questions": [question(), question("And then?", 2)],
    }
    return Content(**{**said, **fields})


def make_owner(**fields: Any) -> User:
    return User.objects.create_user(f"owner-{uuid4()}@works.example", roles=[Role.ADMIN], **fields)


def make_lesson(*, published: bool = True, said: Content | None = None, **fields: Any) -> Lesson:
    """A lesson somebody owns, in English, in use."""
    made: dict[str, Any] = {"key": f"look-{next(_number)}", "is_active": False, "minutes": 4, **fields}
    if "owner" not in made:
        made["owner"] = make_owner()
    lesson = Lesson.objects.create(**made)
    authoring.draft(lesson=lesson, language="en", content=said or content(), by=None, now=NOW)
    if published:
        authoring.publish(lesson=lesson, by=None, now=NOW)
    return lesson


def make_competency(key: str = "looking") -> Competency:
    return Competency.objects.create(key=key, name=key.capitalize())
