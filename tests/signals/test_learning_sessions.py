"""Learning sessions of a person, over courses and midnight."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent.actors import SYSTEM
from consent.record import withdraw
from consent.scopes import Scope
from learners.models import Learner
from signals import partitions
from signals.features.sessions import LearningSession, learning_sessions
from signals.models import Event
from tests.support.signals import enrolled, make_course, make_credential, make_enrolment, send, statement

pytestmark = pytest.mark.django_db
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
GAP = timedelta(minutes=30)


def during(learner: UUID, *, hours: int = 24) -> list[LearningSession]:
    span = timedelta(hours=hours)
    return learning_sessions([learner], since=MIDNIGHT - span, until=MIDNIGHT + span)


def test_it_is_one_session_across_courses_and_midnight() -> None:
    first = enrolled()
    other = make_course("https://lms.example.com/course/other")
    make_enrolment(Learner.objects.get(), other)
    credential = make_credential().credential
    minutes = (-10, 0, 20, 45, 80)
    for number, minute in enumerate(minutes):
        course = other.iri if number % 2 else first.course.iri
        at = MIDNIGHT + timedelta(minutes=minute)
        send(statement(at=at, course=course), credential=credential, now=MIDNIGHT + timedelta(hours=5))

    found = during(first.learner_id)

    assert found == [
        LearningSession(
            first.learner_id,
            MIDNIGHT - timedelta(minutes=10),
            MIDNIGHT + timedelta(minutes=45),
            events=4,
            enrolments=2,
        ),
        LearningSession(
            first.learner_id,
            MIDNIGHT + timedelta(minutes=80),
            MIDNIGHT + timedelta(minutes=80),
            events=1,
            enrolments=1,
        ),
    ]


@pytest.mark.parametrize(("apart", "sessions"), [(GAP, 1), (GAP + timedelta(microseconds=1), 2)])
def test_it_ends_after_more_than_thirty_minutes(apart: timedelta, sessions: int) -> None:
    enrolment = enrolled()
    send(
        statement(at=MIDNIGHT),
        statement(at=MIDNIGHT + apart),
        credential=make_credential().credential,
        now=MIDNIGHT + timedelta(hours=2),
    )

    assert len(during(enrolment.learner_id)) == sessions


@pytest.mark.parametrize("scope", [Scope.RECORD, Scope.PROFILE])
def test_it_tells_nothing_of_those_who_refuse(scope: Scope) -> None:
    enrolment = enrolled()
    now = MIDNIGHT + timedelta(hours=2)
    send(statement(at=MIDNIGHT), credential=make_credential().credential, now=now)
    before = during(enrolment.learner_id)

    withdraw(subject=enrolment.learner_id, scope=scope, by=SYSTEM, now=now)

    assert len(before) == 1
    assert during(enrolment.learner_id) == []


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    # Steps of ten minutes, so that gaps of just 30 minutes, and ties, are common.
    seconds=st.lists(
        st.tuples(st.integers(-143, 143).map(lambda step: 600 * step), st.integers(0, 2)),
        min_size=1,
        max_size=30,
    )
)
def test_it_splits_as_one_would_by_hand(seconds: list[tuple[int, int]]) -> None:
    people = [UUID(int=number + 1) for number in range(3)]
    partitions.ensure({date(2026, 3, 1)})
    Event.objects.all().delete()
    Event.objects.bulk_create(
        Event(
            occurred_at=MIDNIGHT + timedelta(seconds=second),
            statement_id=UUID(int=1000 + number),
            learner_id=people[person],
            enrolment_id=None,
            known_at=MIDNIGHT,
            known_seq=0,
            verb=3,
            activity=1,
        )
        for number, (second, person) in enumerate(seconds)
    )

    found = learning_sessions(people, since=MIDNIGHT - timedelta(days=1), until=MIDNIGHT + timedelta(days=1))

    by_hand: list[tuple[UUID, datetime, datetime, int]] = []
    for person in people:
        moments = sorted(MIDNIGHT + timedelta(seconds=s) for s, who in seconds if people[who] == person)
        for at in moments:
            if by_hand and by_hand[-1][0] == person and at - by_hand[-1][2] <= GAP:
                by_hand[-1] = (person, by_hand[-1][1], at, by_hand[-1][3] + 1)
            else:
                by_hand.append((person, at, at, 1))
    assert [session[:4] for session in found] == by_hand
