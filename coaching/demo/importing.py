"""One run of the Open University into this installation: course, plan, people, enrolments, then its statements."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import uuid4

from django.db import connection, transaction

from coaching.demo.endpoint import Endpoint
from coaching.demo.oulad import Oulad, Person, Run
from coaching.demo.statements import (
    HOME_PAGE,
    Writer,
    account_name,
    assessment_iri,
    course_iri,
    shift_to,
    statements,
)
from learners.enrolments import due_date
from learners.identity import canonical, identifier_hash
from learners.models import Course, DeclaredAttribute, Enrolment, Identifier, Learner, PlanStep

SOURCE = "Open University import"


@dataclass(frozen=True)
class Imported:
    """A run as it stands in this installation."""

    course: Course
    writer: Writer
    learners: dict[int, Learner]  # by the source's own number


def prepare(
    tables: Oulad,
    run: Run,
    *,
    starts_by: date | None,
    now: datetime,
    name: str = "",
    profiles: Mapping[int, Mapping[str, Any]] | None = None,
) -> Imported:
    """Makes sure of the course, its plan, its learners and their enrolments; twice changes nothing.

    ``starts_by``: shift the run by whole weeks so that it starts on this day or shortly before; the shift is kept as
    the course's start, so that a later import uses the same. ``profiles``: what the roster knows of a learner.
    """
    course = Course.objects.filter(iri=course_iri(run)).first()
    if course is not None and course.starts_on is not None:
        shift = (course.starts_on - run.starts_on).days
    else:
        shift = shift_to(run, starts_by) if starts_by is not None else 0
    writer = Writer(run, shift)
    with transaction.atomic():
        course, _ = Course.objects.get_or_create(
            iri=course_iri(run),
            defaults={
                "name": name or f"{run.module} {run.presentation}",
                "starts_on": writer.starts_on,
                "length_days": run.length_days,
            },
        )
        PlanStep.objects.bulk_create(
            [
                PlanStep(
                    course=course,
                    activity_iri=assessment_iri(run, assessment.id),
                    name=f"{assessment.kind} {number}",
                    due_day=assessment.due_day,
                    weight=assessment.weight,
                )
                for number, assessment in enumerate(tables.assessments(run), 1)
            ],
            ignore_conflicts=True,
        )
        people = tables.people(run)
        learners = _learners(people, profiles or {}, now)
        Enrolment.objects.bulk_create(
            [
                Enrolment(
                    learner=learners[person.id],
                    course=course,
                    starts_on=writer.starts_on,
                    due_on=due_date(course, writer.starts_on),
                    enrolled_at=_registered_at(writer, person),
                    earlier_attempts=person.earlier_attempts,
                    study_load=person.study_load,
                )
                for person in people
            ],
            ignore_conflicts=True,
        )
        _facts(people, learners, course, writer)
        _declared(people, learners, now)
    return Imported(course, writer, learners)


def send(
    tables: Oulad,
    imported: Imported,
    endpoint: Endpoint,
    *,
    from_day: int | None = None,
    to_day: int | None = None,
    progress: Callable[[int], object] = lambda count: None,
) -> None:
    """Sends the statements of these days (inclusive, counted from the start)."""
    waiting: list[bytes] = []
    for day in statements(tables, imported.writer, from_day=from_day, to_day=to_day):
        waiting += [dated.body for dated in day]
        whole = len(waiting) // 500 * 500
        if whole:
            endpoint.send(waiting[:whole])
            progress(whole)
            del waiting[:whole]
    endpoint.send(waiting)
    progress(len(waiting))


def _registered_at(writer: Writer, person: Person) -> datetime:
    day = writer.starts_on + timedelta(days=person.registered_day)
    return datetime.combine(day, time(7), UTC)


_FACTS = """
UPDATE learners_enrolment e
SET earlier_attempts = coalesce(said.attempts, e.earlier_attempts), study_load = coalesce(said.load, e.study_load)
FROM unnest(%s::uuid[], %s::smallint[], %s::float8[]) AS said (learner_id, attempts, load)
WHERE e.learner_id = said.learner_id AND e.course_id = %s AND e.starts_on = %s
  AND (e.earlier_attempts, e.study_load)
      IS DISTINCT FROM (coalesce(said.attempts, e.earlier_attempts), coalesce(said.load, e.study_load))
"""


def _facts(people: list[Person], learners: Mapping[int, Learner], course: Course, writer: Writer) -> None:
    """What the source knew when somebody enrolled, for those whom an earlier import brought without it."""
    with connection.cursor() as cursor:
        cursor.execute(
            _FACTS,
            [
                [learners[person.id].pk for person in people],
                [person.earlier_attempts for person in people],
                [person.study_load for person in people],
                course.pk,
                writer.starts_on,
            ],
        )


def _declared(people: list[Person], learners: Mapping[int, Learner], now: datetime) -> None:
    """What people declared of themselves. Somebody met again in another run keeps what was said first."""
    known = set(
        DeclaredAttribute.objects.filter(learner__in=[learner.pk for learner in learners.values()])
        .order_by("pk")
        .values_list("learner_id", "name")
    )
    DeclaredAttribute.objects.bulk_create(
        [
            DeclaredAttribute(learner=learner, name=name, value=value, source=SOURCE, said_at=now)
            for person in people
            for name, value in person.declared.items()
            if ((learner := learners[person.id]).pk, name) not in known
        ],
        ignore_conflicts=True,
    )


def _learners(
    people: list[Person], profiles: Mapping[int, Mapping[str, Any]], now: datetime
) -> dict[int, Learner]:
    """The learner behind each of the source's numbers, made where the account is not known yet."""
    accounts = {person.id: f"{HOME_PAGE}|{account_name(person.id)}" for person in people}
    hashes = {number: identifier_hash(canonical("account", account)) for number, account in accounts.items()}
    known = {
        bytes(identifier.hash): identifier.learner
        for identifier in Identifier.objects.filter(
            hash__in=list(hashes.values()), valid_to__isnull=True
        ).select_related("learner")
    }
    found = {number: known[value] for number, value in hashes.items() if value in known}
    made = {
        number: Learner(id=uuid4(), **profiles.get(number, {})) for number in accounts if number not in found
    }
    Learner.objects.bulk_create(made.values())
    Identifier.objects.bulk_create(
        Identifier(
            learner=learner,
            kind=Identifier.Kind.ACCOUNT,
            hash=hashes[number],
            value=accounts[number],
            valid_from=None,
        )
        for number, learner in made.items()
    )
    return {**found, **made}
