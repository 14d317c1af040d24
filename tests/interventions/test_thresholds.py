"""What bound the record speaks for: proposed with an interval, or not at all."""

from datetime import timedelta
from typing import Any

import pytest

from interventions.backtest import thresholds
from interventions.backtest.thresholds import Case, propose, sentence
from interventions.snapshot import store as stored
from signals.models import Label, RiskChange
from signals.risk.live import live_model
from tests.interventions.test_decide import snapshot
from tests.support.interventions import NOW, make_decision, make_enrolment


def cases(low: int, high: int) -> list[Case]:
    """So many cases with a risk of 0.5 of which every second was right, and of 0.8 that were all right."""
    return [Case(0.5, n % 2 == 0) for n in range(low)] + [Case(0.8, True) for _ in range(high)]


def test_it_proposes_the_lowest_bound_that_surely_reaches_the_target() -> None:
    found = propose(cases(100, 60), current=0.45, target=0.9)

    assert found.bound == 0.5  # strictly above: those at 0.5 are out
    assert found.then is not None
    assert (found.then.part, found.then.whole) == (60, 60)
    assert found.then.low >= 0.9
    assert found.now.value == pytest.approx(110 / 160)


def test_it_stays_with_a_low_bound_where_that_suffices() -> None:
    found = propose(cases(100, 60), current=0.45, target=0.5)

    assert found.bound == 0.05


def test_it_proposes_nothing_where_no_bound_surely_reaches_the_target() -> None:
    found = propose(cases(100, 20), current=0.45, target=0.9)

    assert found.bound is None
    assert not found.too_little
    assert "No bound with at least 30 known people surely reaches 90%" in sentence(found)


def test_it_says_when_there_is_too_little_to_say() -> None:
    found = propose(cases(10, 19), current=0.45, target=0.5)

    assert found.too_little
    assert found.bound is None
    assert sentence(found).startswith("Too little to say: of 29 people")


def test_it_tells_the_interval() -> None:
    told = sentence(propose(cases(100, 60), current=0.45, target=0.9))

    assert "Above 0.45, 110 of 160 flags were right, 69% (between 61% and 75%)." in told
    assert (
        "For 90% the record speaks for 0.5: 60 of 60 flags were right, 100% (between 94% and 100%)." in told
    )


def label(
    enrolment: Any, definition: str, value: bool | None, *, treated: bool = False, days: int = 0
) -> None:
    Label.objects.create(
        enrolment=enrolment,
        as_of=NOW - timedelta(days=days),
        definition=definition,
        value=value,
        horizon_days=0,
        treated=treated,
        recorded_at=NOW,
    )


@pytest.mark.django_db
class TestCases:
    def test_it_reads_words_of_people_and_what_became_of_the_untreated(self) -> None:
        model = live_model(now=NOW)
        told, untreated, treated = make_enrolment(), make_enrolment(), make_enrolment()
        for enrolment in (told, untreated, treated):
            RiskChange.objects.create(
                enrolment=enrolment, after=0.7, model_version=model, at=NOW - timedelta(days=40)
            )
        label(told, "needed_help@1", value=True, days=1)
        label(told, "recovered_14d@1", value=True, days=0)
        label(untreated, "recovered_14d@1", value=True, days=1)
        label(treated, "recovered_14d@1", value=True, treated=True, days=1)

        assert sorted(thresholds.cases(model=model.name, now=NOW)) == [Case(0.7, False), Case(0.7, True)]

    def test_it_takes_the_risk_that_the_decision_saw(self) -> None:
        model = live_model(now=NOW)
        seen = snapshot(risk=0.58, model=model.name)
        decision = make_decision(snapshot=stored(seen), at=NOW)
        RiskChange.objects.create(
            enrolment=decision.enrolment, after=0.55, model_version=model, at=NOW - timedelta(days=1)
        )
        label(decision.enrolment, "needed_help@1", value=True)

        assert thresholds.cases(model=model.name, now=NOW) == [Case(0.58, True)]

    def test_it_leaves_out_other_models_unknown_answers_and_what_is_long_ago(self) -> None:
        model = live_model(now=NOW)
        for days, value in ((1, None), (400, True)):
            enrolment = make_enrolment()
            RiskChange.objects.create(
                enrolment=enrolment, after=0.7, model_version=model, at=NOW - timedelta(days=500)
            )
            label(enrolment, "needed_help@1", value=value, days=days)

        assert thresholds.cases(model=model.name, now=NOW) == []
        label(enrolment, "needed_help@1", value=True, days=2)
        assert thresholds.cases(model="another", now=NOW) == []
        assert len(thresholds.cases(model=model.name, now=NOW)) == 1
