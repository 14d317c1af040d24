"""Which certificates a snapshot sees: of each credential the last, in one course, until the learner's own midnight."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from interventions.policy.document import Document
from interventions.situation import snapshots
from interventions.snapshot import Certified, Snapshot
from learners.models import Competency, Course, Enrolment
from signals.models import Certificate
from tests.support.interventions import NOW, make_enrolment, make_rule

pytestmark = pytest.mark.django_db
_number = count(1)
END = datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC)


def certificate(
    enrolment: Enrolment, *, earned: int = 300, until: datetime | None = END, **more: Any
) -> Certificate:
    """Something this learner earned so many days ago."""
    at = NOW - timedelta(days=earned)
    made: dict[str, Any] = {
        "statement_id": UUID(int=next(_number)),
        "learner_id": enrolment.learner_id,
        "occurred_at": at,
        "known_at": at,
        "known_seq": 0,
        "activity": 7,
        "expires_at": until,
        "whole_day": until is not None,
    }
    return Certificate.objects.create(**{**made, **more})


def seen(*enrolments: Enrolment) -> list[tuple[Certified, ...]]:
    found = look(*enrolments)
    return [found[one.pk].seen.certificates for one in enrolments]


def look(*enrolments: Enrolment) -> dict[int, Snapshot]:
    return snapshots([one.pk for one in enrolments], policy=Document(), policy_version=1, now=NOW)


def live_in(enrolment: Enrolment, zone: str) -> None:
    enrolment.learner.time_zone = zone
    enrolment.learner.save(update_fields=["time_zone"])


@pytest.mark.parametrize(
    ("zone", "ends_at"),
    [
        ("UTC", "2026-03-31T23:59:59+00:00"),
        ("Pacific/Auckland", "2026-03-31T23:59:59+13:00"),
        ("America/Los_Angeles", "2026-03-31T23:59:59-07:00"),
    ],
)
def test_a_day_ends_where_the_learner_lives(zone: str, ends_at: str) -> None:
    enrolment = make_enrolment()
    live_in(enrolment, zone)
    certificate(enrolment)

    ((one,),) = seen(enrolment)

    assert one.ends_at.isoformat() == ends_at


def test_a_moment_is_the_same_everywhere() -> None:
    enrolment = make_enrolment()
    live_in(enrolment, "Pacific/Auckland")
    certificate(enrolment, whole_day=False)

    ((one,),) = seen(enrolment)

    assert one.ends_at == END


def test_a_renewal_replaces_what_it_renews_in_whatever_order_they_came() -> None:
    for order in ((300, 5), (5, 300)):
        enrolment = make_enrolment()
        for earned in order:
            certificate(enrolment, earned=earned, until=END + timedelta(days=300 - earned))

        ((one,),) = seen(enrolment)

        assert one.earned_at == NOW - timedelta(days=5)


def test_one_without_an_end_replaces_one_that_ends() -> None:
    enrolment = make_enrolment()
    certificate(enrolment)
    certificate(enrolment, earned=5, until=None)

    assert seen(enrolment) == [()]


def test_a_renewal_taken_back_leaves_the_one_before() -> None:
    enrolment = make_enrolment()
    certificate(enrolment)
    certificate(enrolment, earned=5, until=None, voided_seq=0)

    ((one,),) = seen(enrolment)

    assert one.earned_at == NOW - timedelta(days=300)


def test_it_counts_in_the_course_it_is_of_else_in_the_first() -> None:
    first = make_enrolment()
    second = make_enrolment(learner=first.learner)
    elsewhere = Course.objects.create(iri="urn:elsewhere", name="Elsewhere")
    certificate(first, activity=1, course=second.course)
    certificate(first, activity=2, course=elsewhere)
    certificate(first, activity=3, until=END + timedelta(days=1))

    in_first, in_second = seen(first, second)

    assert (len(in_first), len(in_second)) == (2, 1)
    assert [one.ends_at.day for one in in_first] == [31, 1]  # the next to end first


def test_it_forgets_what_ended_more_than_a_year_ago_and_what_others_earned() -> None:
    mine, other = make_enrolment(), make_enrolment()
    certificate(mine, earned=900, until=NOW - timedelta(days=400))
    certificate(other)

    assert seen(mine) == [()]


def test_what_it_was_about_is_what_a_lesson_should_teach() -> None:
    enrolment = make_enrolment()
    phishing = Competency.objects.get(lessons__key="spotting-phishing")
    certificate(enrolment, competency=phishing)

    found = look(enrolment)[enrolment.pk]

    assert (found.lessons, found.lessons_fit) == (("spotting-phishing",), True)


def test_a_rule_asks_for_days_until_one_ends_and_is_asked_again_for_the_next() -> None:
    enrolment = make_enrolment()
    live_in(enrolment, "UTC")
    make_rule(
        key="ends",
        acts_alone=True,
        when={"clauses": [{"fact": "days_to_certificate", "op": "below", "value": 30}]},
    )
    certificate(enrolment, activity=1)
    certificate(enrolment, activity=2, until=END + timedelta(days=60))

    found = look(enrolment)[enrolment.pk]

    assert [hit.key for hit in found.rules] == ["ends"]
    assert found.rules_review_at == END + timedelta(days=30, seconds=1)


def test_it_asks_as_often_for_many_as_for_one() -> None:
    enrolments = [make_enrolment() for _ in range(6)]
    for enrolment in enrolments:
        certificate(enrolment)

    counts = []
    for batch in (enrolments[:1], enrolments):
        with CaptureQueriesContext(connection) as queries:
            look(*batch)
        counts.append(len(queries))

    assert counts[0] == counts[1]
