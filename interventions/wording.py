"""The words of one alert: the message for its action and trigger, in the learner's language."""

from django.conf import settings
from django.urls import reverse

from interventions import catalogue
from interventions.models import Decision
from learners.models import Learner


def words(decision: Decision, learner: Learner) -> tuple[str, str]:
    """Subject and body of what this decision says to the learner."""
    triggers = (decision.snapshot or {}).get("episode") or {}
    first = next(iter(triggers.get("triggers") or _triggers(decision)), "")
    lesson = decision.lesson
    values = {
        "first_name": (learner.name or "").split(" ")[0],
        "course": decision.enrolment.course.name,
        "lesson": catalogue.lesson_text(lesson, learner.language).title if lesson else "",
        "minutes": str(lesson.minutes) if lesson else "5",
        "link": settings.PUBLIC_URL + (reverse("lesson", args=[lesson.key]) if lesson else reverse("me")),
    }
    return catalogue.message(f"{decision.action}-{first}", decision.action, learner.language, values)


def _triggers(decision: Decision) -> list[str]:
    return list(decision.episode.triggers) if decision.episode else []
