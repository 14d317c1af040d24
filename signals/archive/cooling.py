"""Months that only the cold store still holds: their events leave PostgreSQL, and come back where they are needed.

A cold month keeps its completions in PostgreSQL (few, and the plan of every course is measured by them). What comes
late is stored beside them; wherever a day of a cold month is computed again, that day's events come back first.
Archiving the month again merges both, PostgreSQL's row being the newer.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from consent.arrays import bools, fetch, float8s, int2s, int4s, int8s, moments, uuids
from consent.registry import KeptElsewhereFault
from signals.archive import contents, files
from signals.archive.schemas import EVENT_COLUMNS
from signals.archive.write import lock
from signals.features.rollup import COMPLETING
from signals.models import ArchiveFile
from signals.partitions import TABLE, patience

_AT_ONCE = 10_000  # rows as Python values at a time
_COLUMNS = ", ".join(EVENT_COLUMNS)


class StillChanging(KeptElsewhereFault):
    """The month has changed since it was archived; archive it again first."""


def cool(month: date, *, now: datetime) -> int:
    """How many events left PostgreSQL. All or nothing; raises StillChanging or files.ArchiveUnreadable."""
    partition = f"{TABLE}_{month:%Y_%m}"
    with transaction.atomic(), patience(), connection.cursor() as cursor:
        lock()
        file = ArchiveFile.objects.select_for_update().get(kind=ArchiveFile.Kind.EVENT, month=month)
        files.check_kept(file)
        # Nobody adds to the month from here on; other months go on.
        cursor.execute(f"LOCK TABLE {partition} IN ACCESS EXCLUSIVE MODE")
        rows, value = contents.source_hash(ArchiveFile.Kind.EVENT, month)
        if file.source_hash != value or file.verified_at is None:
            raise StillChanging(f"{month:%Y-%m} has changed since it was archived; archive it again first.")
        cursor.execute(
            f"CREATE TEMP TABLE completions ON COMMIT DROP AS SELECT * FROM {partition} v"
            " WHERE v.enrolment_id IS NOT NULL AND v.voided_seq IS NULL AND v.verb = ANY(%s)",
            [[int(verb) for verb in COMPLETING]],
        )
        # The whole month at once, whatever its size: its files are handed back to the disk.
        cursor.execute(f"TRUNCATE {partition}")
        cursor.execute(f"INSERT INTO {partition} ({_COLUMNS}) SELECT {_COLUMNS} FROM completions")
        kept = cursor.rowcount
        cursor.execute("DROP TABLE completions")
        file.cooled_at = file.cooled_at or now
        file.source_hash = contents.source_hash(ArchiveFile.Kind.EVENT, month)[1]
        file.save(update_fields=["cooled_at", "source_hash"])
    return rows - kept


def leaving(month: date) -> int:
    """How many of the events that PostgreSQL holds of the month cooling would take away."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM {TABLE} v WHERE occurred_at >= %s AND occurred_at < %s AND NOT"
            " (v.enrolment_id IS NOT NULL AND v.voided_seq IS NULL AND v.verb = ANY(%s))",
            [*contents.span(month), [int(verb) for verb in COMPLETING]],
        )
        return int(cursor.fetchone()[0])


# No index forbids an event to be there twice. It is the lock on the enrolment's mark, which every caller holds, that
# keeps two from bringing it back at once; for events outside any enrolment, the lock on the statement.


def thaw_days(pairs: Iterable[tuple[int, date]]) -> list[tuple[datetime, UUID]]:
    """Brings back the events of these (enrolment, UTC day) pairs; the keys of those that were not there."""
    wanted: dict[date, dict[int, set[date]]] = {}
    for enrolment, day in pairs:
        wanted.setdefault(day.replace(day=1), {}).setdefault(enrolment, set()).add(day)
    if not wanted:
        return []
    back: list[tuple[datetime, UUID]] = []
    for file in _cold(wanted):
        days = wanted[file.month]
        for rows in matching(file, "enrolment_id", days):
            back += _insert(
                [
                    row
                    for row in rows
                    if row["occurred_at"].astimezone(UTC).date() in days[row["enrolment_id"]]
                ]
            )
    return back


def thaw_events(keys: Iterable[tuple[datetime, UUID]]) -> list[tuple[datetime, UUID]]:
    """Brings back the events of these statements; the keys of those that were not there."""
    wanted: dict[date, set[bytes]] = {}
    for at, statement in keys:
        at = at.astimezone(UTC)
        wanted.setdefault(date(at.year, at.month, 1), set()).add(statement.bytes)
    back: list[tuple[datetime, UUID]] = []
    for file in _cold(wanted) if wanted else ():
        for rows in matching(file, "statement_id", wanted[file.month]):
            back += _insert(rows)
    return back


