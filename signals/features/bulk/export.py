"""Events out of PostgreSQL and the cold store into DuckDB, as streams: memory for a few thousand rows at a time."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from django.db import connection

from signals.archive import files
from signals.models import ArchiveFile
from signals.partitions import next_month

if TYPE_CHECKING:
    import numpy as np

# What stands for "not known" while rows travel: a row without gaps has one length, so that many are read at once.
_NO_INT = -(2**31)
_NO_BIGINT = -(2**63)
_NO_FLOAT = "NaN"
_MICROSECONDS_TO_2000 = 946_684_800_000_000  # PostgreSQL counts from 2000
_ROWS_AT_ONCE = 122_880  # one of DuckDB's own groups

# Name, how PostgreSQL says it, numpy's type for its binary form, and what stands for null.
_COLUMNS: tuple[tuple[str, str, str, object], ...] = (
    ("enrolment_id", "v.enrolment_id", ">i8", None),
    ("moment", "v.occurred_at", ">i8", None),
    ("known_at", "v.known_at", ">i8", None),
    ("id_high", "v.statement_id", ">u8", None),  # its 16 bytes are two of numpy's numbers
    ("verb", "v.verb", ">i2", None),
    ("activity", "v.activity", ">i8", None),
    ("activity_type", f"coalesce(v.activity_type, {_NO_BIGINT})", ">i8", _NO_BIGINT),
    ("amount", "v.amount", ">i4", None),
    ("scaled", f"coalesce(v.scaled, '{_NO_FLOAT}')", ">f8", _NO_FLOAT),
    ("success", "coalesce(v.success::int, -1)::smallint", ">i2", -1),
    ("duration_s", f"coalesce(v.duration_s, {_NO_INT})", ">i4", _NO_INT),
    ("progress", f"coalesce(v.progress, '{_NO_FLOAT}')", ">f8", _NO_FLOAT),
    ("session", f"coalesce(v.session, {_NO_BIGINT})", ">i8", _NO_BIGINT),
    ("background_s", f"coalesce(v.background_s, {_NO_INT})", ">i4", _NO_INT),
    ("voided", "(v.voided_seq IS NOT NULL)::int::smallint", ">i2", None),
)
_EXPORTED = """
CREATE OR REPLACE TABLE exported (
    enrolment_id BIGINT, moment BIGINT, known_at BIGINT, id_high UBIGINT, id_low UBIGINT, verb SMALLINT,
    activity BIGINT, activity_type BIGINT, amount INTEGER, scaled DOUBLE, success BOOLEAN, duration_s INTEGER,
    progress DOUBLE, session BIGINT, background_s INTEGER, is_result BOOLEAN, is_item BOOLEAN, is_voided BOOLEAN,
    voided_at BIGINT
)
"""
_FROM_POSTGRES = """
INSERT INTO exported
SELECT enrolment_id, moment, known_at, id_high, id_low, verb, activity, nullif(activity_type, {no_bigint}), amount,
       CASE WHEN isnan(scaled) THEN NULL ELSE scaled END, CASE success WHEN -1 THEN NULL ELSE success = 1 END,
       nullif(duration_s, {no_int}), CASE WHEN isnan(progress) THEN NULL ELSE progress END,
       nullif(session, {no_bigint}), nullif(background_s, {no_int}), r.is_item IS NOT NULL, coalesce(r.is_item, false),
       voided = 1, NULL
FROM given LEFT JOIN judged r USING (id_high, id_low)
""".format(no_bigint=f"({_NO_BIGINT + 1} - 1)", no_int=_NO_INT)
_FROM_COLD = """
INSERT INTO exported
SELECT c.enrolment_id, epoch_us(c.occurred_at), epoch_us(c.known_at),
       ('0x' || hex(c.statement_id)[1:16])::UBIGINT, ('0x' || hex(c.statement_id)[17:32])::UBIGINT, c.verb, c.activity,
       c.activity_type, c.amount, c.scaled, c.success, c.duration_s, c.progress, c.session, c.background_s,
       c.is_result, c.is_item, c.voided_seq IS NOT NULL, NULL
FROM {source} c
SEMI JOIN wanted w ON w.enrolment_id = c.enrolment_id
WHERE c.occurred_at <= $1::TIMESTAMPTZ {besides}
"""


def export_events(duck: Any, enrolment_ids: Sequence[int], *, until: datetime) -> int:
    """How many events of these enrolments, up to a moment, the table `exported` of the connection now has.

    Moments are microseconds since 1970. Raises files.ArchiveUnreadable.
    """
    duck.execute(_EXPORTED)
    put(duck, "wanted", {"enrolment_id": ("int64", list(enrolment_ids))})
    _from_postgres(duck, enrolment_ids, until)
    cooled = ArchiveFile.objects.filter(
        kind=ArchiveFile.Kind.EVENT, cooled_at__isnull=False, rows__gt=0, month__lte=until.date()
    )
    for file in cooled:
        _from_file(duck, file, until)
    _date_voidings(duck)
    [(count,)] = duck.execute("SELECT count(*) FROM exported").fetchall()
    return int(count)


def take_events(duck: Any, enrolment_ids: Sequence[int], *, until: datetime) -> None:
    """The same from the connection's view `event`, which has the columns of the cold store."""
    duck.execute(_EXPORTED)
    put(duck, "wanted", {"enrolment_id": ("int64", list(enrolment_ids))})
    duck.execute(_FROM_COLD.format(source="event", besides=""), [until])
    _date_voidings(duck)


