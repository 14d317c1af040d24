"""Our lessons in the competency framework: that answers to their questions show a competency is said there."""

from django.conf import settings

from interventions.models import Lesson, LessonPlace, LessonText
from learners.models import CompetencyItem, CompetencyLesson


def lesson_iri(lesson: Lesson) -> str:
    """What a lesson is called in statements."""
    return f"{settings.PUBLIC_URL}/lessons/{lesson.key}"


def question_iri(lesson: Lesson, number: int) -> str:
    """What its question (from 0) is called. The same in every language, as translations ask the same."""
    return f"{lesson_iri(lesson)}/questions/{number + 1}"


def declare(lesson: Lesson) -> None:
    """Enters a lesson, its questions and the page it leads to under its competency; takes out what it no longer has.

    Safe to call at any time: what is there already is left alone. An address that the framework knows as somebody
    else's stays theirs.
    """
    texts = list(LessonText.objects.in_use().filter(lesson=lesson).order_by("language"))
    most = max((len(text.questions) for text in texts), default=0)
    own = f"{lesson_iri(lesson)}/questions/"
    if lesson.competency_id is None or not texts:
        CompetencyItem.objects.filter(iri__startswith=own).delete()
        CompetencyLesson.objects.filter(iri=lesson_iri(lesson)).delete()
        return
    title = next((text.title for text in texts if text.language == "en"), texts[0].title)
    place, _ = CompetencyLesson.objects.get_or_create(
        iri=lesson_iri(lesson), defaults={"competency_id": lesson.competency_id, "name": title}
    )
    if place.competency_id != lesson.competency_id:
        CompetencyLesson.objects.filter(pk=place.pk).update(competency_id=lesson.competency_id)
    wanted = [question_iri(lesson, number) for number in range(most)]
    there = dict(CompetencyItem.objects.filter(iri__startswith=own).values_list("iri", "competency_id"))
    CompetencyItem.objects.bulk_create(
        [
            CompetencyItem(
                competency_id=lesson.competency_id,
                lesson=place,
                iri=iri,
                name=f"{title} ({number})",
                position=number,
            )
            for number, iri in enumerate(wanted, 1)
            if iri not in there
        ],
        ignore_conflicts=True,  # two people begin the same new lesson
    )
    if any(competency != lesson.competency_id for competency in there.values()):
        CompetencyItem.objects.filter(iri__startswith=own).update(competency_id=lesson.competency_id)
    if gone := set(there).difference(wanted):
        CompetencyItem.objects.filter(iri__in=gone).delete()
    place_in_lms = LessonPlace.objects.filter(pk=lesson.pk).first()
    elsewhere = {place_in_lms.address: title} if place_in_lms is not None else {}
    for address, name in [*elsewhere.items(), *((text.address, text.title) for text in texts)]:
        # What people do there comes back under the address of the place itself.
        if address and len(address) <= 500:
            CompetencyLesson.objects.get_or_create(
                iri=address, defaults={"competency_id": lesson.competency_id, "name": name}
            )
