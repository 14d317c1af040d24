"""Enrolling somebody in a course, and ending it; both may be asked twice."""

from datetime import date, datetime, timedelta

from django.db import transaction

from learners.models import Course, Enrolment, Learner


def due_date(course: Course, starts_on: date) -> date | None:
    """The day by which a course that starts then should be done; None where the course has no length."""
    return None if course.length_days is None else starts_on + timedelta(days=course.length_days)


def enrol(*, learner: Learner, course: Course, starts_on: date, now: datetime) -> Enrolment:
    """The learner's enrolment from that day, made if there is none.

    Somebody who is active in the course already keeps that enrolment, whatever day is asked for: nobody is active
    in one course twice. One that has ended is answered as it stands and not opened again.
    """
    with transaction.atomic():
        # Two askers at once: the constraints let one win, and both are given its row.
        Enrolment.objects.bulk_create(
            [
                Enrolment(
                    learner=learner,
                    course=course,
                    starts_on=starts_on,
                    due_on=due_date(course, starts_on),
                    enrolled_at=now,
                )
            ],
            ignore_conflicts=True,
        )
        mine = Enrolment.objects.filter(learner=learner, course=course)
        return mine.filter(starts_on=starts_on).first() or mine.active().get()


def end(*, enrolment: Enrolment, state: str, now: datetime) -> Enrolment:
    """The enrolment, ended in this state; one that has ended before stays as it was."""
    if state not in Enrolment.State.values or state == Enrolment.State.ACTIVE:
        raise ValueError(f"An enrolment cannot end as {state!r}.")
    Enrolment.objects.active().filter(pk=enrolment.pk).update(state=state, ended_at=now)
    enrolment.refresh_from_db(fields=["state", "ended_at"])
    return enrolment
