"""The second yes: a draft that is louder than what is in force goes in force only when another administrator agrees.

An installation with one administrator waits a day instead, and the audit log says so.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from consent import audit
from consent.actors import Party
from interventions.models import Policy, PolicyProposal
from interventions.policy import store
from interventions.policy.document import Document
from interventions.policy.louder import Reason, needs_second
from learners.models import Role, User

WAIT = timedelta(hours=24)
State = PolicyProposal.State


class NothingWaits(Exception):
    """No proposal of this draft waits for an answer."""


class OwnProposal(Exception):
    """Who proposed a draft cannot be the one who approves it."""


class StillWaiting(Exception):
    """The day has not passed yet, or somebody else can say yes by now."""


class Outdated(Exception):
    """The draft, or the policy in force, has changed since it was proposed."""


def put_in_force(
    *,
    policy: Policy,
    by: UUID,
    now: datetime,
    reason: str,
    more_alerts: Callable[[Document, Document], list[Reason]] = lambda before, after: [],
) -> PolicyProposal | None:
    """Puts the draft in force at once where that is allowed (None); else the proposal that now waits.

    ``more_alerts``: what a preview has against it, asked only where the documents themselves look no louder.
    """
    if not reason.strip():
        raise store.ReasonMissing("Say in a sentence why the policy changes.")
    live = store.live()
    before, after = store.document(live), store.document(policy)
    needs = needs_second(before, after)
    if not needs and before != after:
        needs = more_alerts(before, after)
    if not needs:
        store.go_live(policy=policy, by=by, now=now, reason=reason)
        return None
    return _propose(policy, live, needs, by=by, now=now, reason=reason)


def _propose(
    policy: Policy, live: Policy, needs: list[Reason], *, by: UUID, now: datetime, reason: str
) -> PolicyProposal:
    with transaction.atomic():
        draft = Policy.objects.select_for_update().get(pk=policy.pk)
        if draft.state != Policy.State.DRAFT:
            raise store.NotADraft(f"Policy {draft.version} is no draft any more.")
        PolicyProposal.objects.filter(policy=draft, state=State.WAITING).update(
            state=State.OUTDATED, answered_at=now
        )
        alone = not others_than(by)
        proposal = PolicyProposal.objects.create(
            policy=draft,
            base_version=live.version,
            digest=store.digest_of(draft),
            needs=[list(need) for need in needs],
            reason=reason.strip()[:300],
            proposed_by=by,
            proposed_at=now,
            waits_until=now + WAIT if alone else None,
        )
        _audit("policy.proposed", proposal, by, now, alone=alone)
    return proposal


def approve(*, policy: Policy, by: UUID, now: datetime, note: str = "") -> Policy:
    """A second administrator says yes: the policy is in force at once."""
    with transaction.atomic():
        proposal = _waiting(policy)
        if proposal.proposed_by == by:
            raise OwnProposal("You proposed this version yourself: another administrator must say yes.")
        _answer(proposal, State.APPROVED, by=by, now=now, note=note)
        _audit("policy.approved", proposal, by, now, proposed_by=str(proposal.proposed_by))
        return store.go_live(policy=policy, by=by, now=now, reason=proposal.reason)


def decline(*, policy: Policy, by: UUID, now: datetime, note: str) -> PolicyProposal:
    """Somebody says no, or takes their own proposal back: the draft stays a draft."""
    with transaction.atomic():
        proposal = _waiting(policy, must_fit=False)
        _answer(proposal, State.DECLINED, by=by, now=now, note=note)
        _audit("policy.declined", proposal, by, now, proposed_by=str(proposal.proposed_by))
    return proposal


def end_wait(*, policy: Policy, by: UUID, now: datetime) -> Policy:
    """The only administrator puts it in force after the day has passed; the audit log says that nobody else agreed."""
    with transaction.atomic():
        proposal = _waiting(policy)
        if proposal.waits_until is None or now < proposal.waits_until:
            raise StillWaiting("This version waits for another administrator's yes, or for the day to pass.")
        if others_than(by):
            raise StillWaiting("There is another administrator by now: they must say yes.")
        _answer(proposal, State.WAITED, by=by, now=now, note="")
        _audit(
            "policy.waited", proposal, by, now, hours=WAIT.total_seconds() / 3600, note="one_administrator"
        )
        return store.go_live(policy=policy, by=by, now=now, reason=proposal.reason)


def waiting(policy: Policy) -> PolicyProposal | None:
    """The proposal of this draft that waits for an answer, if there is one."""
    return PolicyProposal.objects.filter(policy=policy, state=State.WAITING).first()


def is_current(proposal: PolicyProposal) -> bool:
    """Is it still about this document, against the policy that is in force?"""
    return proposal.digest == store.digest_of(proposal.policy) and (
        proposal.base_version == store.live().version
    )


def others_than(user_id: UUID) -> bool:
    """Is there another administrator who can sign in?"""
    return User.objects.with_role(Role.ADMIN).exclude(pk=user_id).exists()


def _waiting(policy: Policy, *, must_fit: bool = True) -> PolicyProposal:
    # The draft first, as whoever revises it does: what was agreed to cannot change under the answer.
    draft = Policy.objects.select_for_update().get(pk=policy.pk)
    proposal = (
        PolicyProposal.objects.select_for_update(of=("self",))
        .filter(policy=draft, state=State.WAITING)
        .first()
    )
    if proposal is None:
        raise NothingWaits(f"No proposal of policy {policy.version} waits for an answer.")
    proposal.policy = draft
    if must_fit and not is_current(proposal):
        raise Outdated(
            f"Policy {policy.version}, or the policy in force, has changed since it was proposed: propose it again."
        )
    return proposal


def _answer(proposal: PolicyProposal, state: State, *, by: UUID, now: datetime, note: str) -> None:
    proposal.state, proposal.answered_by, proposal.answered_at = state, by, now
    proposal.note = note.strip()[:300]
    proposal.save(update_fields=["state", "answered_by", "answered_at", "note"])


def _audit(action: str, proposal: PolicyProposal, by: UUID, now: datetime, **detail: object) -> None:
    version = proposal.policy.version
    audit.record(
        actor=Party("user", by),
        action=action,
        target=Party("policy", UUID(int=version)),
        now=now,
        detail={"version": version, "base": proposal.base_version, **detail},
    )
