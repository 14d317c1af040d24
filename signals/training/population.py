"""Whose risk is asked about at which moments: everyone who was enrolled then, whatever became of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlsplit

from learners.models import Enrolment
from signals.features.bulk.tables import Point
from signals.features.refresh import computable

# Where nobody says otherwise, often early, when help still helps, and seldom later.
DEFAULT_DAYS = (0, 7, 14, 21, 28, 42, 56, 70, 84, 112, 140, 168)
_LAST_SECOND = time(23, 59, 59, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Asked:
    """One enrolment at the end of one of its days."""

    enrolment_id: int
    as_of: datetime
    day: int  # counted from the start
    course_id: int
    cohort: str

    @property
    def point(self) -> Point:
        return self.enrolment_id, self.as_of


def at_risk(*, course_ids: Sequence[int], days: Sequence[int], now: datetime) -> list[Asked]:
    """Everyone enrolled in these courses at the end (23:59:59 UTC) of each of these days since their start.

    Who left later is there up to the day they left, and who was never active from the day they were enrolled: a model
    that learned only from those who stayed would know nothing of leaving. Left out are days that are not over by
    ``now``, and people about whom we may not compute.
    """
    rows = list(
        Enrolment.objects.filter(course__in=list(course_ids))
        .select_related("course", "learner")
        .only(
            "starts_on",
            "enrolled_at",
            "ended_at",
            "course__iri",
            "course__starts_on",
            "learner__erased_at",
            "learner__merged_into",
        )
        .order_by("pk")
    )
    allowed = computable(rows)
    ends = {
        (start, day): datetime.combine(start + timedelta(days=day), _LAST_SECOND)
        for start in {row.starts_on for row in rows}
        for day in set(days)
    }
    return [
        Asked(row.pk, as_of, day, row.course_id, cohort_name(row))
        for row in rows
        if row.learner_id in allowed
        for day in sorted(set(days))
        if (as_of := ends[row.starts_on, day]) <= now
        and row.enrolled_at <= as_of
        and (row.ended_at is None or row.ended_at > as_of)
    ]


def cohort_name(enrolment: Enrolment) -> str:
    """Course and start in words: the IRI's path, with the start where it is not the course's own."""
    course = enrolment.course
    name = urlsplit(course.iri).path.strip("/") or course.iri
    return name if course.starts_on == enrolment.starts_on else f"{name}@{_in_words(enrolment.starts_on)}"


def _in_words(start: date) -> str:
    return start.isoformat()
