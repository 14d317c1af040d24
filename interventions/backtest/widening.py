"""May a bound be lower once an effect is confirmed? One step, proposed only. Pure.

The effect of what a band leads to must be confirmed by comparisons with people held out: the whole 95 % interval of
its lift lies above zero. Then the next lower bound is looked at: are flags above it still surely right often enough,
and is it worth acting on those whom it brings in? Of them fewer need help, and only who needs it can gain, so their
lift is taken as smaller in the same proportion.
"""

from collections.abc import Mapping, Sequence

import msgspec

from interventions.backtest.intervals import Share, Z
from interventions.backtest.thresholds import LEAST, Case
from interventions.models.deciding import Action
from interventions.policy.document import IMPACTS, Document, Lift
from interventions.snapshot import Compared
from interventions.value import posterior

STEP = 0.05
LEAST_NEW = 10  # known cases among those whom the lower bound brings in


class Widening(msgspec.Struct, frozen=True):
    """What the record says about one step down. ``why_not`` where it does not speak for it."""

    bound: float
    why_not: str = ""
    action: str = ""  # whose effect is confirmed
    lift: Lift | None = None
    then: Share | None = None  # above the lower bound
    expected: float | None = None  # minutes, of acting on those whom it brings in


def widen(
    cases: Sequence[Case],
    document: Document,
    compared: Mapping[str, Compared],
    *,
    band: str,
    target: float,
) -> Widening:
    """One step below this band's bound, for the first confirmed action that pays; or why not."""
    current: float = getattr(document.bands, band)
    bound = round(current - STEP, 2)
    if bound <= document.bands.hysteresis or (band == "high" and bound <= document.bands.medium):
        return Widening(bound, "There is no room for a lower bound.")
    confirmed = _confirmed(document, compared, band)
    if not confirmed:
        return Widening(bound, _not_confirmed(document, compared, band))
    now, then = _above(cases, current), _above(cases, bound)
    new = Share(then.part - now.part, then.whole - now.whole)
    if then.whole < LEAST or new.whole < LEAST_NEW or not now.part:
        return Widening(
            bound, f"Too little is known of those between {bound:g} and {current:g}: {new.whole} people."
        )
    if then.low < target:
        return Widening(
            bound, f"Above {bound:g} flags are not surely right often enough ({then.low:.0%} at least)."
        )
    assert new.value is not None and now.value is not None
    smaller = min(1.0, new.value / now.value)
    worth = {  # in the role in which it is worth least: a bound holds for all of them
        action: min(
            _worth(action, lift.mean * smaller, document, impact)
            for impact in _impacts(document, band, action)
        )
        for action, lift in confirmed.items()
    }
    action = max(worth, key=lambda one: worth[one])
    if worth[action] <= 0:
        return Widening(
            bound, f"Acting on those between {bound:g} and {current:g} would cost more than it brings."
        )
    return Widening(bound, "", action, confirmed[action], then, worth[action])


def sentence(found: Widening) -> str:
    """What the record says, for people."""
    if found.why_not or found.lift is None or found.then is None or found.expected is None:
        return f"Not wider than now: {found.why_not[:1].lower()}{found.why_not[1:]}"
    low, high = _low(found.lift), found.lift.mean + Z * found.lift.sd
    return (
        f"It may be wider: that a step of the kind “{str(Action(found.action).label).lower()}” helps is confirmed "
        f"(a lift of {found.lift.mean:.1%}, between {low:.1%} and {high:.1%}). At {found.bound:g} "
        f"{found.then.part} of {found.then.whole} flags were right, and for those whom it brings in a step is worth "
        f"{found.expected:.1f} minutes."
    )


def _confirmed(document: Document, compared: Mapping[str, Compared], band: str) -> dict[str, Lift]:
    """The steps of this band whose effect is confirmed. A lift that is stated without doubt rests on no comparison."""
    found = {}
    for action in _actions(document, band):
        prior = document.value.lifts[action]
        if action in compared and prior.sd > 0:
            lift = posterior(prior, compared[action])
            if _low(lift) > 0:
                found[action] = lift
    return found


def _actions(document: Document, band: str) -> list[str]:
    """What this band leads to, in any role and after any number of attempts."""
    found = (action for impact in IMPACTS for action in document.matrix[impact][band])
    return [action for action in dict.fromkeys(found) if action != "monitor"]


def _impacts(document: Document, band: str, action: str) -> list[str]:
    return [impact for impact in IMPACTS if action in document.matrix[impact][band]]


def _worth(action: str, lift: float, document: Document, impact: str) -> float:
    value = document.value.minutes_per_recovery * float(getattr(document.value, impact))
    return lift * value - float(getattr(document.costs, action))


def _not_confirmed(document: Document, compared: Mapping[str, Compared], band: str) -> str:
    if not any(action in compared for action in _actions(document, band)):
        return "No step of this band has been compared with people held out yet, so no effect is confirmed."
    return "No step of this band has an effect whose whole interval lies above zero."


def _low(lift: Lift) -> float:
    return lift.mean - Z * lift.sd


def _above(cases: Sequence[Case], bound: float) -> Share:
    right = [case.was_right for case in cases if case.risk > bound]
    return Share(sum(right), len(right))
