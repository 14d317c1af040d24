"""How long each purpose keeps its data."""

from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from consent import retention
from consent.audit import NOBODY
from consent.models import AuditEntry, ConsentScope
from consent.registry import KeptElsewhereFault
from consent.scopes import Scope
from tests.support.consent import NOW, privacy_module

pytestmark = pytest.mark.django_db


def test_it_counts_back_the_scopes_own_days() -> None:
    ConsentScope.objects.filter(pk="nudge").update(retention_days=30)

    assert retention.expired(Scope.NUDGE, NOW) == NOW - timedelta(days=30)
    assert retention.expired(Scope.RECORD, NOW) == NOW - timedelta(days=1095)


def module(rows: int, log: list[str]) -> Any:
    """An app that holds so much beyond the period of `record`."""

    def expire(scope: Scope, before: datetime, *, now: datetime) -> list[retention.Step]:
        if scope is not Scope.RECORD:
            return []
        assert before == retention.expired(scope, now)
        return [
            retention.Step("events", rows, lambda: log.append("events"), bytes=10, partitions=1, people=2),
            retention.Step("results", 1, lambda: log.append("results")),
        ]

    def relocate(*, now: datetime) -> list[retention.Step]:
        return [retention.Step("old months", 7, lambda: log.append("moved"), stays="elsewhere")]

    return privacy_module(expire=expire, relocate=relocate)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was removed, in order, by the one app there is."""
    removed: list[str] = []
    modules = (("signals", module(4, removed)), ("learners", privacy_module()))
    monkeypatch.setattr(retention, "privacy_modules", lambda: modules)
    return removed


def test_it_lists_what_is_past_retention_in_the_apps_that_say(log: list[str]) -> None:
    assert retention.past_retention(now=NOW) == {"signals.events": 4, "signals.results": 1}
    assert log == []


def test_it_moves_first_and_then_removes_and_says_so_in_the_audit_log(log: list[str]) -> None:
    assert retention.apply(now=NOW) == 3

    assert log == ["moved", "events", "results"]
    moved, events, results = AuditEntry.objects.order_by("pk")
    assert (moved.action, events.action, results.action) == (
        "retention.moved",
        "retention.expired",
        "retention.expired",
    )
    assert events.detail == {
        "store": "signals.events",
        "scope": "record",
        "before": (NOW - timedelta(days=1095)).isoformat(),
        "rows": 4,
        "bytes": 10,
        "partitions": 1,
        "people": 2,
    }


def test_a_step_that_fails_leaves_those_before_it_done(
    log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        AuditEntry.objects.create(
            actor_kind="x",
            actor_uuid=NOBODY,
            action="half done",
            target_kind="x",
            target_uuid=NOBODY,
            at=NOW,
        )
        raise RuntimeError("in the middle")

    steps = [retention.Step("good", 1, lambda: log.append("good")), retention.Step("bad", 1, fails)]
    modules = (("signals", privacy_module(relocate=lambda *, now: steps)),)
    monkeypatch.setattr(retention, "privacy_modules", lambda: modules)

    with pytest.raises(RuntimeError):
        retention.apply(now=NOW)

    assert [entry.detail["store"] for entry in AuditEntry.objects.all()] == ["signals.good"]


def test_the_command_says_what_would_go_and_then_what_went(log: list[str]) -> None:
    out = StringIO()
    call_command("retention", dry_run=True, stdout=out)
    assert "4 rows, 10 bytes, 1 whole, 2 people" in out.getvalue()
    assert "stays in elsewhere" in out.getvalue()
    assert "3 steps would be taken; nothing has changed." in out.getvalue()
    assert log == [] and not AuditEntry.objects.exists()

    call_command("retention", stdout=StringIO())
    assert log == ["moved", "events", "results"]


def test_the_command_says_when_there_is_nothing() -> None:
    out = StringIO()
    call_command("retention", stdout=out)
    assert out.getvalue() == "Nothing is past its retention.\n"


def test_it_only_lets_go_what_is_past_its_period_when_nothing_may_move(log: list[str]) -> None:
    assert retention.apply(now=NOW, moving=False) == 2

    assert log == ["events", "results"]


def test_one_step_that_cannot_be_taken_holds_up_no_other(
    log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise KeptElsewhereFault("January is missing.")

    def relocate(*, now: datetime) -> list[retention.Step]:
        return [retention.Step("old months", 7, missing)]

    modules = (
        ("elsewhere", privacy_module(relocate=relocate)),
        ("signals", module(4, log)),
        ("learners", privacy_module()),
    )
    monkeypatch.setattr(retention, "privacy_modules", lambda: modules)

    with pytest.raises(CommandError, match=r"3 steps were taken and 1 could not.*January is missing\."):
        call_command("retention", stdout=StringIO())

    assert log == ["moved", "events", "results"]
    assert AuditEntry.objects.count() == 3


@pytest.mark.parametrize("days", [999_999, 2_147_483_647])
def test_more_days_than_there_were_mean_for_ever(days: int) -> None:
    ConsentScope.objects.filter(pk="nudge").update(retention_days=days)

    assert retention.expired(Scope.NUDGE, NOW) == retention.FIRST_MOMENT
    assert list(retention.find(now=NOW)) == []
