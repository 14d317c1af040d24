"""What PostgreSQL holds of a month: its rows as Arrow batches, and one hash over all of them."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import psycopg
from django.db import connection

from signals.archive.schemas import EVENT_COLUMNS, schema
from signals.models import ArchiveFile
from signals.partitions import next_month
from signals.xapi import bodies

_AT_ONCE = 10_000
_UUIDS = {"statement_id", "learner_id"}


def span(month: date) -> tuple[datetime, datetime]:
    """The month's first moment and the first moment after it."""
    after = next_month(month)
    return datetime(month.year, month.month, 1, tzinfo=UTC), datetime(after.year, after.month, 1, tzinfo=UTC)


def months_held(kind: str, *, before: date) -> list[date]:
    """The months before this one of which PostgreSQL holds rows, oldest first."""
    table, moment = _PLACES[ArchiveFile.Kind(kind)]
    held = []
    with connection.cursor() as cursor:
        # One short look-up for each month there is: a walk over all rows would take minutes.
        cursor.execute(f"SELECT min({moment}) FROM {table}")
        first = cursor.fetchone()[0]
        while first is not None and (month := date(first.year, first.month, 1)) < before:
            held.append(month)
            cursor.execute(f"SELECT min({moment}) FROM {table} WHERE {moment} >= %s", [span(month)[1]])
            first = cursor.fetchone()[0]
    return held


def source_hash(kind: str, month: date) -> tuple[int, str]:
    """How many rows PostgreSQL holds of the month, and a hash of them that does not depend on their order.

    For statements over what identifies them: their text never changes, and its encryption may.
    """
    with connection.cursor() as cursor:
        cursor.execute(_HASHES[kind], span(month))
        rows, value = cursor.fetchone()
    return rows, f"{rows}:{value}"


def size(kind: str, month: date) -> int:
    """About how many bytes PostgreSQL uses for the month's rows; for events, which have a partition, with indexes."""
    with connection.cursor() as cursor:
        if kind == ArchiveFile.Kind.EVENT:
            cursor.execute(
                "SELECT coalesce(pg_total_relation_size(to_regclass(%s)), 0)",
                [f"signals_event_{month:%Y_%m}"],
            )
        else:
            cursor.execute(
                "SELECT coalesce(sum(pg_column_size(s.*)), 0) FROM signals_statement s"
                " WHERE stored >= %s AND stored < %s",
                span(month),
            )
        return int(cursor.fetchone()[0])


def batches(kind: str, month: date) -> Iterator[Any]:
    """The month's rows as Arrow record batches, in the order in which the file keeps them. One snapshot."""
    import pyarrow as pa

    shape = schema(kind)
    connection.ensure_connection()
    raw: psycopg.Connection[Any] = connection.connection
    with psycopg.ServerCursor(raw, "cold_store") as cursor:
        cursor.itersize = _AT_ONCE
        cursor.execute(_ROWS[kind], span(month), binary=True)
        while rows := cursor.fetchmany(_AT_ONCE):
            columns: list[Any] = list(zip(*rows, strict=True))
            if kind == ArchiveFile.Kind.STATEMENT:
                *columns, stored = columns
                told = [bodies.unseal(body) for body in stored]
                columns += [[body.major for body in told], [body.raw for body in told]]
            yield pa.record_batch(
                [pa.array(column, field.type) for column, field in zip(columns, shape, strict=True)],
                schema=shape,
            )


_PLACES = {
    ArchiveFile.Kind.EVENT: ("signals_event", "occurred_at"),
    ArchiveFile.Kind.STATEMENT: ("signals_statement", "stored"),
}
_EVENT_VALUES = ", ".join(f"uuid_send(e.{name})" if name in _UUIDS else f"e.{name}" for name in EVENT_COLUMNS)
_HASHED = ", ".join(f"e.{name}" for name in EVENT_COLUMNS)
_HASHES: dict[str, str] = {
    ArchiveFile.Kind.EVENT: (
        f"SELECT count(*), coalesce(sum(hash_record_extended(ROW({_HASHED}), 0)::numeric), 0)"
        " FROM signals_event e WHERE occurred_at >= %s AND occurred_at < %s"
    ),
    ArchiveFile.Kind.STATEMENT: (
        "SELECT count(*), coalesce(sum(hash_record_extended(ROW(id, stored), 0)::numeric), 0)"
        " FROM signals_statement WHERE stored >= %s AND stored < %s"
    ),
}
_ROWS: dict[str, str] = {
    # By person: their rows lie together, which packs well and finds a person without reading the month.
    ArchiveFile.Kind.EVENT: (
        f"SELECT {_EVENT_VALUES}, r.statement_id IS NOT NULL, coalesce(r.is_item, false)"
        " FROM signals_event e LEFT JOIN signals_assessmentresult r ON r.statement_id = e.statement_id"
        " WHERE e.occurred_at >= %s AND e.occurred_at < %s"
        " ORDER BY e.learner_id, e.occurred_at, e.statement_id"
    ),
    ArchiveFile.Kind.STATEMENT: (
        "SELECT uuid_send(id), stored, uuid_send(credential_id), verb, actor, digest, uuid_send(voids), voided_at,"
        " parked, body FROM signals_statement WHERE stored >= %s AND stored < %s ORDER BY stored, id"
    ),
}
