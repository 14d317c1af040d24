"""The certificates that people hold, as triggers and rules look at them: two queries and the zones, whatever the batch.

Of one credential the certificate earned last counts. Each is looked at in one course only, so that what is true of a
person is acted upon once: the course it is of, where they are active in it, else the first of their active ones.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta, timezone
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from interventions.snapshot import Certified
from learners.models import Enrolment
from learners.zones import zones_of
from signals.waking import enrolments_of

# What ended longer ago is nobody's concern any more; an episode lasts a year at most.
ENDED_WITHIN = timedelta(days=366)
_A_SECOND = timedelta(seconds=1)

_HELD = """
SELECT held.learner_id, held.occurred_at, held.known_at, held.expires_at, held.whole_day, course.iri, competency.key
FROM (
    SELECT DISTINCT ON (learner_id, activity) learner_id, occurred_at, known_at, expires_at, whole_day, course_id,
        competency_id
    FROM signals_certificate
    WHERE learner_id = ANY(%s) AND voided_seq IS NULL AND occurred_at <= %s
    -- Two of one moment: the one that holds longer.
    ORDER BY learner_id, activity, occurred_at DESC, expires_at DESC NULLS FIRST, statement_id
) held
LEFT JOIN learners_course course ON course.id = held.course_id
LEFT JOIN learners_competency competency ON competency.id = held.competency_id
WHERE held.expires_at > %s
ORDER BY held.expires_at, held.occurred_at
"""


class Held(NamedTuple):
    """What counts in one enrolment."""

    certificates: tuple[Certified, ...]
    competencies: tuple[str, ...]  # what those teach that have not ended, the next to end first


NOTHING = Held((), ())


def held(enrolments: Sequence[Enrolment], *, now: datetime) -> dict[int, Held]:
    """Enrolment → the certificates that count in it, the next to end first; enrolments without any are left out."""
    people = {enrolment.learner_id for enrolment in enrolments}
    with connection.cursor() as cursor:
        cursor.execute(_HELD, [list(people), now, now - ENDED_WITHIN])
        rows = cursor.fetchall()
    holders = {row[0] for row in rows}
    zones = zones_of(holders) if holders else {}
    places = _places(holders)
    found: dict[int, list[tuple[Certified, str | None]]] = {}
    for learner, earned_at, known_at, expires_at, whole_day, course, competency in rows:
        place = _place(places.get(learner, {}), course)
        if place is None:
            continue
        ends_at = expires_at
        if whole_day:
            # The last second of that day where they live.
            day = expires_at.astimezone(UTC).date() + timedelta(days=1)
            ends_at = datetime.combine(day, time(), zones[learner]) - _A_SECOND
        # With a plain offset, as a snapshot is kept: reckoning with it is the same before and after.
        offset = ends_at.astimezone(zones[learner]).utcoffset() or timedelta()
        one = Certified(ends_at.astimezone(timezone(offset)), earned_at, known_at)
        found.setdefault(place, []).append((one, competency))
    return {
        pk: Held(
            tuple(one for one, _ in mine),
            tuple(dict.fromkeys(key for one, key in mine if key and one.ends_at >= now)),
        )
        for pk, mine in found.items()
    }


def _places(learners: set[UUID]) -> dict[UUID, dict[int, str]]:
    """Learner → their active enrolments in order, each with its course's IRI."""
    active = enrolments_of(learners)
    courses = dict(
        Enrolment.objects.filter(pk__in=[pk for own in active.values() for pk in own])
        .order_by("pk")
        .values_list("pk", "course__iri")
    )
    return {learner: {pk: courses[pk] for pk in own} for learner, own in active.items()}


def _place(active: dict[int, str], course: str | None) -> int | None:
    of_course = next((pk for pk, iri in active.items() if course is not None and iri == course), None)
    return of_course if of_course is not None else next(iter(active), None)
