"""Does a step wait for a person's yes? A route earns going out by itself (docs/automation.md). Pure.

Whatever goes out without a person first rests on three things that ``decide`` sees: the policy lets the action earn it,
the route stood at that moment (the snapshot says so), and neither the sample nor a person's earlier no asks again.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from interventions.policy.document import Document
from interventions.snapshot import Snapshot

# Reasons a decision keeps: who looked before it went out, where that is not simply "the policy asks".
BY_ITSELF = "by_itself"
AS_A_SAMPLE = "asked_as_a_sample"
AFTER_A_NO = "asked_after_a_no"

# A person was asked about this step of the episode before, and did not say yes.
_NO_YES = ("declined", "unanswered", "superseded")


class Route(NamedTuple):
    """What earns automation: an action for one risk band and one impact of the role."""

    action: str
    band: str
    impact: str

    @property
    def key(self) -> str:
        return ":".join(self)


class Asking(NamedTuple):
    """Whether a person is asked first; ``reason`` where the decision should say more than that."""

    a_person: bool
    reason: str = ""


def asking(route: Route, snapshot: Snapshot, policy: Document) -> Asking:
    """Is a person asked before this learner-directed step goes out?"""
    if not stands(route, snapshot, policy):
        return Asking(a_person=True)
    if snapshot.episode is not None and snapshot.episode.lapsed_reason in _NO_YES:
        return Asking(True, AFTER_A_NO)
    if _is_drawn(snapshot, policy.automation.ask_one_in):
        return Asking(True, AS_A_SAMPLE)
    return Asking(False, BY_ITSELF)


def of(action: str, reasons: Sequence[str]) -> Route | None:
    """The route by which a decision went out, or will, without a person's yes; None where a person was asked."""
    if BY_ITSELF not in reasons or not reasons[0].startswith("matrix:"):
        return None
    _, impact, band, _ = reasons[0].split(":")
    return Route(action, band, impact)


def stands(route: Route, snapshot: Snapshot, policy: Document) -> bool:
    """Does the policy let this action go out by itself, and has its route earned it?"""
    return bool(getattr(policy.automation, route.action)) and route.key in snapshot.automatic


def _is_drawn(snapshot: Snapshot, one_in: int) -> bool:
    """The standing sample: so many episodes ask a person all the same, whatever becomes of them.

    The unit is the episode, so that a step decided anew is not drawn again until it goes out by itself.
    """
    opened_at = snapshot.episode.opened_at if snapshot.episode else snapshot.now
    unit = f"automation:{snapshot.enrolment_id}:{int(opened_at.timestamp())}"
    return int.from_bytes(sha256(unit.encode()).digest()[:8], "big") % one_in == 0
