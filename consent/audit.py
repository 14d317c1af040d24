"""Did we? Entries are appended inside the acting transaction; one sealer chains what has committed.

The chain lives in a second table, so writing an entry takes no lock that others wait for. Position n's hash is
SHA-256 over the hash at n − 1 and the entry's canonical JSON.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection, models, transaction

from consent.actors import Party
from consent.models import AuditEntry, AuditSeal, AuditUnsealed

NOBODY = UUID(int=0)
LOCK = 0x52454B494E444C45  # the sealer's advisory lock: "REKINDLE"
START = b"\0" * 32

T = TypeVar("T")


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


def record_each(
    *,
    actor: Party,
    action: str,
    told: Iterable[tuple[Party, dict[str, Any]]],
    now: datetime,
) -> int:
    """Appends one entry for each target and its detail, in the caller's transaction; returns how many."""
    entries = AuditEntry.objects.bulk_create(
        AuditEntry(
            actor_kind=actor.kind,
            actor_uuid=actor.uuid,
            action=action,
            target_kind=target.kind,
            target_uuid=target.uuid,
            detail=detail,
            at=now,
        )
        for target, detail in told
    )
    return len(entries)


def about(subject: UUID) -> models.QuerySet[AuditEntry]:
    """Every entry that names this person: as its target, or among those a page showed."""
    return AuditEntry.objects.filter(
        models.Q(target_uuid=subject) | models.Q(detail__contains={"learners": [str(subject)]})
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
    """Chains committed entries that wait; returns how many. Only one sealer works at a time.

    An entry is seen once it has committed, whatever its number, so one that commits late is sealed late, not lost.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
            if not cursor.fetchone()[0]:
                return 0
        last = AuditSeal.objects.order_by("-position").first()
        position, previous = (last.position, bytes(last.hash)) if last else (0, START)
        seals = []
        for entry in AuditEntry.objects.filter(waiting__isnull=False).order_by("pk")[:limit]:
            position += 1
            previous = _hash(previous, entry)
            seals.append(AuditSeal(position=position, entry=entry, hash=previous, sealed_at=now))
        AuditSeal.objects.bulk_create(seals, batch_size=1000)
        AuditUnsealed.objects.filter(entry__in=[seal.entry_id for seal in seals]).delete()
    return len(seals)


@dataclass(frozen=True)
class Verification:
    """What a walk along the chain found."""

    ok: bool
    entries: int
    sealed: int
    first_fault: str | None = None
    head: str = ""  # the last hash, in hexadecimal: noted elsewhere, it also proves that no end was cut off


def verify(*, head: str | None = None) -> Verification:
    """Walks the whole chain and names the first place where it does not hold.

    ``head``: a hash noted after an earlier walk, which must still be in the chain.
    """
    entries = AuditEntry.objects.count()
    previous, sealed, head_found = START, 0, head is None

    def fault(text: str) -> Verification:
        return Verification(False, entries, sealed, text, previous.hex())

    # Seals first, entries joined by hand: an entry removed behind the database's back must not hide its seal.
    for batch in batched(AuditSeal.objects.order_by("position").iterator(chunk_size=2000), 2000):
        known = AuditEntry.objects.in_bulk([seal.entry_id for seal in batch])
        for seal in batch:
            if seal.position != sealed + 1:
                return fault(f"position {sealed + 1} is missing")
            entry = known.get(seal.entry_id)
            if entry is None:
                return fault(f"entry {seal.entry_id} (position {seal.position}) was removed")
            expected = _hash(previous, entry)
            if expected != bytes(seal.hash):
                return fault(f"entry {seal.entry_id} (position {seal.position}) or its seal was altered")
            previous, sealed = expected, seal.position
            head_found = head_found or previous.hex() == head
    forgotten = AuditEntry.objects.filter(seal__isnull=True, waiting__isnull=True).order_by("pk").first()
    if forgotten is not None:
        return fault(f"entry {forgotten.pk} has no seal and does not wait for one")
    if not head_found:
        return fault(f"the noted hash {head} is not in the chain: its end was cut off or it is another chain")
    return Verification(True, entries, sealed, None, previous.hex())


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


def batched(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """The rows in lists of this length (itertools has it from Python 3.12 on)."""
    remaining = iter(rows)
    while batch := list(islice(remaining, size)):
        yield batch
