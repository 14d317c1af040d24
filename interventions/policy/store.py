"""Policies as rows: the one in force, drafts, and how one follows the other."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from consent import audit
from consent.actors import SYSTEM, Party
from interventions.models import Policy, PolicyProposal
from interventions.policy import weights
from interventions.policy.document import Document, PolicyFault, dump, load, with_changes
from interventions.policy.louder import needs_second

# Before any day that a simulated clock shows.
SINCE = datetime(2000, 1, 1, tzinfo=UTC)


class NoPolicyInForce(RuntimeError):
    """There are policies, but none is live."""


class NotADraft(Exception):
    """Only a draft can be changed or put in force."""


class NotPutInForceYet(Exception):
    """Only a version that was in force can be gone back to."""


class ReasonMissing(ValueError):
    """A change of policy needs its reason in a sentence."""


class NeedsSecondYes(Exception):
    """The draft is louder than what is in force, or concerns critical roles, and no second administrator said yes."""


def live() -> Policy:
    """The policy in force, read each time so that a change counts at once: one row by an index.

    An empty installation begins with version 1, all defaults.
    """
    policy = Policy.objects.filter(state=Policy.State.LIVE).first()
    if policy is None and not Policy.objects.exists():
        _begin()
        policy = Policy.objects.filter(state=Policy.State.LIVE).first()
    if policy is None:
        raise NoPolicyInForce("No policy is in force; put a draft in force in the admin.")
    return policy


def document(policy: Policy) -> Document:
    """The typed document of this policy. Parsing takes less time than looking it up in a cache would."""
    return load(policy.document)


def draft_from_live(
    *, by: UUID | None, now: datetime, changes: Document | Mapping[str, Any] | None = None, reason: str = ""
) -> Policy:
    """A new draft: the live document with changes (place → value, "bands.medium": 0.5), or this document."""
    with transaction.atomic():
        base = _locked_live()
        wanted = changes if isinstance(changes, Document) else with_changes(document(base), changes or {})
        return _draft(wanted, base=base, by=by, now=now, reason=reason)


def revise(*, policy: Policy, changes: Document, by: UUID | None, now: datetime) -> Policy:
    """The draft with this document instead. Raises NotADraft."""
    load(dump(changes))
    with transaction.atomic():
        moved = Policy.objects.filter(pk=policy.pk, state=Policy.State.DRAFT).update(document=dump(changes))
        if not moved:
            raise NotADraft(f"Policy {policy.version} is no draft; make a new draft from it.")
        _audit("policy.revised", policy, by=by, now=now)
    policy.refresh_from_db()
    return policy


def go_live(*, policy: Policy, by: UUID | None, now: datetime, reason: str) -> Policy:
    """Puts the draft in force and retires the one before, in one transaction.

    Where the draft needs a second yes, an answered proposal of exactly this document must be there; else raises
    NeedsSecondYes. ``by`` None is the system itself, setting up.
    """
    if not reason.strip():
        raise ReasonMissing("Say in a sentence why the policy changes.")
    with transaction.atomic():
        return _put_in_force(policy, by=by, now=now, reason=reason, is_return=False)


def digest_of(policy: Policy) -> str:
    """SHA-256 of a policy's document: what a yes was given to."""
    return sha256(json.dumps(policy.document, sort_keys=True).encode()).hexdigest()


def _put_in_force(policy: Policy, *, by: UUID | None, now: datetime, reason: str, is_return: bool) -> Policy:
    before = Policy.objects.select_for_update().filter(state=Policy.State.LIVE).first()
    draft = Policy.objects.select_for_update().get(pk=policy.pk)
    if draft.state != Policy.State.DRAFT:
        raise NotADraft(f"Policy {draft.version} is no draft any more.")
    wanted = load(draft.document)
    if by is not None and before is not None and not is_return:
        _refuse_without_second_yes(draft, before, wanted)
    if before is not None:
        Policy.objects.filter(pk=before.pk).update(state=Policy.State.RETIRED)
    Policy.objects.filter(pk=draft.pk).update(
        state=Policy.State.LIVE, live_at=now, reason=reason.strip()[:300]
    )
    weights.come_into_force(
        wanted,
        before=load(before.document) if before is not None else None,
        version=draft.version,
        is_return=is_return,
        by=by,
        now=now,
    )
    _audit("policy.live", draft, by=by, now=now, replaces=before.version if before else None)
    draft.refresh_from_db()
    return draft


def _refuse_without_second_yes(draft: Policy, before: Policy, wanted: Document) -> None:
    answered = PolicyProposal.objects.filter(
        policy=draft,
        base_version=before.version,
        digest=digest_of(draft),
        state__in=(PolicyProposal.State.APPROVED, PolicyProposal.State.WAITED),
    )
    if needs_second(document(before), wanted) and not answered.exists():
        raise NeedsSecondYes(
            f"Policy {draft.version} is louder than version {before.version} or concerns critical roles: "
            "another administrator must say yes first."
        )


def roll_back(*, to_version: int, by: UUID | None, now: datetime, reason: str) -> Policy:
    """A new version in force with the document of an old one. History stays as it was.

    It was in force before, and a way back must be open at once: nobody else is asked.
    """
    if not reason.strip():
        raise ReasonMissing("Say in a sentence why the policy changes.")
    with transaction.atomic():
        base = _locked_live()
        old = Policy.objects.get(version=to_version)
        if old.state != Policy.State.RETIRED:
            raise NotPutInForceYet(f"Policy {to_version} was never retired; there is nothing to go back to.")
        draft = _draft(load(old.document), base=base, by=by, now=now, reason=reason)
        return _put_in_force(draft, by=by, now=now, reason=reason, is_return=True)


def _begin() -> None:
    """Version 1, all defaults. Two processes may try at once; the version is unique, so one wins."""
    with transaction.atomic():
        Policy.objects.bulk_create(
            [
                Policy(
                    version=1,
                    document=dump(Document()),
                    state=Policy.State.LIVE,
                    reason="The defaults Rekindle ships with",
                    created_at=SINCE,
                    live_at=SINCE,
                )
            ],
            ignore_conflicts=True,
        )


def _locked_live() -> Policy:
    """The live policy's row, locked: versions are numbered one at a time."""
    return Policy.objects.select_for_update().get(pk=live().pk)


def _draft(wanted: Document, *, base: Policy, by: UUID | None, now: datetime, reason: str) -> Policy:
    document = dump(wanted)
    load(document)
    version = (Policy.objects.aggregate(last=Max("version"))["last"] or 0) + 1
    draft = Policy.objects.create(
        version=version, document=document, reason=reason.strip()[:300], created_by=by, created_at=now
    )
    _audit("policy.drafted", draft, by=by, now=now, base=base.version)
    return draft


def _audit(action: str, policy: Policy, *, by: UUID | None, now: datetime, **detail: Any) -> None:
    # Policies are numbered, parties are named by uuid: the number is the uuid's own.
    audit.record(
        actor=Party("user", by) if by else SYSTEM,
        action=action,
        target=Party("policy", UUID(int=policy.version)),
        now=now,
        detail={"version": policy.version, **detail},
    )


__all__ = [
    "NeedsSecondYes",
    "NoPolicyInForce",
    "NotADraft",
    "NotPutInForceYet",
    "PolicyFault",
    "ReasonMissing",
    "digest_of",
    "document",
    "draft_from_live",
    "go_live",
    "live",
    "revise",
    "roll_back",
]
