"""What the database itself refuses, tested by trying."""

from collections.abc import Callable
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction
from django.db.models import Model

from consent import audit, record, subject_requests
from consent.first_texts import SCOPES, TEXTS
from consent.models import (
    AuditEntry,
    AuditSeal,
    ConsentChange,
    ConsentScope,
    ScopeText,
    Standing,
    SubjectRequest,
)
from consent.scopes import APPRAISAL, Scope
from tests.support.consent import ADMIN, NOW, PERSON, SUBJECT

pytestmark = pytest.mark.django_db


def entry() -> Model:
    return audit.record(actor=ADMIN, action="case.opened", target=PERSON, now=NOW)


def seal() -> Model:
    entry()
    audit.seal(now=NOW)
    return AuditSeal.objects.get()


def change() -> Model:
    record.withdraw(subject=SUBJECT, scope=Scope.NUDGE, by=PERSON, now=NOW)
    return ConsentChange.objects.get()


def text() -> Model:
    return ScopeText.objects.get(scope="nudge", language="en")


def receipt() -> Model:
    return subject_requests.object_to(subject=SUBJECT, scope=Scope.COACH, by=PERSON, now=NOW)


EVIDENCE: list[tuple[Callable[[], Model], str, object]] = [
    (entry, "action", "nothing"),
    (seal, "sealed_at", NOW),
    (change, "allowed", True),
    (text, "text", "We may do anything."),
    (receipt, "receipt", {}),
]


@pytest.mark.parametrize(("make", "field", "value"), EVIDENCE, ids=[case[0].__name__ for case in EVIDENCE])
def test_it_refuses_to_change_evidence(make: Callable[[], Model], field: str, value: object) -> None:
    row = make()

    with pytest.raises(IntegrityError, match="only ever grows"), transaction.atomic():
        type(row)._base_manager.filter(pk=row.pk).update(**{field: value})


@pytest.mark.parametrize("make", [case[0] for case in EVIDENCE], ids=[case[0].__name__ for case in EVIDENCE])
def test_it_refuses_to_remove_evidence(make: Callable[[], Model]) -> None:
    row = make()

    with pytest.raises(IntegrityError, match="only ever grows"), transaction.atomic():
        type(row)._base_manager.filter(pk=row.pk)._raw_delete("default")


def test_it_keeps_appraisal_blocked() -> None:
    with pytest.raises(IntegrityError, match="appraisal_stays_blocked"), transaction.atomic():
        ConsentScope.objects.filter(pk=APPRAISAL).update(is_blocked=False)


def test_it_lets_nobody_stand_for_appraisal() -> None:
    with pytest.raises(IntegrityError, match="standing_scope_is_known"), transaction.atomic():
        Standing.objects.create(subject=SUBJECT, scope=APPRAISAL, allowed=True, since=NOW)


def test_it_lets_no_ledger_row_speak_of_appraisal() -> None:
    with pytest.raises(IntegrityError, match="change_scope_is_known"), transaction.atomic():
        ConsentChange.objects.create(
            subject=SUBJECT,
            scope=APPRAISAL,
            allowed=True,
            by_kind="user",
            by_uuid=UUID(int=1),
            language="en",
            at=NOW,
        )


def test_it_has_no_code_that_could_ask_for_appraisal() -> None:
    assert APPRAISAL not in {scope.value for scope in Scope}


def test_it_keeps_one_standing_per_person_and_scope() -> None:
    Standing.objects.create(subject=SUBJECT, scope=Scope.NUDGE)

    with pytest.raises(IntegrityError, match="one_standing_per_person_and_scope"), transaction.atomic():
        Standing.objects.create(subject=SUBJECT, scope=Scope.NUDGE)


def test_it_wants_the_moment_of_a_choice() -> None:
    with pytest.raises(IntegrityError, match="a_choice_has_its_moment"), transaction.atomic():
        Standing.objects.create(subject=SUBJECT, scope=Scope.NUDGE, allowed=True)


def test_it_keeps_one_text_per_version_and_language() -> None:
    with pytest.raises(IntegrityError, match="one_text_per_version_and_language"), transaction.atomic():
        ScopeText.objects.create(scope_id="nudge", version=1, language="en", text="Again.", published_at=NOW)


def test_it_keeps_data_for_a_day_at_least() -> None:
    with pytest.raises(IntegrityError, match="retention_is_at_least_a_day"), transaction.atomic():
        ConsentScope.objects.filter(pk="nudge").update(retention_days=0)


def test_it_seals_an_entry_once() -> None:
    seal()

    with pytest.raises(IntegrityError), transaction.atomic():
        AuditSeal.objects.create(position=2, entry=AuditEntry.objects.get(), hash=b"\0" * 32, sealed_at=NOW)


def test_it_has_a_row_and_a_text_in_both_languages_for_every_scope() -> None:
    assert set(ConsentScope.objects.values_list("key", flat=True)) == {*Scope, APPRAISAL}
    assert {key for key, *_ in SCOPES} == {*Scope, APPRAISAL}
    assert set(TEXTS) == set(Scope)
    published = set(ScopeText.objects.values_list("scope_id", "language"))
    assert published == {(scope.value, language) for scope in Scope for language in ("en", "de")}


def test_it_never_threatens_or_scores_in_its_texts() -> None:
    everything = " ".join(text for pair in TEXTS.values() for text in pair).lower()

    assert not [word for word in ("at risk", "failed to", "your score") if word in everything]


def test_it_keeps_receipts() -> None:
    receipt()

    assert SubjectRequest.objects.get().kind == "objection"
