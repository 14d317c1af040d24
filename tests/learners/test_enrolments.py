"""Enrolling and ending may be asked twice and happen once."""

from datetime import date, timedelta

import pytest

from learners.enrolments import end, enrol
from learners.models import Enrolment
from tests.support.learners import NOW, TODAY, make_course, make_enrolment, make_learner

pytestmark = pytest.mark.django_db


def test_it_enrols_once_with_a_due_date_from_the_course() -> None:
    learner, course = make_learner(), make_course(length_days=30)

    first = enrol(learner=learner, course=course, starts_on=TODAY, now=NOW)
    again = enrol(learner=learner, course=course, starts_on=TODAY, now=NOW + timedelta(days=1))

    assert first == again
    assert (first.due_on, first.enrolled_at, first.state) == (date(2026, 4, 1), NOW, "active")
    assert enrol(learner=learner, course=make_course(), starts_on=TODAY, now=NOW).due_on is None


def test_it_keeps_the_active_enrolment_whatever_day_is_asked_for() -> None:
    active = make_enrolment()

    asked = enrol(learner=active.learner, course=active.course, starts_on=TODAY, now=NOW)

    assert asked == active


def test_it_enrols_again_after_the_end_but_not_for_the_same_start() -> None:
    ended = end(enrolment=make_enrolment(), state="failed", now=NOW)

    same = enrol(learner=ended.learner, course=ended.course, starts_on=ended.starts_on, now=NOW)
    new = enrol(learner=ended.learner, course=ended.course, starts_on=TODAY, now=NOW)

    assert (same, same.state) == (ended, "failed")
    assert (new.state, Enrolment.objects.count()) == ("active", 2)


def test_it_ends_once() -> None:
    enrolment = make_enrolment()

    ended = end(enrolment=enrolment, state="completed", now=NOW)
    again = end(enrolment=enrolment, state="withdrawn", now=NOW + timedelta(days=1))

    assert (ended.state, ended.ended_at) == (again.state, again.ended_at) == ("completed", NOW)


@pytest.mark.parametrize("state", ["active", "lost"])
def test_it_refuses_to_end_as_something_else(state: str) -> None:
    with pytest.raises(ValueError, match="cannot end as"):
        end(enrolment=make_enrolment(), state=state, now=NOW)
