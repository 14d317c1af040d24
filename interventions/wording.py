"""The words of one alert: the message for its action and trigger, or a rule's own, in the learner's language."""

from django.conf import settings

from interventions import catalogue
from interventions.models import Decision
from learners.models import Learner


def words(decision: Decision, learner: Learner) -> catalogue.Words:
    """What this decision says to the learner, and the version of the words that was filled in."""
    first = next(iter(decision.episode.triggers), "") if decision.episode else ""
    lesson = decision.lesson
    values = {
        "first_name": (learner.name or "").split(" ")[0],
        "course": decision.enrolment.course.name,
        "lesson": catalogue.lesson_text(lesson, learner.language).title if lesson else "",
        "minutes": str(lesson.minutes) if lesson else "5",
        "link": f"{settings.PUBLIC_URL}/me/" + (f"lessons/{lesson.key}/" if lesson else ""),
    }
    own = decision.rule.message if decision.rule else ""
    return catalogue.told(
        own or f"{decision.action}-{first}", decision.action, learner.language, values, reader=learner.pk
    )
