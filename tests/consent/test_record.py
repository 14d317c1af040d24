"""A change of mind and everything that follows from it are one transaction."""

from datetime import timedelta
from typing import Any

import pytest

from consent import gate, record
from consent.models import AuditEntry, ConsentChange, ConsentScope, ScopeText, Standing
from consent.scopes import Scope
from tests.support.consent import ADMIN, NOW, OTHER, PERSON, SUBJECT, privacy_module

pytestmark = pytest.mark.django_db


def test_it_notes_who_changed_what_and_on_which_text() -> None:
    scope = ConsentScope.objects.get(pk="research")
    ScopeText.objects.create(scope=scope, version=2, language="de", text="Neu.", published_at=NOW)

    change = record.grant(subject=SUBJECT, scope=Scope.RESEARCH, by=PERSON, now=NOW, language="de")

    assert change is not None
    stored = ConsentChange.objects.get()
    assert (stored.subject, stored.scope, stored.allowed) == (SUBJECT, "research", True)
    assert (stored.by_kind, stored.by_uuid, stored.at) == ("learner", SUBJECT, NOW)
    assert (stored.text_version, stored.language) == (2, "de")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target_uuid) == ("consent.granted", SUBJECT)


def test_it_notes_the_english_text_where_the_persons_language_has_none() -> None:
    change = record.grant(subject=SUBJECT, scope=Scope.RESEARCH, by=PERSON, now=NOW, language="fr")

    assert change is not None
    assert (change.text_version, change.language) == (1, "en")


def test_it_does_not_count_a_text_that_is_published_later() -> None:
    scope = ConsentScope.objects.get(pk="research")
    later = NOW + timedelta(days=1)
    ScopeText.objects.create(scope=scope, version=2, language="en", text="Later.", published_at=later)

    change = record.grant(subject=SUBJECT, scope=Scope.RESEARCH, by=PERSON, now=NOW)

    assert change is not None
    assert change.text_version == 1


def test_it_writes_nothing_when_nothing_changes() -> None:
    record.withdraw(subject=SUBJECT, scope=Scope.NUDGE, by=PERSON, now=NOW)

    again = record.withdraw(subject=SUBJECT, scope=Scope.NUDGE, by=PERSON, now=NOW + timedelta(days=1))

    assert again == {}
    assert ConsentChange.objects.count() == 1
    assert Standing.objects.get().since == NOW


def test_it_tells_every_app_of_a_withdrawal_from_the_top_down(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[tuple[Any, ...]] = []
    modules = (("coaching", privacy_module(log)), ("signals", privacy_module(log)))
    monkeypatch.setattr(record, "privacy_modules", lambda: modules)

    taken_back = record.withdraw(subject=SUBJECT, scope=Scope.NUDGE, by=PERSON, now=NOW)

    assert log == [("withdraw", SUBJECT, "nudge")] * 2
    assert taken_back == {"deliveries": 2}


def test_it_takes_the_withdrawal_back_when_an_app_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> dict[str, int]:
        raise RuntimeError("no")

    monkeypatch.setattr(record, "privacy_modules", lambda: (("signals", privacy_module(withdraw=fail)),))

    with pytest.raises(RuntimeError):
        record.withdraw(subject=SUBJECT, scope=Scope.NUDGE, by=PERSON, now=NOW)

    assert gate.allows(SUBJECT, Scope.NUDGE)
    assert not ConsentChange.objects.exists()
    assert not AuditEntry.objects.exists()


def test_it_tells_apps_that_ask_of_a_grant(monkeypatch: pytest.MonkeyPatch) -> None:
    granted: list[str] = []
    module = privacy_module(grant=lambda subject, scope, *, now: granted.append(str(scope)))
    monkeypatch.setattr(
        record, "privacy_modules", lambda: (("signals", module), ("learners", privacy_module()))
    )
    record.withdraw(subject=SUBJECT, scope=Scope.PROFILE, by=PERSON, now=NOW)

    record.grant(subject=SUBJECT, scope=Scope.PROFILE, by=PERSON, now=NOW)

    assert granted == ["profile"]
    assert gate.allows(SUBJECT, Scope.PROFILE)


def test_it_cannot_grant_a_blocked_purpose() -> None:
    ConsentScope.objects.filter(pk="manager").update(is_blocked=True)

    with pytest.raises(record.ScopeBlocked):
        record.grant(subject=SUBJECT, scope=Scope.MANAGER, by=PERSON, now=NOW)


def test_it_keeps_the_stricter_word_when_two_turn_out_to_be_one() -> None:
    record.withdraw(subject=OTHER, scope=Scope.NUDGE, by=PERSON, now=NOW)
    record.grant(subject=OTHER, scope=Scope.RESEARCH, by=PERSON, now=NOW)
    record.grant(subject=SUBJECT, scope=Scope.NUDGE, by=PERSON, now=NOW)

    refused = record.merge(duplicate=OTHER, into=SUBJECT, by=ADMIN, now=NOW)

    assert refused == [Scope.NUDGE]
    assert not gate.allows(SUBJECT, Scope.NUDGE)
    assert not gate.allows(SUBJECT, Scope.RESEARCH), "a yes given as somebody else does not count"
