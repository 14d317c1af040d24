"""Where a lesson is taken: on our own page, or in the LMS where it lives."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from interventions import catalogue
from interventions.models import LessonPlace


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
    return catalogue.lesson_text(place.lesson, language).title, place.address


def addresses(lesson_ids: Iterable[int]) -> dict[int, str]:
    """Where those of these lessons live that live in an LMS; one query."""
    return dict(
        LessonPlace.objects.filter(pk__in=set(lesson_ids)).order_by().values_list("lesson_id", "address")
    )


def same_site(one: str, other: str) -> bool:
    """Whether two addresses are one system's, however they are written."""
    a, b = urlsplit(one.strip()), urlsplit(other.strip())
    return (a.netloc.lower(), a.path.rstrip("/")) == (b.netloc.lower(), b.path.rstrip("/"))