def thaw_people(learners: Iterable[UUID]) -> int:
    """How many events of these people came back, to stay: what is changed about them then overrules their months."""
    wanted = [learner.bytes for learner in learners]
    return sum(
        len(_insert(rows))
        for file in ArchiveFile.objects.filter(kind=ArchiveFile.Kind.EVENT, cooled_at__isnull=False)
        for rows in matching(file, "learner_id", wanted)
    )


@contextmanager
def thawed(pairs: Iterable[tuple[int, date]]) -> Iterator[None]:
    """The events of these days are there meanwhile; afterwards those that came back are gone again."""
    back = thaw_days(pairs)
    yield
    _freeze(back)


def _freeze(keys: Sequence[tuple[datetime, UUID]]) -> None:
    """Takes events that had come back away again."""
    if keys:
        fetch(
            f"DELETE FROM {TABLE} v USING unnest($1::timestamptz[], $2::uuid[]) n(at, id)"
            " WHERE v.occurred_at = n.at AND v.statement_id = n.id RETURNING 1",
            [moments([at for at, _ in keys]), uuids([key for _, key in keys])],
        )


def stored_in_cold(keys: Collection[tuple[datetime, UUID]]) -> dict[UUID, dict[str, Any]]:
    """The archived events of these statements, as the cold store has them: {statement: {column: value}}."""
    wanted: dict[date, set[bytes]] = {}
    for at, statement in keys:
        at = at.astimezone(UTC)
        wanted.setdefault(date(at.year, at.month, 1), set()).add(statement.bytes)
    return {
        UUID(bytes=row["statement_id"]): row
        for file in (_cold(wanted) if wanted else ())
        for rows in matching(file, "statement_id", wanted[file.month])
        for row in rows
    }


def _cold(months: Collection[date]) -> list[ArchiveFile]:
    return list(
        ArchiveFile.objects.filter(
            kind=ArchiveFile.Kind.EVENT, month__in=list(months), cooled_at__isnull=False
        )
    )


def matching(file: ArchiveFile, column: str, values: Collection[Any]) -> Iterator[list[dict[str, Any]]]:
    """The file's rows with one of these values, a batch at a time."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    source = files.dataset(file)
    kind = source.schema.field(column).type
    wanted = ds.field(column).isin(pa.array(list(values), kind))
    with files.reading(file.name):
        for batch in source.to_batches(filter=wanted, batch_size=_AT_ONCE, use_threads=False):
            if batch.num_rows:
                yield batch.to_pylist()


# Column, its type in PostgreSQL, and how its values are packed.
_PACKERS: dict[str, tuple[str, Callable[[Sequence[Any]], Any]]] = {
    "statement_id": ("uuid", uuids),
    "learner_id": ("uuid", uuids),
    "enrolment_id": ("bigint", int8s),
    "occurred_at": ("timestamptz", moments),
    "known_at": ("timestamptz", moments),
    "known_seq": ("bigint", int8s),
    "verb": ("smallint", int2s),
    "activity": ("bigint", int8s),
    "activity_type": ("bigint", int8s),
    "amount": ("integer", int4s),
    "scaled": ("float8", float8s),
    "success": ("boolean", bools),
    "duration_s": ("integer", int4s),
    "progress": ("float8", float8s),
    "voided_seq": ("bigint", int8s),
    "value": ("float8", float8s),
    "session": ("bigint", int8s),
    "background_s": ("integer", int4s),
    "device": ("smallint", int2s),
    "network": ("smallint", int2s),
}
_ARRAYS = ", ".join(f"${number}::{kind}[]" for number, (kind, _) in enumerate(_PACKERS.values(), 1))
_BACK = (
    f"INSERT INTO {TABLE} ({', '.join(_PACKERS)}) SELECT * FROM unnest({_ARRAYS}) AS t({', '.join(_PACKERS)})"
    f" WHERE NOT EXISTS (SELECT FROM {TABLE} v"
    "   WHERE v.occurred_at = t.occurred_at AND v.statement_id = t.statement_id)"
    " RETURNING occurred_at, statement_id"
)


def held(rows: Sequence[dict[str, Any]]) -> set[UUID]:
    """Those of a file's rows, by statement, that PostgreSQL holds too."""
    found = fetch(
        f"SELECT v.statement_id FROM {TABLE} v JOIN unnest($1::timestamptz[], $2::uuid[]) n(at, id)"
        " ON v.occurred_at = n.at AND v.statement_id = n.id",
        [
            moments([row["occurred_at"] for row in rows]),
            uuids([UUID(bytes=row["statement_id"]) for row in rows]),
        ],
    )
    return {statement_id for (statement_id,) in found}


def _insert(rows: Sequence[dict[str, Any]]) -> list[tuple[datetime, UUID]]:
    """The keys of those of the rows that PostgreSQL did not have."""
    if not rows:
        return []
    columns = []
    for name, (kind, pack) in _PACKERS.items():
        values = [row[name] for row in rows]
        columns.append(pack([UUID(bytes=value) for value in values] if kind == "uuid" else values))
    return [(at, key) for at, key in fetch(_BACK, columns)]
