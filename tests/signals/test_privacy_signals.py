"""What signals hands out, erases and stops, for one person and nobody else."""

from typing import Any

import pytest

from consent import record
from consent.actors import SYSTEM
from consent.crypto import decrypt
from consent.scopes import Scope
from learners.models import Enrolment
from signals import privacy, quarantine
from signals.features.refresh import refresh
from signals.models import (
    AssessmentResult,
    DailyRollup,
    EnrolmentMark,
    Event,
    FeatureRow,
    Quarantined,
    Risk,
    RiskChange,
    Statement,
)
from signals.xapi import bodies
from signals.xapi.faults import Fault
from tests.support.knowledge import day, enrolled, make_event
from tests.support.signals import account, make_credential, send, statement

pytestmark = pytest.mark.django_db


@pytest.fixture
def two() -> tuple[Enrolment, Enrolment]:
    """Two people with statements, scored and refreshed."""
    credential = make_credential().credential
    people = enrolled("person-0001"), enrolled("person-0002")
    for name in ("person-0001", "person-0002"):
        send(
            statement("experienced", at=day(1), actor=account(name)),
            statement("scored", at=day(2), scaled=0.2, actor=account(name)),
            credential=credential,
            now=day(3),
        )
    refresh(now=day(4))
    return people


def test_it_hands_out_statements_and_everything_derived(two: tuple[Enrolment, Enrolment]) -> None:
    found = privacy.export(two[0].learner_id)

    assert [row["statement"]["actor"] for row in found["statements"]] == [account("person-0001")] * 2
    assert [row["verb"] for row in found["events"]] == ["experienced", "scored"]
    assert found["risks"][0]["reasons"]
    assert {row["enrolment"] for row in found["features"]} == {two[0].pk}


def test_it_erases_one_person_and_nobody_else(two: tuple[Enrolment, Enrolment]) -> None:
    counts = privacy.erase(two[0].learner_id, now=day(5))

    assert counts == {
        "corrections": 0,
        "lineage": 0,
        "statements": 2,
        "files": 0,
        "documents": 0,
        "quarantined": 0,
        "events": 2,
        "certificates": 0,
        "results": 1,
        "rollups": 2,
        "features": 1,
        "risks": 1,
        "risk_changes": 1,
        "labels": 0,
        "mastery": 0,
        "shadow_risks": 0,
        "second_looks": 0,
    }
    for model, left in (
        (Statement, 2),
        (Event, 2),
        (AssessmentResult, 1),
        (DailyRollup, 2),
        (FeatureRow, 1),
        (Risk, 1),
        (RiskChange, 1),
    ):
        assert model._base_manager.count() == left, model
    assert set(privacy.erase(two[0].learner_id, now=day(6)).values()) == {0}


def test_it_erases_what_waits_for_an_identifier_or_in_quarantine(two: tuple[Enrolment, Enrolment]) -> None:
    credential = make_credential("all", name="other").credential
    fault = Fault(0, "$", "is broken", "Mend it.", "malformed")
    quarantine.hold(
        [
            (b'{"actor": {"account": {"name": "person-0001"', None, [fault]),
            (b'{"actor": {"account": {"name": "person-0002"}}}', None, [fault]),
        ],
        credential=credential,
        now=day(4),
    )

    assert privacy.erase(two[0].learner_id, now=day(5))["quarantined"] == 1

    assert b"person-0002" in bodies.unseal(bytes(Quarantined.objects.get().body)).raw


def test_a_statement_is_still_immutable_after_an_erasure(two: tuple[Enrolment, Enrolment]) -> None:
    from django.db import IntegrityError, transaction

    privacy.erase(two[0].learner_id, now=day(5))

    with pytest.raises(IntegrityError, match="never deleted"), transaction.atomic():
        Statement.objects.all().delete()


@pytest.mark.parametrize("scope", [Scope.PROFILE, Scope.RECORD])
def test_a_withdrawal_takes_features_and_risk_away(two: tuple[Enrolment, Enrolment], scope: Scope) -> None:
    make_event(two[0], day(4))

    taken = record.withdraw(subject=two[0].learner_id, scope=scope, by=SYSTEM, now=day(5))

    assert (taken["features"], taken["risks"]) == (1, 1)
    assert list(Risk.objects.values_list("pk", flat=True)) == [two[1].pk]
    assert EnrolmentMark.objects.get(pk=two[0].pk).dirty_since is None
    refresh(now=day(60))
    assert not Risk.objects.filter(pk=two[0].pk).exists()


def test_other_scopes_are_none_of_its_business(two: tuple[Enrolment, Enrolment]) -> None:
    assert privacy.withdraw(two[0].learner_id, Scope.NUDGE, now=day(5)) == {}
    assert Risk.objects.count() == 2


def test_it_puts_bodies_under_the_newest_key(two: tuple[Enrolment, Enrolment], settings: Any) -> None:
    before = {row.pk: bodies.unseal(bytes(row.body)) for row in Statement.objects.all()}
    settings.FIELD_KEYS += ",newer:" + "A" * 43 + "="

    assert privacy.rotate(3) == 4
    assert privacy.rotate(3) == 0

    newest = settings.FIELD_KEYS.split(",")
    settings.FIELD_KEYS = ",".join(part for part in newest if part.startswith(("index:", "newer:")))
    assert {row.pk: bodies.unseal(bytes(row.body)) for row in Statement.objects.all()} == before
    assert all(decrypt(bytes(row.body)) for row in Statement.objects.all())
