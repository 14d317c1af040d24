"""A statement is about whomever its actor's identifier named on its day."""

from datetime import UTC, date, datetime, timedelta

import pytest

from learners.models import Identifier
from signals.models import Event, ParkedOutside, Statement
from signals.normalize import resolve_parked
from tests.support.signals import (
    NOW,
    account,
    identify,
    make_course,
    make_credential,
    make_enrolment,
    make_learner,
    send,
    statement,
)

pytestmark = pytest.mark.django_db
CHANGE = date(2026, 2, 1)
BEFORE, AFTER = datetime(2026, 1, 31, 23, 59, tzinfo=UTC), datetime(2026, 2, 1, 0, 0, tzinfo=UTC)


def reuse() -> tuple[Identifier, Identifier]:
    """One account, until 1 February one person's and then another's; both in the course."""
    first, second = (make_learner(f"unused-{number}") for number in (1, 2))
    course = make_course()
    for learner in (first, second):
        make_enrolment(learner, course)
    old = identify(first, account("shared"))
    old.valid_to = CHANGE
    old.save()
    new = Identifier(
        learner=second, kind=old.kind, hash=old.hash, value=old.value, valid_from=CHANGE, valid_to=None
    )
    new.save()
    return old, new


def test_it_splits_one_batch_between_the_two_who_had_the_account() -> None:
    old, new = reuse()

    send(
        statement(actor=account("shared"), at=BEFORE),
        statement(actor=account("shared"), at=AFTER),
        credential=make_credential().credential,
    )

    events = {event.occurred_at: event for event in Event.objects.all()}
    assert events[BEFORE].learner_id == old.learner_id
    assert events[AFTER].learner_id == new.learner_id
    assert events[BEFORE].enrolment_id != events[AFTER].enrolment_id


def test_it_parks_what_happened_while_nobody_had_the_account_and_asks_again_when_that_changes() -> None:
    identifier = identify(make_learner(), account("late"))
    identifier.valid_from = CHANGE
    identifier.save()
    send(statement(actor=account("late"), at=BEFORE), credential=make_credential().credential)

    assert resolve_parked(now=NOW) == 1  # looked at
    assert resolve_parked(now=NOW) == 0  # and left alone
    assert (Event.objects.count(), ParkedOutside.objects.count()) == (0, 1)

    identifier.valid_from = CHANGE - timedelta(days=1)
    identifier.save()
    assert resolve_parked(now=NOW) == 1
    assert Event.objects.get().learner_id == identifier.learner_id
    assert not Statement.objects.filter(parked=True).exists()


def test_it_gives_a_leaver_the_statement_that_comes_late() -> None:
    identifier = identify(make_learner(), account("gone"))
    identifier.valid_to = CHANGE
    identifier.save()

    send(statement(actor=account("gone"), at=BEFORE), credential=make_credential().credential)

    assert Event.objects.get().learner_id == identifier.learner_id
