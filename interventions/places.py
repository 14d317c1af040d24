"""Where a suggested lesson is taken: on our own page, or, where it is part of an LMS course, straight on its page.

A text that leads elsewhere (a link, video or document) has its address in every version of its own, and our page of the
lesson shows it: the learner goes there and comes back. A ``LessonPlace`` says more: the lesson is the LMS's own, so
every link leads there at once. It may name a page; else it is the one that the text in the learner's language gives.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from django.conf import settings

from interventions import catalogue
from interventions.models import Lesson, LessonPlace, LessonText


def in_the_lms(lesson: Lesson, text: LessonText) -> str:
    """The address in the LMS where this lesson lives; empty for one that is taken on our own page.

    ``text`` is what the learner would be shown. Asks for the place unless it was fetched with the lesson.
    """
    place: LessonPlace | None = getattr(lesson, "place", None)
    return (place.address or text.address) if place is not None else ""


def own_page(key: str) -> str:
    """The address of our own page of a lesson."""
    return f"{settings.PUBLIC_URL}/me/lessons/{key}/"


def address_of(lesson: Lesson, text: LessonText) -> str:
    """Where a learner takes this lesson, whichever it is."""
    return in_the_lms(lesson, text) or own_page(lesson.key)


def link_of(lesson_id: int | None, language: str) -> tuple[str, str] | None:
    """Title and address of a lesson that lives in an LMS; None for one of our own, or for none."""
    if lesson_id is None:
        return None
    place = (
        LessonPlace.objects.select_related("lesson")
        .prefetch_related(catalogue.texts_in_use("lesson__texts"))
        .filter(pk=lesson_id)
    ).first()
    if place is None:
        return None
    text = catalogue.lesson_text(place.lesson, language)
    address = place.address or text.address
    return (text.title, address) if address else None


def courses(lesson_ids: Iterable[int]) -> dict[int, int]:
    """Those of these lessons that are part of a Moodle course → its number; one query."""
    rows = LessonPlace.objects.filter(pk__in=set(lesson_ids)).order_by()
    found = rows.values_list("lesson_id", "moodle_course")
    return {lesson_id: course for lesson_id, course in found if course is not None}


def same_site(one: str, other: str) -> bool:
    """Whether two addresses are one system's, however they are written."""
    a, b = urlsplit(one.strip()), urlsplit(other.strip())
    return (a.netloc.lower(), a.path.rstrip("/")) == (b.netloc.lower(), b.path.rstrip("/"))
