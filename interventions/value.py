"""What acting is worth: lift × value of the role − cost, all in minutes of work. Pure."""

import msgspec

from interventions.policy.document import Document


class Worth(msgspec.Struct, frozen=True):
    """The sum behind one eligible action; minutes but for the lift, which is a share."""

    action: str
    lift: float
    value: float
    cost: float
    expected: float


def worth(action: str, impact: str, policy: Document) -> Worth:
    """The expected value of an action for somebody whose role has this impact."""
    lift = policy.value.lifts[action].mean
    value = policy.value.minutes_per_recovery * float(getattr(policy.value, impact))
    cost = float(getattr(policy.costs, action))
    return Worth(action=action, lift=lift, value=value, cost=cost, expected=lift * value - cost)
