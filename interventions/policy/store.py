"""Which policy is in force, and how another comes into force."""

import time
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from consent import audit
from consent.actors import SYSTEM, Party
from interventions.models import Policy
from interventions.policy.document import Document, PolicyFault, dump, load

FRESH_SECONDS = 1.0  # a change is live everywhere within two seconds

_cached: tuple[float, Policy] | None = None


def live() -> Policy:
    """The policy in force. Read from the database at most once a second per process."""
    global _cached
    # A stopwatch for the cache, not a clock the domain could see.
    if _cached is None or time.monotonic() - _cached[0] > FRESH_SECONDS:
        _cached = (time.monotonic(), Policy.objects.get(state=Policy.State.LIVE))
    return _cached[1]


def forget() -> None:
    """Has the next question read the database."""
    global _cached
    _cached = None
    _document.cache_clear()


def document(policy: Policy) -> Document:
    """The policy's typed document. One that was in force never changes, so it is read once."""
    if policy.state == Policy.State.DRAFT:
        return load(policy.document)
    return _document(policy.version)


@lru_cache(maxsize=64)
def _document(version: int) -> Document:
    return load(Policy.objects.get(version=version).document)


def draft(*, document: Document, by: UUID | None, now: datetime, reason: str = "") -> Policy:
    """A new draft, checked. Raises PolicyFault where it could not be put in force."""
    load(dump(document))
    with transaction.atomic():
        Policy.objects.select_for_update().filter(state=Policy.State.LIVE).first()
        version = (Policy.objects.aggregate(last=Max("version"))["last"] or 0) + 1
        return Policy.objects.create(
            version=version, document=dump(document), reason=reason, created_by=by, created_at=now
        )


def go_live(*, policy: Policy, by: UUID | None, now: datetime, reason: str) -> Policy:
    """Puts a draft in force and retires the one before it."""
    load(policy.document)
    if not reason.strip():
        raise PolicyFault("Say in a few words why this policy comes into force.")
    with transaction.atomic():
        Policy.objects.filter(state=Policy.State.LIVE).update(state=Policy.State.RETIRED)
        moved = Policy.objects.filter(pk=policy.pk, state=Policy.State.DRAFT).update(
            state=Policy.State.LIVE, live_at=now, reason=reason
        )
        if not moved:
            raise PolicyFault(f"Policy {policy.version} is no draft any more.")
        audit.record(
            actor=Party("user", by) if by else SYSTEM,
            action="policy.live",
            target=Party("policy", UUID(int=policy.version)),
            now=now,
            detail={"version": policy.version},
        )
        transaction.on_commit(forget)
    policy.refresh_from_db()
    return policy


def roll_back(*, to: Policy, by: UUID | None, now: datetime, reason: str) -> Policy:
    """A new version with the document of an old one, in force at once."""
    return go_live(policy=draft(document=load(to.document), by=by, now=now), by=by, now=now, reason=reason)


def changed(policy: Policy, **sections: Any) -> Document:
    """The policy's document with some sections replaced."""
    return load({**dump(load(policy.document)), **sections})
