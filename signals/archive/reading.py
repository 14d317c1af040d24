"""Questions to the cold store, in DuckDB: files are decrypted in this process, column by column, and nothing else is.

The connection lives in memory, may neither spill nor write nor read any other file, and so leaves no clear text on a
disk. Features are those of `signals.features.definitions`, compiled to DuckDB's SQL.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from signals.archive import contents, files
from signals.archive.schemas import schema
from signals.features.bulk.compute import compute_here
from signals.models import ArchiveFile

_FAR = date(9999, 1, 1)


@contextmanager
def connect(*, months: Collection[date] | None = None, with_latest: bool = False) -> Iterator[Any]:
    """A DuckDB connection with the view `event` over the cold store (these months, else all).

    ``with_latest`` adds, from PostgreSQL, the months that are not archived yet, held in memory. Uuids are BLOBs of 16
    bytes, moments TIMESTAMPTZ. Raises files.ArchiveUnreadable.
    """
    import duckdb
    import pyarrow.dataset as ds

    parts = [files.dataset(file) for file in _event_files(months)]
    if with_latest:
        parts += [_latest(month) for month in _unarchived(months)]
    if not parts:
        parts = [ds.dataset(schema(ArchiveFile.Kind.EVENT).empty_table())]
    duck = duckdb.connect(config={"temp_directory": ""})
    try:
        duck.execute("SET TimeZone = 'UTC'")
        duck.execute("SET enable_external_access = false")
        duck.execute("SET lock_configuration = true")
        duck.register("event", ds.dataset(parts))
        yield duck
    finally:
        duck.close()


def features(duck: Any, enrolment_ids: Sequence[int], *, as_of: datetime) -> dict[int, dict[str, Any]]:
    """The features of these enrolments from the connection's events alone: {enrolment: {key: value}}.

    As of a moment in the past, what happened later is left out.
    """
    found = compute_here(duck, [(enrolment_id, as_of) for enrolment_id in enrolment_ids])
    return dict(zip(enrolment_ids, found, strict=True))


def _event_files(months: Collection[date] | None) -> list[ArchiveFile]:
    kept = ArchiveFile.objects.filter(kind=ArchiveFile.Kind.EVENT, rows__gt=0)
    return list(kept if months is None else kept.filter(month__in=months))


def _unarchived(months: Collection[date] | None) -> list[date]:
    archived = set(
        ArchiveFile.objects.filter(kind=ArchiveFile.Kind.EVENT).order_by().values_list("month", flat=True)
    )
    held = contents.months_held(ArchiveFile.Kind.EVENT, before=_FAR)
    return [month for month in held if month not in archived and (months is None or month in months)]


def _latest(month: date) -> Any:
    import pyarrow as pa
    import pyarrow.dataset as ds

    rows = list(contents.batches(ArchiveFile.Kind.EVENT, month))
    return ds.dataset(pa.Table.from_batches(rows, schema=schema(ArchiveFile.Kind.EVENT)))


__all__ = ["connect", "features"]
