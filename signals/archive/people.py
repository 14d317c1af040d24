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
from signals.models import ArchiveFile


def events_of(learner: UUID) -> Iterator[dict[str, Any]]:
    """This person's events that lie in the cold store only, month by month. Void ones too."""
    for file in _files(ArchiveFile.Kind.EVENT).filter(cooled_at__isnull=False):
        for rows in cooling.matching(file, "learner_id", [learner.bytes]):
            # What PostgreSQL holds overrules the file, whosever it is there: after a merge was undone, the months
            # archived meanwhile still say that it is the person who was kept.
            here = cooling.held(rows)
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
    sent = [key.bytes for key in statement_ids]
    return {
        # By statement, too: somebody's months may still name the person by a uuid that was merged into another.
        "archived_events": _without(
            ArchiveFile.Kind.EVENT, {"learner_id": [learner.bytes], "statement_id": sent}, now=now
        ),
        "archived_statements": _without(ArchiveFile.Kind.STATEMENT, {"id": sent}, now=now),
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


def forget_events(statement_ids: Collection[UUID], *, now: datetime) -> int:
    """How many archived events of these statements were taken out: they turned out to be nobody's we know."""
    if not statement_ids or not ArchiveFile.objects.exists():
        return 0
    lock()
    return _without(ArchiveFile.Kind.EVENT, {"statement_id": [key.bytes for key in statement_ids]}, now=now)


def _without(kind: ArchiveFile.Kind, unwanted: dict[str, list[bytes]], *, now: datetime) -> int:
    """How many rows were taken out of the files of this kind: those with one of a column's unwanted values."""
    import pyarrow as pa
    import pyarrow.compute as pc

    doomed = {column: pa.array(values, pa.binary(16)) for column, values in unwanted.items() if values}
    if not doomed:
        return 0

    def keep(table: Any) -> Any:
        for column, values in doomed.items():
            table = table.filter(pc.invert(pc.is_in(table.column(column), value_set=values)))
        return table

    gone = 0
    for file in _files(kind).select_for_update():
        if not _holds(file, doomed):
            continue
        before = file.rows
        kept = (keep(table) for table in files.batches(file))
        replace(kind, file.month, kept, before=file, source_hash=file.source_hash, now=now)
        gone += before - file.rows
    return gone


def _holds(file: ArchiveFile, doomed: dict[str, Any]) -> bool:
    """Whether any row has one of these values: reads a column, and skips groups that cannot have it."""
    import pyarrow.dataset as ds

    source = files.dataset(file)
    return any(
        source.count_rows(filter=ds.field(column).isin(values), use_threads=False)
        for column, values in doomed.items()
    )


def _files(kind: ArchiveFile.Kind) -> Any:
    return ArchiveFile.objects.filter(kind=kind, rows__gt=0).order_by("month")
