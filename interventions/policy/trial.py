"""What a policy would decide about one enrolment now, and why, in sentences. Decides nothing."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from interventions import explain
from interventions.decide import LEARNER_DIRECTED, Choice, decide
from interventions.models import Decision, Policy
from interventions.models.deciding import Action
from interventions.policy import store
from interventions.policy.forms import label_of
from interventions.policy.weights import scored, trusted_by
from interventions.situation import snapshots
from interventions.snapshot import Snapshot
from interventions.snapshot import store as stored
from learners.models import Enrolment

BANDS = {"low": "Low risk.", "medium": "Medium risk.", "high": "High risk."}


class Route(msgspec.Struct, frozen=True):
    """One policy's answer."""

    policy: str
    action: str
    how: str  # by itself, or after whose yes
    why: list[str]
    seen: list[str]
    tried: list[str]
    confidence: str
    review_at: datetime | None


def routes(enrolment: Enrolment, policies: Sequence[Policy], *, now: datetime) -> list[Route]:
    """Each policy's choice for what is known of this enrolment now."""
    found = []
    for policy in policies:
        document = store.document(policy)
        snapshot = snapshots([enrolment.pk], policy=document, policy_version=policy.version, now=now)[
            enrolment.pk
        ]
        snapshot = scored(snapshot, trusted_by(document))
        found.append(_route(enrolment, policy, snapshot, decide(snapshot, document)))
    return found


def _route(enrolment: Enrolment, policy: Policy, snapshot: Snapshot, choice: Choice) -> Route:
    # Never saved: explaining asks a decision for what it rests on.
    asked = Decision(
        enrolment=enrolment,
        episode_id=snapshot.episode.id if snapshot.episode else None,
        policy=policy,
        action=choice.action,
        reasons=list(choice.reasons),
        snapshot=stored(snapshot),
        known_seq=snapshot.known_seq,
        at=snapshot.now,
    )
    told = explain.why(asked)
    watched = {"record", "profile"} <= set(
        snapshot.scopes
    )  # else nothing of what is known is anybody's to read
    return Route(
        policy=f"Version {policy.version} ({policy.get_state_display().lower()})",
        action=str(Action(choice.action).label),
        how=_how(choice),
        why=[*_held(choice), *told.because, *_worth(choice)],
        seen=told.sentences if watched else [],
        tried=told.tried if watched else [],
        confidence=told.confidence if watched else "",
        review_at=choice.review_at,
    )


def _how(choice: Choice) -> str:
    if choice.action == "monitor":
        return "Nothing goes out."
    if choice.action in LEARNER_DIRECTED:
        return (
            "A coach is asked for a yes first."
            if choice.asks
            else "It goes out by itself: its route has earned that."
        )
    if choice.action == "manager":
        return "A coach is asked first, then the manager."
    return "A coach takes it up."


def _held(choice: Choice) -> list[str]:
    """What opened or would open the episode, and the cell of the matrix."""
    found = [f"Trigger: {label_of(f'triggers.{key}.enabled')}." for key in choice.triggers]
    if choice.band in BANDS:
        found.append(BANDS[choice.band])
    found += [
        f"Matrix: {label_of(reason.replace(':', '.'))}."
        for reason in choice.reasons
        if reason.startswith("matrix:")
    ]
    return found


def _worth(choice: Choice) -> list[str]:
    """The sum: lift × value − cost."""
    return [
        f"Worth {one.expected:.1f} minutes of work: a lift of {one.lift:.1%} × {one.value:g} − a cost of {one.cost:g}."
        for one in choice.eligible
        if one.action == choice.action
    ]
