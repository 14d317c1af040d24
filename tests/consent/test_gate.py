"""May we? By the lawful basis where nobody said anything, by the person's word where they did."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from consent import gate, record
from consent.models import ConsentScope, Standing
from consent.scopes import Scope
from learners.models import Learner
from tests.support.consent import NOW, OTHER, PERSON, SUBJECT, Elsewhere


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("scope", "allowed"), [(scope, scope is not Scope.RESEARCH) for scope in Scope], ids=str
)
def test_it_follows_the_lawful_basis_until_somebody_says_something(scope: Scope, allowed: bool) -> None:
    assert gate.allows(SUBJECT, scope) is allowed


@pytest.mark.django_db
def test_it_follows_the_persons_word() -> None:
    record.withdraw(subject=SUBJECT, scope=Scope.NUDGE, by=PERSON, now=NOW)
    record.grant(subject=SUBJECT, scope=Scope.RESEARCH, by=PERSON, now=NOW)

    assert gate.filter_allowed([SUBJECT, OTHER], Scope.NUDGE) == {OTHER}
    assert gate.filter_allowed([SUBJECT, OTHER], Scope.RESEARCH) == {SUBJECT}
    assert gate.filter_allowed([SUBJECT, OTHER], Scope.COACH) == {SUBJECT, OTHER}


@pytest.mark.django_db
def test_it_follows_a_changed_basis_for_those_who_said_nothing() -> None:
    with transaction.atomic():
        gate.lock_and_allows(SUBJECT, Scope.NUDGE)  # leaves a row that says nothing
    ConsentScope.objects.filter(pk="nudge").update(lawful_basis="consent")

    assert not gate.allows(SUBJECT, Scope.NUDGE)
    assert not gate.lock_and_allows(SUBJECT, Scope.NUDGE)


@pytest.mark.django_db
def test_it_refuses_a_blocked_purpose_whatever_was_agreed() -> None:
    learner = Learner.objects.create()
    record.grant(subject=learner.pk, scope=Scope.RESEARCH, by=PERSON, now=NOW)
    ConsentScope.objects.filter(pk="research").update(is_blocked=True)

    assert not gate.allows(learner.pk, Scope.RESEARCH)
    assert not gate.lock_and_allows(learner.pk, Scope.RESEARCH)
    assert not gate.only_allowing(Learner.objects.all(), Scope.RESEARCH, field="pk").exists()


@pytest.mark.django_db
def test_it_refuses_a_purpose_that_has_no_row() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE consent_scopetext DISABLE TRIGGER a_published_text_stays")
        cursor.execute("DELETE FROM consent_scopetext WHERE scope_id = 'nudge'")
        cursor.execute("DELETE FROM consent_consentscope WHERE key = 'nudge'")

    assert not gate.allows(SUBJECT, Scope.NUDGE)
    assert not gate.lock_and_allows(SUBJECT, Scope.NUDGE)


@pytest.mark.django_db
@pytest.mark.parametrize("scope", [Scope.NUDGE, Scope.RESEARCH])
def test_it_answers_in_sql_as_it_answers_one_by_one(scope: Scope) -> None:
    learners = [Learner.objects.create() for _ in range(3)]
    record.grant(subject=learners[0].pk, scope=scope, by=PERSON, now=NOW)
    record.withdraw(subject=learners[1].pk, scope=scope, by=PERSON, now=NOW)

    found = set(gate.only_allowing(Learner.objects.all(), scope, field="pk").values_list("pk", flat=True))

    assert found == gate.filter_allowed([learner.pk for learner in learners], scope)


@pytest.mark.django_db
def test_it_asks_no_question_per_person() -> None:
    learners = [Learner.objects.create().pk for _ in range(30)]

    with CaptureQueriesContext(
        connection,
    ) as queries:
        gate.filter_allowed(learners, Scope.NUDGE)

    assert len(queries) <= 2


@pytest.mark.django_db(transaction=True)
def test_it_locks_only_inside_a_transaction() -> None:
    with pytest.raises(TransactionManagementError):
        gate.lock_and_allows(SUBJECT, Scope.NUDGE)


def change_of_mind() -> dict[str, int]:
    return record.withdraw(subject=SUBJECT, scope=Scope.NUDGE, by=PERSON, now=NOW)


def send_claim() -> bool:
    with transaction.atomic():
        return gate.lock_and_allows(SUBJECT, Scope.NUDGE)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("said_before", [False, True])
def test_it_makes_a_withdrawal_wait_for_a_claim(said_before: bool) -> None:
    if said_before:
        record.grant(subject=SUBJECT, scope=Scope.NUDGE, by=PERSON, now=NOW)

    with transaction.atomic():
        assert gate.lock_and_allows(SUBJECT, Scope.NUDGE)
        withdrawal = Elsewhere(change_of_mind)
        assert withdrawal.still_waits()

    withdrawal.answer()
    assert not gate.allows(SUBJECT, Scope.NUDGE)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("said_before", [False, True])
def test_it_makes_a_claim_wait_for_a_withdrawal_and_then_refuses(said_before: bool) -> None:
    if said_before:
        record.grant(subject=SUBJECT, scope=Scope.NUDGE, by=PERSON, now=NOW)

    with transaction.atomic():
        change_of_mind()
        claim = Elsewhere(send_claim)
        assert claim.still_waits()

    assert claim.answer() is False


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("second", [send_claim, change_of_mind])
def test_it_makes_one_row_however_many_ask_at_once(second: Callable[[], Any]) -> None:
    with transaction.atomic():
        gate.lock_and_allows(SUBJECT, Scope.NUDGE)
        others = [Elsewhere(second) for _ in range(3)]
        assert all(other.still_waits(0.1) for other in others)

    for other in others:
        other.answer()
    assert Standing.objects.filter(subject=SUBJECT, scope=Scope.NUDGE).count() == 1
