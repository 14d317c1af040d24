"""The same again changes nothing; the order of arrival does not matter; a decision can be decided again."""

import random
from datetime import timedelta
from typing import Any

import pytest

from interventions.decide import decide
from interventions.models import Decision, Policy
from interventions.policy import store
from interventions.snapshot import restore
from signals.models import DailyRollup, Event, FeatureRow, Risk, Statement
from tests.support.journey import Journey

pytestmark = pytest.mark.django_db


def history(journey: Journey) -> list[dict[str, Any]]:
    made = [journey.statement(at=journey.now + timedelta(hours=7 * n)) for n in range(12)]
    made += [
        journey.statement(
            "scored", at=journey.now + timedelta(days=n, hours=3), score={"scaled": n / 10}, success=n > 4
        )
        for n in range(6)
    ]
    journey.now += timedelta(days=7)
    return made


def known(journey: Journey) -> dict[str, Any]:
    risk = Risk.objects.get(enrolment=journey.enrolment)
    return {
        "features": FeatureRow.objects.get(enrolment=journey.enrolment).values,
        "risk": (risk.value, risk.coverage, risk.reasons),
        "rollups": list(
            DailyRollup.objects.filter(enrolment=journey.enrolment)
            .order_by("day")
            .values_list("day", "events", "learning_sessions", "seconds", "failures", "score_sum", "last_at")
        ),
    }


def test_it_changes_nothing_when_the_same_statements_come_twice() -> None:
    journey = Journey()
    made = history(journey)
    journey.send(*made)
    journey.tick(minutes=1)
    before = (known(journey), Statement.objects.count(), Event.objects.count())

    journey.send(*made)
    journey.tick()

    assert (known(journey), Statement.objects.count(), Event.objects.count()) == before


def test_it_knows_the_same_whatever_the_order_of_arrival() -> None:
    one = Journey()
    made = history(one)
    one.send(*made)
    one.tick(minutes=1)

    other = Journey()
    late = [{**s, "id": s["id"][:-1] + ("0" if s["id"][-1] != "0" else "1")} for s in made]
    for statement in late:
        statement["actor"] = {"account": {"homePage": "https://lms.example", "name": other.account}}
    random.Random(7).shuffle(late)
    other.now = one.now - timedelta(minutes=1)
    other.send(*late[:9])
    other.tick()
    other.send(*late[9:])
    other.now = one.now
    other.tick()

    assert known(other) == known(one)


def test_it_decides_every_kept_decision_again_bit_for_bit() -> None:
    journey = Journey()
    journey.send(*history(journey))
    for _ in range(20):
        journey.tick(days=1)
    kept = list(Decision.objects.select_related("policy", "lesson"))
    assert {d.action for d in kept} >= {"monitor", "nudge"}

    for decision in kept:
        policy = store.document(Policy.objects.get(pk=decision.policy_id))
        assert decision.snapshot is not None
        again = decide(restore(decision.snapshot), policy)
        assert again.action == decision.action
        assert list(again.reasons) == decision.reasons
        assert again.expected_value == decision.expected_value
        assert again.propensity == decision.propensity
        assert again.lesson == (decision.lesson.key if decision.lesson else "")
