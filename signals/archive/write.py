"""Months into the cold store: written, read back, entered in the manifest. Run twice, it finds nothing to do."""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any, NamedTuple

from django.db import connection, transaction

from consent import audit
from consent.actors import SYSTEM
from signals.archive import contents, files
from signals.archive.schemas import ID, VERSION
from signals.models import ArchiveFile
from signals.partitions import month_of

# One writer of the cold store at a time: archiving, erasing, cooling and expiry would undo one another's files.
WRITING = 0x52454B41


class Month(NamedTuple):
    """A month that is to be written, and why."""

    kind: ArchiveFile.Kind
    month: date
    rows: int  # in PostgreSQL now
    source_hash: str
    is_late: bool  # it was archived before and has changed since


class Archived(NamedTuple):
    """What a run wrote."""

    files: list[ArchiveFile]

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


def due(*, now: datetime, before: date | None = None) -> list[Month]:
    """The whole months (before this one, or before `before`) that are not in the cold store as they are now."""
    end = min(before or month_of(now), month_of(now))
    kept = {(file.kind, file.month): file for file in ArchiveFile.objects.all()}
    found = []
    for kind in ArchiveFile.Kind:
        for month in contents.months_held(kind, before=end):
            rows, value = contents.source_hash(kind, month)
            file = kept.get((kind, month))
            if file is None or file.source_hash != value or file.schema_version != VERSION:
                found.append(Month(kind, month, rows, value, file is not None))
    return found


def archive(
    *,
    now: datetime,
    before: date | None = None,
    progress: Callable[[int], Any] = lambda rows: None,
) -> Archived:
    """What was written. A transaction for each file; what was interrupted is swept away and written next time."""
    written = []
    files.claim()
    for month in due(now=now, before=before):
        file = write(month.kind, month.month, now=now)
        if file is not None:
            written.append(file)
        progress(month.rows)
    with transaction.atomic():
        lock()
        files.sweep()
    return Archived(written)


def write(kind: ArchiveFile.Kind, month: date, *, now: datetime) -> ArchiveFile | None:
    """The manifest's row of the month, written from what PostgreSQL holds (and, once cold, from the file before).

    None where another run has written it meanwhile.
    """
    with transaction.atomic():
        lock()
        before = ArchiveFile.objects.select_for_update().filter(kind=kind, month=month).first()
        # First the hash, then the rows: what comes between them makes the hash old, and the month due again.
        value = contents.source_hash(kind, month)[1]
        if before is not None and (before.source_hash, before.schema_version) == (value, VERSION):
            return None
        rows: Iterator[Any] = contents.batches(kind, month)
        if before is not None and before.is_cold and kind == ArchiveFile.Kind.EVENT:
            rows = _merged(before, rows)
        return replace(kind, month, rows, before=before, source_hash=value, now=now)


def replace(
    kind: ArchiveFile.Kind,
    month: date,
    rows: Iterator[Any],
    *,
    before: ArchiveFile | None,
    source_hash: str,
    now: datetime,
) -> ArchiveFile:
    """Writes the month's next file and gives it the manifest's row; the file before goes when this has committed.

    In the caller's transaction, which holds the lock. Raises files.ArchiveUnreadable where it does not read back.
    """
    written = files.write(kind, month, rows)
    files.check(written, kind)
    file = before or ArchiveFile(kind=kind, month=month)
    if before is not None:
        files.remove(before.name)
    file.name, file.rows, file.bytes, file.sha256 = written.name, written.rows, written.size, written.sha256
    file.first_at, file.last_at = written.first_at, written.last_at
    file.schema_version, file.source_hash = VERSION, source_hash
    file.sealed_key = files.sealed(written.key)
    file.archived_at = file.verified_at = now
    file.save()
    audit.record(
        actor=SYSTEM,
        action="archive.written",
        target=SYSTEM,
        now=now,
        detail={"file": file.name, "rows": file.rows, "bytes": file.bytes},
    )
    return file


def lock() -> None:
    """Makes this transaction the only writer of the cold store."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [WRITING])


def _merged(before: ArchiveFile, added: Iterator[Any]) -> Iterator[Any]:
    """The file's rows, except those PostgreSQL has again, and then PostgreSQL's. What came later is few."""
    import pyarrow as pa
    import pyarrow.compute as pc

    later = list(added)
    name = ID[ArchiveFile.Kind(before.kind)]
    again = pa.chunked_array([batch.column(name) for batch in later], type=pa.binary(16))
    for table in files.batches(before):
        yield table.filter(pc.invert(pc.is_in(table.column(name), value_set=again)))
    yield from later
