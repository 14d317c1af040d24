"""Deciding about people while their risks are computed anew, or while they withdraw."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from consent import record
from consent.actors import SYSTEM
from consent.scopes import Scope
from interventions import evaluate as stage
from interventions import situation
from interventions.models import Decision, Watch
from signals.features.refresh import refresh, refresh_enrolments
from signals.models import Risk
from tests.signals.test_refresh_meeting import Elsewhere
from tests.support.knowledge import day, enrolled, make_event

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture(autouse=True)
def events_are_gone_afterwards() -> Iterator[None]:
    yield
    with connection.cursor() as cursor:  # Django empties only the tables it manages
        cursor.execute("TRUNCATE signals_event")


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> list[Any]:
    """Lets somebody else do this while the next evaluation decides; what came of it."""
    came_to: list[Any] = []

    def build_and_let(*asked: Any, **more: Any) -> Any:
        monkeypatch.setattr(stage, "snapshots", situation.snapshots)
        built = situation.snapshots(*asked, **more)
        came_to.append(act())
        return built

    monkeypatch.setattr(stage, "snapshots", build_and_let)
    return came_to


def test_a_risk_that_is_computed_anew_meanwhile_waits_for_nobody_and_stays_unread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enrolment, other = enrolled("one"), enrolled("two")
    for one in (enrolment, other):
        make_event(one, day(1))
    refresh(now=day(2))
    meanwhile(
        monkeypatch,
        # The same moment, as in one turn of a worker.
        lambda: Elsewhere(lambda: refresh_enrolments([enrolment.pk], now=day(2))).done(),
    )

    assert stage.evaluate(now=day(2)) == 2

    assert list(Risk.objects.filter(unread_since__isnull=False).values_list("pk", flat=True)) == [
        enrolment.pk
    ]
    assert stage.evaluate(now=day(2)) == 1
    assert not Risk.objects.filter(unread_since__isnull=False).exists()


def test_who_withdraws_while_it_decides_comes_after_and_nothing_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enrolment = enrolled("one")
    make_event(enrolment, day(1))
    refresh(now=day(2))

    def withdraw() -> Elsewhere:
        begun = Elsewhere(
            lambda: record.withdraw(subject=enrolment.learner_id, scope=Scope.PROFILE, by=SYSTEM, now=day(3))
        )
        begun.join(0.3)
        assert begun.is_alive()
        return begun

    withdrawing = meanwhile(monkeypatch, withdraw)

    stage.evaluate(now=day(3))
    withdrawing[0].done()

    assert Decision.objects.filter(enrolment=enrolment).exists()
    assert not Decision.objects.exclude(action="monitor").filter(lapsed_at__isnull=True).exists()
    assert not Risk.objects.exists()
    assert Watch.objects.get(pk=enrolment.pk).review_at is None
