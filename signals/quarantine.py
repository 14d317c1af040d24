"""Statements that could not be taken in, whole and with their reasons, until somebody settles them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from django.db import connection, transaction

from signals.models import Credential, Quarantined, Statement
from signals.reading import StoredRow, digest, read_stored
from signals.xapi import bodies
from signals.xapi.faults import Fault


class AlreadySettled(Exception):
    """Somebody has requeued or discarded it in the meantime."""


class Requeued(NamedTuple):
    """Whether a requeued statement is taken in now, else what is still wrong."""

    taken_in: bool
    faults: list[Fault]


def hold(
    items: Sequence[tuple[bytes, UUID | None, Sequence[Fault]]], *, credential: Credential, now: datetime
) -> None:
    """Keeps these statements. The same bytes from the same source are kept once."""
    Quarantined.objects.bulk_create(
        [
            Quarantined(
                credential=credential,
                statement_id=statement_id,
                digest=digest(raw),
                body=bodies.seal(raw),
                faults=[
                    {"path": fault.path, "fault": fault.fault, "mend": fault.mend, "kind": fault.kind}
                    for fault in faults
                ],
                reason=faults[0].kind,
                received_at=now,
            )
            for raw, statement_id, faults in items
        ],
        ignore_conflicts=True,
    )


def requeue(quarantined: Quarantined, *, now: datetime, body: bytes | None = None) -> Requeued:
    """Tries again to take it in: as it came (when what was wrong lay here), or as mended by a person."""
    with transaction.atomic():
        row = _claim(quarantined)
        # A wrong clock in a strict batch: the statement is stored, only its event was held back.
        kept = (
            Statement.objects.filter(pk=row.statement_id).first()
            if row.statement_id is not None and row.reason == "timestamp" and body is None
            else None
        )
        raw = body if body is not None else bodies.unseal(bytes(row.body)).raw
        before = transaction.savepoint()
        faults = _derive(kept, row, now) if kept is not None else _take_in(raw, row, now)
        if faults:
            transaction.savepoint_rollback(before)  # a mend that did not help is not kept as a second row
            return Requeued(False, faults)
        transaction.savepoint_commit(before)
        _settle(row, Quarantined.State.REQUEUED, now)
    return Requeued(True, [])


def _take_in(raw: bytes, row: Quarantined, now: datetime) -> list[Fault]:
    from signals.ingest import ingest  # ingest itself puts things here

    # In bulk, so that whatever is still wrong comes back as faults.
    return ingest([raw], credential=row.credential, now=now, bulk=True).faults


def _derive(kept: Statement, row: Quarantined, now: datetime) -> list[Fault]:
    from signals.ingest import in_time
    from signals.normalize import derive_again

    backfill = Credential.Permission.BACKFILL in row.credential.permissions
    reading = read_stored(StoredRow(kept.pk, kept.stored, bytes(kept.body), backfill))
    if in_time(reading.occurred_at, row.credential, now=now):
        derive_again(reading, now=now, backfill=backfill)
        return []
    return [
        Fault(
            0,
            "$.timestamp",
            "is still ahead of the clock or before the source's first day",
            "Wait until it is past, or set an earlier first day on the source's credential.",
            "timestamp",
        )
    ]


def discard(quarantined: Quarantined, *, now: datetime) -> None:
    """Settles it as not worth taking in. It stays readable until its retention ends."""
    with transaction.atomic():
        _settle(_claim(quarantined), Quarantined.State.DISCARDED, now)


def body_of(quarantined: Quarantined) -> str:
    """The statement as it came, for the person who mends it."""
    raw = bodies.unseal(bytes(quarantined.body)).raw
    try:
        return msgspec.json.format(raw, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return raw.decode("utf-8", "replace")


def _claim(quarantined: Quarantined) -> Quarantined:
    row = (
        Quarantined.objects.select_for_update(of=("self",))
        .select_related("credential")
        .filter(pk=quarantined.pk, state=Quarantined.State.WAITING)
        .first()
    )
    if row is None:
        raise AlreadySettled
    return row


def _settle(row: Quarantined, state: str, now: datetime) -> None:
    row.state = state
    row.settled_at = now
    row.save(update_fields=["state", "settled_at"])


def waiting() -> dict[str, int]:
    """How many wait, by reason."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reason, count(*) FROM signals_quarantined WHERE state = 'waiting' GROUP BY reason ORDER BY reason"
        )
        return dict(cursor.fetchall())
