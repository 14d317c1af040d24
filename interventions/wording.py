"""The words of one alert: the message for its action and trigger, or a rule's own, in the learner's language."""

from typing import NamedTuple

from django.conf import settings

from interventions import catalogue, places
from interventions.models import Decision
from learners.models import Learner


class Announced(NamedTuple):
    """Words filled in, which version of them, and of the lesson they announce."""

    subject: str
    body: str
    version: int | None
    lesson_text: int | None


def words(decision: Decision, learner: Learner) -> Announced:
    """What this decision says to the learner, and the versions of what is shown."""
    first = next(iter(decision.episode.triggers), "") if decision.episode else ""
    lesson = decision.lesson
    shown = catalogue.lesson_text(lesson, learner.language) if lesson else None
    values = {
        "first_name": (learner.name or "").split(" ")[0],
        "course": decision.enrolment.course.name,
        "lesson": shown.title if shown else "",
        "minutes": str(lesson.minutes) if lesson else "5",
        "link": places.address_of(lesson, shown) if lesson and shown else f"{settings.PUBLIC_URL}/me/",
    }
    own = decision.rule.message if decision.rule else ""
    told = catalogue.told(
        own or f"{decision.action}-{first}", decision.action, learner.language, values, reader=learner.pk
    )
    return Announced(*told, shown.pk if shown else None)
