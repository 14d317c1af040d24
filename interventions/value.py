"""What acting is worth: lift × value of the role − cost, all in minutes of work. Pure.

The lift of an action is a share of learners who recover because of it. What the policy states of it is a normal prior
(mean, spread); where comparisons with people held out exist, their difference d with standard error e updates it:

    precision = 1/spread² + 1/e²      mean = (prior mean/spread² + d/e²) / precision      spread = precision^-½

Acting pays with the probability that lift × value − cost is above zero under that posterior.
"""

from collections.abc import Mapping
from math import erf, inf, sqrt

import msgspec

from interventions.policy.document import Document, Lift
from interventions.snapshot import Compared

NOTHING_COMPARED: Mapping[str, Compared] = {}


class Worth(msgspec.Struct, frozen=True, omit_defaults=True):
    """The sum behind one eligible action; minutes, but for the lift and its spread, which are shares.

    Where only the prior speaks, its spread is the policy's and not kept again, so that what was decided before
    comparisons were looked at is decided in the same words today.
    """

    action: str
    lift: float
    value: float
    cost: float
    expected: float
    spread: float = 0.0  # of the posterior, where there are comparisons
    compared: int = 0  # people in these comparisons


def posterior(prior: Lift, compared: Compared | None) -> Lift:
    """The lift after what comparisons have shown; the prior where there are none."""
    if compared is None:
        return prior
    if prior.sd == 0:
        return prior  # whoever states a lift without any doubt is not moved by evidence
    if compared.error == 0:
        return Lift(compared.gain, 0.0)
    mine, theirs = prior.sd**-2, compared.error**-2
    precision = mine + theirs
    return Lift((prior.mean * mine + compared.gain * theirs) / precision, precision**-0.5)


def worth(
    action: str, impact: str, policy: Document, compared: Mapping[str, Compared] = NOTHING_COMPARED
) -> Worth:
    """The expected value of an action for somebody whose role has this impact."""
    found = compared.get(action)
    lift = posterior(policy.value.lifts[action], found)
    value = policy.value.minutes_per_recovery * float(getattr(policy.value, impact))
    cost = float(getattr(policy.costs, action))
    return Worth(
        action=action,
        lift=lift.mean,
        value=value,
        cost=cost,
        expected=lift.mean * value - cost,
        spread=lift.sd if found else 0.0,
        compared=found.treated + found.held_out if found else 0,
    )


def spread_of(one: Worth, policy: Document) -> float:
    """The spread of the lift, as a share: the posterior's, or the prior's where nothing was compared."""
    return one.spread if one.compared else policy.value.lifts[one.action].sd


def probability(one: Worth, policy: Document) -> float:
    """How likely it is that the expected value is above zero."""
    return _above_zero(one.expected, spread_of(one, policy) * one.value)


def objection(one: Worth, policy: Document) -> str:
    """Why an action is not taken: not worth it, or too uncertain to be; empty where it is."""
    if one.expected <= 0:
        return "not_worth_it"
    return "too_uncertain" if probability(one, policy) < policy.value.least_probability else ""


def _above_zero(mean: float, spread: float) -> float:
    """The probability that a normal variable is above zero."""
    standard = mean / spread if spread else (inf if mean > 0 else -inf)
    return 0.5 * (1 + erf(standard / sqrt(2)))
