"""What the database itself promises about statements and events, tested by breaking it."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, transaction

from signals import partitions
from signals.models import AssessmentResult, Credential, EnrolmentMark, Quarantined, VerbSynonym
from tests.support.signals import NOW, make_credential

pytestmark = pytest.mark.django_db


def credential_that_may(permission: str) -> None:
    Credential.objects.create(name="x", key="x", secret_hash=b"", permissions=[permission], created_at=NOW)


def held_twice() -> None:
    credential = make_credential().credential
    for _ in range(2):
        Quarantined.objects.create(
            credential=credential, digest=b"same", body=b"", faults=[], reason="value", received_at=NOW
        )


def settled_at_no_time() -> None:
    Quarantined.objects.create(
        credential=make_credential().credential,
        digest=b"",
        body=b"",
        faults=[],
        reason="value",
        state="discarded",
        received_at=NOW,
    )


def result(**values: object) -> None:
    AssessmentResult.objects.create(
        statement_id=uuid4(),
        learner_id=uuid4(),
        enrolment_id=1,
        occurred_at=NOW,
        known_seq=1,
        activity=1,
        **values,
    )


def event_that_means(verb: int) -> None:
    partitions.ensure([partitions.month_of(NOW)])
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO signals_event (occurred_at, statement_id, learner_id, known_at, known_seq, activity, verb)"
            " VALUES (%s, gen_random_uuid(), gen_random_uuid(), %s, 1, 1, %s)",
            [NOW, NOW, verb],
        )


@pytest.mark.parametrize(
    ("name", "breaking"),
    [
        ("credential_permissions_are_known", lambda: credential_that_may("delete")),
        ("quarantined_once", held_twice),
        ("quarantine_is_settled_when_it_no_longer_waits", settled_at_no_time),
        ("a_scaled_score_lies_within_one", lambda: result(scaled=1.5)),
        ("a_result_says_something", result),
        (
            "a_synonym_means_a_canonical_verb",
            lambda: VerbSynonym.objects.create(iri="https://x.example/v", verb=99),
        ),
        ("an_event_means_a_canonical_verb", lambda: event_that_means(99)),
    ],
)
def test_it_keeps_the_promise(name: str, breaking: Callable[[], None]) -> None:
    with pytest.raises(DatabaseError, match=name), transaction.atomic():
        breaking()


def test_it_keeps_no_mark_without_its_enrolment() -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        EnrolmentMark.objects.create(enrolment_id=-1)
        connection.check_constraints()
