"""Stages 1 and 2: statements are stored once and become events in the same transaction."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from signals.models import EnrolmentMark, Event, Quarantined, Statement, UnknownVerb, Verb
from tests.support.signals import NOW, enrolled, make_credential, send, statement
from signals.ingest import StatementConflict, StatementFaults

pytestmark = pytest.mark.django_db


def test_it_stores_a_statement_and_makes_its_event() -> None:
    enrolment = enrolled()
    sent = statement("experienced", at=NOW - timedelta(hours=1), count=7)

    taken = send(sent, credential=make_credential().credential)

    event = Event.objects.get()
    assert taken.stored_ids == [UUID(sent["id"])]
    assert (event.enrolment_id, event.learner_id) == (enrolment.pk, enrolment.learner_id)
    assert (event.verb, event.amount, event.known_seq) == (Verb.EXPERIENCED, 7, 1)
    assert event.occurred_at == NOW - timedelta(hours=1)
    assert event.known_at == NOW
    mark = EnrolmentMark.objects.get(enrolment=enrolment)
    assert (mark.known_seq, mark.dirty_days) == (1, [date(2026, 3, 2)])
