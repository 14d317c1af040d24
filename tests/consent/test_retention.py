"""How long each purpose keeps its data."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from consent import retention
from consent.models import ConsentScope
from consent.scopes import Scope
from tests.support.consent import NOW, privacy_module

pytestmark = pytest.mark.django_db


def test_it_counts_back_the_scopes_own_days() -> None:
    ConsentScope.objects.filter(pk="nudge").update(retention_days=30)

    assert retention.expired(Scope.NUDGE, NOW) == NOW - timedelta(days=30)
    assert retention.expired(Scope.RECORD, NOW) == NOW - timedelta(days=1095)


def test_it_lists_what_is_past_retention_in_the_apps_that_say(monkeypatch: pytest.MonkeyPatch) -> None:
    def past(scope: Scope, before: datetime) -> dict[str, Any]:
        return {"events": 4} if scope is Scope.RECORD and before < NOW else {}

    modules = (("signals", privacy_module(past_retention=past)), ("learners", privacy_module()))
    monkeypatch.setattr(retention, "privacy_modules", lambda: modules)

    assert retention.past_retention(now=NOW) == {"signals.events": 4}
