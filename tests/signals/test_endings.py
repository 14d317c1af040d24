"""An enrolment ended by a statement, and that statement taken back."""

from datetime import timedelta
from typing import Any

import pytest

from learners.models import Enrolment
from tests.support.signals import COURSE, NOW, enrolled, make_credential, make_enrolment, send, statement

pytestmark = pytest.mark.django_db


def voiding_of(statement_id: str) -> dict[str, Any]:
    return statement("voided", object={"objectType": "StatementRef", "id": statement_id}, course=None)


def test_it_opens_an_enrolment_again_whose_end_is_voided() -> None:
    enrolment = enrolled()
    credential = make_credential().credential
    sent = statement("completed", COURSE, at=NOW - timedelta(days=3))
    send(sent, credential=credential)
    enrolment.refresh_from_db()
    assert enrolment.state == "completed"

    send(voiding_of(sent["id"]), credential=credential)

    enrolment.refresh_from_db()
    assert (enrolment.state, enrolment.ended_at) == ("active", None)


def test_it_lets_the_next_statement_that_ends_an_enrolment_stand() -> None:
    enrolment = enrolled()
    credential = make_credential().credential
    failed = statement("failed", COURSE, at=NOW - timedelta(days=3))
    passed = statement("passed", COURSE, at=NOW - timedelta(days=1))
    send(failed, passed, credential=credential)

    send(voiding_of(passed["id"]), credential=credential)
    enrolment.refresh_from_db()
    assert (enrolment.state, enrolment.ended_at) == ("failed", NOW - timedelta(days=3))
    send(voiding_of(failed["id"]), credential=credential)

    enrolment.refresh_from_db()
    assert enrolment.state == "active"


def test_it_leaves_an_end_that_no_statement_made() -> None:
    enrolment = enrolled()
    credential = make_credential().credential
    sent = statement("experienced")
    send(sent, credential=credential)
    Enrolment.objects.update(state="withdrawn", ended_at=NOW)

    send(voiding_of(sent["id"]), credential=credential)

    enrolment.refresh_from_db()
    assert enrolment.state == "withdrawn"


def test_it_leaves_an_end_when_the_course_was_begun_anew() -> None:
    enrolment = enrolled()
    credential = make_credential().credential
    sent = statement("completed", COURSE, at=NOW - timedelta(days=3))
    send(sent, credential=credential)
    make_enrolment(enrolment.learner, enrolment.course, starts_on=NOW.date())

    send(voiding_of(sent["id"]), credential=credential)

    enrolment.refresh_from_db()
    assert enrolment.state == "completed"


def test_it_ends_nothing_by_a_statement_voided_before_it_came() -> None:
    enrolment = enrolled()
    credential = make_credential().credential
    sent = statement("completed", COURSE, at=NOW - timedelta(days=3))

    send(voiding_of(sent["id"]), credential=credential)
    send(sent, credential=credential)

    enrolment.refresh_from_db()
    assert enrolment.state == "active"
