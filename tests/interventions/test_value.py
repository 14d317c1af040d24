"""What acting is worth: the prior alone, the prior and what comparisons showed, and how sure that is."""

from datetime import UTC, datetime
from math import sqrt
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interventions import lifts
from interventions.lifts import Arm
from interventions.models import Outcome
from interventions.policy.document import Document, Lift, PolicyFault, Value, with_changes
from interventions.snapshot import Compared
from interventions.value import objection, posterior, probability, worth
from tests.support.interventions import make_decision

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
NORMAL = {"allow_nan": False, "allow_infinity": False}


def shown(gain: float, error: float) -> Compared:
    return Compared(gain=gain, error=error, treated=100, held_out=100)


def test_it_takes_the_prior_where_nobody_was_held_out() -> None:
    one = worth("nudge", "standard", Document())

    assert (one.lift, one.value, one.cost, one.expected) == (0.01, 1200, 0.5, 11.5)
    assert probability(one, Document()) == pytest.approx(
        0.68409, abs=1e-5
    )  # that 12 ± 24 minutes are more than 0.5


def test_it_keeps_the_sum_as_it_was_kept_before_comparisons_were_looked_at() -> None:
    kept = msgspec.to_builtins(worth("nudge", "standard", Document()))

    assert kept == {"action": "nudge", "lift": 0.01, "value": 1200.0, "cost": 0.5, "expected": 11.5}


def test_it_weighs_prior_and_evidence_by_their_precision() -> None:
    found = posterior(Lift(0.02, 0.03), shown(0.08, 0.03))

    assert found.mean == pytest.approx(0.05)
    assert found.sd == pytest.approx(0.03 / sqrt(2))


@given(
    mean=st.floats(-0.2, 0.2),
    sd=st.floats(0.001, 0.5),
    gain=st.floats(-0.5, 0.5),
    error=st.floats(0.001, 0.5),
)
def test_it_lies_between_prior_and_evidence_and_is_surer_than_both(
    mean: float, sd: float, gain: float, error: float
) -> None:
    found = posterior(Lift(mean, sd), shown(gain, error))

    assert min(mean, gain) - 1e-12 <= found.mean <= max(mean, gain) + 1e-12
    assert found.sd <= min(sd, error) * (1 + 1e-9)


def test_it_is_the_same_in_one_step_or_two() -> None:
    once = posterior(Lift(0.02, 0.03), lifts.pooled([shown(0.05, 0.02), shown(-0.01, 0.04)]))

    twice = posterior(posterior(Lift(0.02, 0.03), shown(0.05, 0.02)), shown(-0.01, 0.04))

    assert once.mean == pytest.approx(twice.mean)
    assert once.sd == pytest.approx(twice.sd)


def test_it_monitors_where_comparisons_showed_no_gain() -> None:
    harmful = {"nudge": shown(-0.03, 0.005)}

    one = worth("nudge", "standard", Document(), harmful)

    assert objection(one, Document()) == "not_worth_it"
    assert one.compared == 200


def test_it_monitors_where_it_is_too_uncertain() -> None:
    careful = Document(value=Value(least_probability=0.6))

    assert objection(worth("coach", "standard", careful), careful) == "too_uncertain"
    assert objection(worth("nudge", "standard", careful), careful) == ""
    assert objection(worth("coach", "standard", Document()), Document()) == ""


def test_it_keeps_the_least_probability_in_the_policy_and_within_bounds() -> None:
    assert with_changes(Document(), {"value.least_probability": 0.8}).value.least_probability == 0.8
    with pytest.raises(PolicyFault, match=r"value\.least_probability"):
        with_changes(Document(), {"value.least_probability": 1.2})


def test_it_reads_policies_from_before_as_they_were_meant() -> None:
    old: dict[str, Any] = msgspec.to_builtins(Document())
    del old["value"]["least_probability"], old["timings"], old["first_action"]
    del old["limits"]["working_from"], old["limits"]["working_to"]

    assert msgspec.convert(old, Document) == Document()


def test_it_never_takes_a_handful_of_people_for_certainty() -> None:
    found = lifts.difference(Arm(2, 2.0), Arm(2, 0.0))

    assert found.gain == 1.0
    assert found.error > 0.25


def outcomes(comparison: str, arm: str, action: str, *, recovered: int, of: int) -> None:
    for number in range(of):
        Outcome.objects.create(
            decision=make_decision(action=action),
            measure="recovered_14d",
            value=float(number < recovered),
            at=NOW,
            comparison=comparison,
            arm=arm,
        )


@pytest.mark.django_db
def test_it_learns_from_outcomes_that_have_a_comparison(django_assert_num_queries: Any) -> None:
    outcomes("nudge-1", "treated", "nudge", recovered=3, of=4)
    outcomes("nudge-1", "held_out", "monitor", recovered=1, of=4)
    outcomes("", "", "lesson", recovered=2, of=2)  # of no comparison: says nothing about an effect

    with django_assert_num_queries(1):
        found = lifts.compared()

    assert found == {"nudge": lifts.difference(Arm(4, 3.0), Arm(4, 1.0))}


@pytest.mark.django_db
def test_it_learns_nothing_from_one_side_alone_or_from_several_actions_at_once() -> None:
    outcomes("alone", "treated", "nudge", recovered=1, of=1)
    outcomes("mixed", "treated", "nudge", recovered=1, of=1)
    outcomes("mixed", "treated", "lesson", recovered=1, of=1)
    outcomes("mixed", "held_out", "monitor", recovered=0, of=1)

    assert lifts.compared() == {}
