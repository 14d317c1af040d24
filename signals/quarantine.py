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
from signals.xapi.faults import Fault, StatementConflict, StatementFaults


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
    from signals.ingest import ingest
    from signals.normalize import derive_again

    with transaction.atomic():
        row = _claim(quarantined)
        raw = body if body is not None else bodies.unseal(row.body).raw
        kept = Statement.objects.filter(pk=row.statement_id).first() if row.reason == "timestamp" else None
        try:
            # Only its event was held back: the clock is looked at again, and nothing is stored twice.
            taken = ingest([raw], credential=row.credential, now=now, bulk=False)
        except StatementFaults as error:
            return Requeued(False, error.faults)
        except StatementConflict:
            return Requeued(
                False,
                [Fault(0, "$.id", "is already stored with other content", "Give it a new id.", "conflict")],
            )
        if kept is not None and not _in_time(row, now):
            return Requeued(False, [_still_untimely()])
        if kept is not None:
            backfill = Credential.Permission.BACKFILL in row.credential.permissions
            derive_again(
                read_stored(StoredRow(kept.pk, kept.stored, bytes(kept.body), backfill)),
                now=now,
                backfill=backfill,
            )
        elif not taken.ids:
            return Requeued(False, taken.faults)
        _settle(row, Quarantined.State.REQUEUED, now)
    return Requeued(True, [])


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


def _in_time(row: Quarantined, now: datetime) -> bool:
    from signals.ingest import in_time

    kept = Statement.objects.get(pk=row.statement_id)
    reading = read_stored(StoredRow(kept.pk, kept.stored, bytes(kept.body), backfill=False))
    return in_time(reading.occurred_at, row.credential, now=now)


def _still_untimely() -> Fault:
    return Fault(
        0,
        "$.timestamp",
        "is still ahead of the clock or before the source's first day",
        "Wait until it is past, or set an earlier first day on the source's credential.",
        "timestamp",
    )


def waiting() -> dict[str, int]:
    """How many wait, by reason."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reason, count(*) FROM signals_quarantined WHERE state = 'waiting' GROUP BY reason ORDER BY reason"
        )
        return dict(cursor.fetchall())
