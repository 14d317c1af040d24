"""One person in the cold store: found by uuid, and taken out of every file that holds them.

A file is written again without the person, under a new key; the old key leaves the manifest in the same transaction.
So the old file, wherever a copy of it lies, can no longer be read.
"""

from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from consent.crypto import decrypt, encrypt, is_current
from signals.archive import cooling, files
from signals.archive.write import lock, replace
from signals.models import ArchiveFile, Event


def events_of(learner: UUID) -> Iterator[dict[str, Any]]:
    """This person's events that lie in the cold store only, month by month. Void ones too."""
    here = set(Event.objects.filter(learner_id=learner).order_by().values_list("statement_id", flat=True))
    for file in _files(ArchiveFile.Kind.EVENT).filter(cooled_at__isnull=False):
        for rows in cooling.matching(file, "learner_id", [learner.bytes]):
            rows = [row for row in rows if UUID(bytes=row["statement_id"]) not in here]
            yield from sorted(rows, key=lambda row: (row["occurred_at"], row["statement_id"]))


def statement_ids_of(learner: UUID) -> set[UUID]:
    """The statements that this person's cold events were made from."""
    return {UUID(bytes=row["statement_id"]) for row in events_of(learner)}


def erase(learner: UUID, statement_ids: Collection[UUID], *, now: datetime) -> dict[str, int]:
    """Kind → rows taken out of the cold store. In the caller's transaction: rolled back, every file is as it was."""
    if not ArchiveFile.objects.exists():
        return {}
    lock()
    return {
        "archived_events": _without(ArchiveFile.Kind.EVENT, "learner_id", [learner.bytes], now=now),
        "archived_statements": _without(
            ArchiveFile.Kind.STATEMENT, "id", [key.bytes for key in statement_ids], now=now
        ),
    }


def rotate(progress: Callable[[int], Any] = lambda rows: None) -> int:
    """How many files' keys were encrypted again with the ring's newest key. The files stay as they are."""
    changed = 0
    for file in ArchiveFile.objects.select_for_update():
        if not is_current(bytes(file.sealed_key)):
            file.sealed_key = encrypt(decrypt(bytes(file.sealed_key)))
            file.save(update_fields=["sealed_key"])
            changed += 1
    return changed


def _without(kind: ArchiveFile.Kind, column: str, values: Collection[bytes], *, now: datetime) -> int:
    """How many rows with one of these values were taken out of the files of this kind."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not values:
        return 0
    unwanted = pa.array(list(values), pa.binary(16))
    gone = 0
    for file in _files(kind).select_for_update():
        if not _holds(file, column, unwanted):
            continue
        kept = (
            table.filter(pc.invert(pc.is_in(table.column(column), value_set=unwanted)))
            for table in files.batches(file)
        )
        before = file.rows
        replace(kind, file.month, kept, before=file, source_hash=file.source_hash, now=now)
        gone += before - file.rows
    return gone


def _holds(file: ArchiveFile, column: str, values: Any) -> bool:
    """Whether any row has one of these values: reads one column, and skips groups that cannot have it."""
    import pyarrow.dataset as ds

    return bool(files.dataset(file).count_rows(filter=ds.field(column).isin(values), use_threads=False))


def _files(kind: ArchiveFile.Kind) -> Any:
    return ArchiveFile.objects.filter(kind=kind, rows__gt=0).order_by("month")
