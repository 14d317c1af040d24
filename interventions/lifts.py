"""What comparisons with people held out have shown of each action: the evidence the lift's posterior rests on."""

from collections import defaultdict
from math import sqrt
from typing import NamedTuple

from django.db.models import Count, Sum

from interventions.models import Outcome
from interventions.snapshot import Compared

RECOVERED_14D = "recovered_14d"  # interventions.outcomes measures it


class Arm(NamedTuple):
    """One side of a comparison."""

    people: int
    recovered: float


def compared() -> dict[str, Compared]:
    """Action → what its comparisons say together; one query. Empty while nobody was held out.

    Only outcomes that carry a comparison count, and of these only comparisons whose treated side took one action.
    """
    arms: dict[str, dict[tuple[str, str], Arm]] = defaultdict(dict)
    rows = (
        Outcome.objects.filter(measure=RECOVERED_14D, value__isnull=False)
        .exclude(comparison="")
        .order_by()
        .values_list("comparison", "arm", "decision__action")
        .annotate(people=Count("pk"), recovered=Sum("value"))
    )
    for comparison, arm, action, people, recovered in rows:
        arms[comparison][arm, action] = Arm(people, recovered)
    differences: dict[str, list[Compared]] = defaultdict(list)
    for found in arms.values():
        treated = {action: one for (arm, action), one in found.items() if arm == Outcome.Arm.TREATED}
        held_out = [one for (arm, _), one in found.items() if arm == Outcome.Arm.HELD_OUT]
        if len(treated) != 1 or not held_out:
            continue
        [(action, one)] = treated.items()
        other = Arm(sum(a.people for a in held_out), sum(a.recovered for a in held_out))
        differences[action].append(difference(one, other))
    return {action: pooled(found) for action, found in sorted(differences.items())}


def difference(treated: Arm, held_out: Arm) -> Compared:
    """The gain in the share that recovered, with its standard error.

    Each share's variance is (k+1)(n−k+1) / ((n+2)²(n+3)), that of its posterior under a flat prior: it is not zero
    where nobody or everybody recovered, so that a handful of people never counts as certainty.
    """
    gain = treated.recovered / treated.people - held_out.recovered / held_out.people
    return Compared(
        gain=gain,
        error=sqrt(_variance(treated) + _variance(held_out)),
        treated=treated.people,
        held_out=held_out.people,
    )


def pooled(found: list[Compared]) -> Compared:
    """Several comparisons of one action as one: weighted by their precision."""
    weights = [one.error**-2 for one in found]
    total = sum(weights)
    return Compared(
        gain=sum(one.gain * weight for one, weight in zip(found, weights, strict=True)) / total,
        error=total**-0.5,
        treated=sum(one.treated for one in found),
        held_out=sum(one.held_out for one in found),
    )


def _variance(arm: Arm) -> float:
    n, k = arm.people, arm.recovered
    return (k + 1) * (n - k + 1) / ((n + 2) ** 2 * (n + 3))