def put(duck: Any, name: str, columns: dict[str, tuple[str, list[Any]]]) -> None:
    """Makes a table of the connection from {column: (Arrow type, values)}."""
    import pyarrow as pa

    given = pa.table({key: pa.array(values, kind) for key, (kind, values) in columns.items()})
    duck.register("given", given)
    duck.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM given")
    duck.unregister("given")


def _from_postgres(duck: Any, enrolment_ids: Sequence[int], until: datetime) -> None:
    import pyarrow as pa

    _put_judged(duck, enrolment_ids)
    for rows in _copied(enrolment_ids, until):
        columns: dict[str, Any] = {}
        for name, _, _, _ in _COLUMNS:
            native = rows[name].dtype.newbyteorder("=")
            columns[name] = rows[name].astype(native)
        columns["id_low"] = rows["id_low"].astype("u8")
        columns["moment"] += _MICROSECONDS_TO_2000
        columns["known_at"] += _MICROSECONDS_TO_2000
        duck.register("given", pa.table({name: pa.array(values) for name, values in columns.items()}))
        duck.execute(_FROM_POSTGRES)
        duck.unregister("given")


def _put_judged(duck: Any, enrolment_ids: Sequence[int]) -> None:
    """Makes the table `judged`: which of these enrolments' statements are results, and which single answers."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT uuid_send(statement_id), is_item FROM signals_assessmentresult"
            " WHERE enrolment_id = ANY(%s::bigint[])",
            [list(enrolment_ids)],
        )
        rows = [(bytes(key), is_item) for key, is_item in cursor.fetchall()]
    put(
        duck,
        "judged",
        {
            "id_high": ("uint64", [int.from_bytes(key[:8], "big") for key, _ in rows]),
            "id_low": ("uint64", [int.from_bytes(key[8:], "big") for key, _ in rows]),
            "is_item": ("bool", [is_item for _, is_item in rows]),
        },
    )


def _copied(enrolment_ids: Sequence[int], until: datetime) -> Iterator["np.ndarray[Any, Any]"]:
    """The events as arrays of rows, in PostgreSQL's own binary form."""
    import numpy as np

    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name, _, kind, _ in _COLUMNS:
        fields += [(f"{name}_length", ">i4"), (name, kind)]
        if name == "id_high":
            fields.append(("id_low", ">u8"))
    row = np.dtype(fields)
    selected = ", ".join(sql for _, sql, _, _ in _COLUMNS)
    connection.ensure_connection()
    raw: psycopg.Connection[Any] = connection.connection
    with (
        raw.cursor() as cursor,
        cursor.copy(
            # An array written out is looked up by hash; joined, the planner would hash the events instead.
            f"COPY (SELECT {selected} FROM signals_event v"
            " WHERE v.enrolment_id = ANY(%s::bigint[]) AND v.occurred_at <= %s) TO STDOUT (FORMAT BINARY)",
            [list(enrolment_ids), until],
        ) as stream,
    ):
        waiting = bytearray()
        is_header = True
        for block in stream:
            waiting += block
            if is_header and len(waiting) >= 19:
                del waiting[:19]
                is_header = False
            if len(waiting) >= _ROWS_AT_ONCE * row.itemsize:
                whole = len(waiting) // row.itemsize
                yield np.frombuffer(bytes(waiting[: whole * row.itemsize]), row)
                del waiting[: whole * row.itemsize]
        whole = len(waiting) // row.itemsize
        yield np.frombuffer(bytes(waiting[: whole * row.itemsize]), row)


def _from_file(duck: Any, file: ArchiveFile, until: datetime) -> None:
    """Adds what only the cold store has of a month: where PostgreSQL has a statement's event too, its own is newer."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT uuid_send(statement_id) FROM signals_event WHERE occurred_at >= %s AND occurred_at < %s",
            [datetime(day.year, day.month, 1, tzinfo=UTC) for day in (file.month, next_month(file.month))],
        )
        here = [bytes(key) for (key,) in cursor.fetchall()]
    put(duck, "here", {"statement_id": ("binary", here)})
    with files.reading(file.name):
        duck.register("cold", files.dataset(file))
        duck.execute(
            _FROM_COLD.format(source="cold", besides="AND c.statement_id NOT IN (FROM here)"), [until]
        )
        duck.unregister("cold")


def _date_voidings(duck: Any) -> None:
    """Notes when voided events were taken back. What is void since nobody knows when counts at no time."""
    voided = duck.execute("SELECT id_high, id_low FROM exported WHERE is_voided").fetchall()
    if not voided:
        return
    keys = [f"{high:016x}{low:016x}" for high, low in voided]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT replace(id::text, '-', ''), (extract(epoch FROM voided_at) * 1000000)::bigint"
            " FROM signals_statement WHERE id = ANY(%s::uuid[]) AND voided_at IS NOT NULL",
            [keys],
        )
        dated = cursor.fetchall()
    put(
        duck,
        "voiding",
        {
            "id_high": ("uint64", [int(key[:16], 16) for key, _ in dated]),
            "id_low": ("uint64", [int(key[16:], 16) for key, _ in dated]),
            "voided_at": ("int64", [at for _, at in dated]),
        },
    )
    duck.execute(
        "UPDATE exported SET voided_at = v.voided_at FROM voiding v"
        " WHERE exported.id_high = v.id_high AND exported.id_low = v.id_low AND exported.is_voided"
    )
    duck.execute("DELETE FROM exported WHERE is_voided AND voided_at IS NULL")
