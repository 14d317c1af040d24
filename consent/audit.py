"""Did we? Entries are appended inside the acting transaction; one sealer chains what has committed.

The chain lives in a second table, so writing an entry takes no lock that others wait for. Position n's hash is
SHA-256 over the hash at n − 1 and the entry's canonical JSON.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from consent.actors import Party
from consent.models import AuditEntry, AuditSeal

NOBODY = UUID(int=0)
LOCK = 0x52454B494E444C45  # the sealer's advisory lock: "REKINDLE"
START = b"\0" * 32


def record(
    *, actor: Party, action: str, target: Party, now: datetime, detail: dict[str, Any] | None = None
) -> AuditEntry:
    """Appends one entry in the caller's transaction. ``detail`` holds ids and codes, never names or texts."""
    return AuditEntry.objects.create(
        actor_kind=actor.kind,
        actor_uuid=actor.uuid,
        action=action,
        target_kind=target.kind,
        target_uuid=target.uuid,
        detail=detail or {},
        at=now,
    )


def record_reads(*, actor: Party, action: str, targets: Iterable[UUID], now: datetime) -> AuditEntry | None:
    """One entry for a page that showed these people; None where it showed nobody."""
    shown = sorted(str(target) for target in set(targets))
    if not shown:
        return None
    return record(
        actor=actor, action=action, target=Party("learners", NOBODY), now=now, detail={"learners": shown}
    )


def seal(*, now: datetime, limit: int = 5000) -> int:
    """Chains committed entries that are not sealed yet; returns how many. Only one sealer works at a time."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
            if not cursor.fetchone()[0]:
                return 0
        last = AuditSeal.objects.order_by("-position").first()
        position, previous = (last.position, bytes(last.hash)) if last else (0, START)
        seals = []
        for entry in AuditEntry.objects.filter(seal__isnull=True).order_by("pk")[:limit]:
            position += 1
            previous = _hash(previous, entry)
            seals.append(AuditSeal(position=position, entry=entry, hash=previous, sealed_at=now))
        AuditSeal.objects.bulk_create(seals, batch_size=1000)
    return len(seals)


@dataclass(frozen=True)
class Verification:
    """What a walk along the chain found."""

    ok: bool
    entries: int
    sealed: int
    first_fault: str | None = None


def verify() -> Verification:
    """Walks the whole chain and names the first place where it does not hold."""
    entries = AuditEntry.objects.count()
    previous, expected = START, 0
    for seal_row in AuditSeal.objects.select_related("entry").order_by("position").iterator(chunk_size=2000):
        expected += 1
        if seal_row.position != expected:
            return Verification(False, entries, expected - 1, f"position {expected} is missing")
        previous = _hash(previous, seal_row.entry)
        if previous != bytes(seal_row.hash):
            return Verification(False, entries, expected, f"entry {seal_row.entry_id} (position {expected}) was altered")
    return Verification(True, entries, expected)


def _hash(previous: bytes, entry: AuditEntry) -> bytes:
    canonical = json.dumps(
        {
            "id": entry.pk,
            "actor": [entry.actor_kind, str(entry.actor_uuid)],
            "action": entry.action,
            "target": [entry.target_kind, str(entry.target_uuid)],
            "detail": entry.detail,
            "at": entry.at.astimezone(UTC).isoformat(),
        },
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    return hashlib.sha256(previous + canonical.encode()).digest()
