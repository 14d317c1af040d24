"""Raw statement bodies that live in the cold store: a short note takes their place in PostgreSQL.

The note says when the statement was stored and its id, which leads to the row group that holds it. Everybody who
reads a body (`signals.xapi.bodies.unseal`) finds the same bytes as before, only later.
"""

import struct
import threading
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from signals.archive import contents, files
from signals.models import ArchiveFile
from signals.xapi.bodies import IN_COLD_STORE as NOTE

_note = struct.Struct("!cq16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CACHED_GROUPS = 16  # 2,000 bodies each


class _Groups:
    """The row groups read last, decrypted, by file and number. Kept in memory only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: OrderedDict[tuple[str, int], dict[bytes, tuple[int, bytes]]] = OrderedDict()
        self._spans: OrderedDict[str, list[tuple[datetime, datetime]]] = OrderedDict()

    def find(self, file: ArchiveFile, stored: datetime, key: bytes) -> tuple[int, bytes] | None:
        """Major version and bytes of the statement, if the file holds it."""
        with self._lock:
            for group, (first, last) in enumerate(self._spans_of(file)):
                if first <= stored <= last and (found := self._group(file, group).get(key)) is not None:
                    return found
        return None

    def _spans_of(self, file: ArchiveFile) -> list[tuple[datetime, datetime]]:
        if file.name not in self._spans:
            with files.opened(file) as parquet:
                column = parquet.schema_arrow.get_field_index("stored")
                statistics = [
                    parquet.metadata.row_group(group).column(column).statistics
                    for group in range(parquet.num_row_groups)
                ]
                self._spans[file.name] = [(each.min, each.max) for each in statistics]
            _shorten(self._spans, _CACHED_GROUPS)
        return self._spans[file.name]

    def _group(self, file: ArchiveFile, group: int) -> dict[bytes, tuple[int, bytes]]:
        where = (file.name, group)
        if where not in self._groups:
            with files.opened(file) as parquet:
                table = parquet.read_row_group(group, columns=["id", "major", "raw"], use_threads=False)
            ids, majors, raws = (column.to_pylist() for column in table.columns)
            self._groups[where] = dict(zip(ids, zip(majors, raws, strict=True), strict=True))
            _shorten(self._groups, _CACHED_GROUPS)
        self._groups.move_to_end(where)
        return self._groups[where]


def _shorten(cache: "OrderedDict[Any, Any]", size: int) -> None:
    while len(cache) > size:
        cache.popitem(last=False)


_groups = _Groups()


def read(note: bytes) -> tuple[int, bytes]:
    """Major version of xAPI and bytes of the statement that this note stands for. Raises files.ArchiveUnreadable."""
    _, micros, key = _note.unpack(note)
    stored = _EPOCH + timedelta(microseconds=micros)
    month = date(stored.year, stored.month, 1)
    # Asked each time: a file that was written again has another name and another key.
    file = ArchiveFile.objects.filter(kind=ArchiveFile.Kind.STATEMENT, month=month).first()
    found = _groups.find(file, stored, key) if file is not None else None
    if found is None:
        raise files.ArchiveUnreadable(
            f"The cold store does not hold statement {UUID(bytes=key)} of {month:%Y-%m}; restore its file."
        )
    return found


def release(month: date) -> int:
    """How many bodies of a verified month were replaced by notes. Only those that the file really holds."""
    with transaction.atomic():
        file = ArchiveFile.objects.select_for_update().get(kind=ArchiveFile.Kind.STATEMENT, month=month)
        if file.verified_at is None:
            raise files.ArchiveUnreadable(f"{file.name} was never read back.")
        files.check_kept(file)
        released = 0
        with connection.cursor() as cursor:
            # The same body in another place, as a rotation is the same body under another key.
            cursor.execute("SET LOCAL rekindle.rotating = 'on'")
            for ids in _ids(file):
                cursor.execute(
                    "UPDATE signals_statement SET body = %s::bytea"
                    " || int8send((extract(epoch FROM stored) * 1000000)::bigint) || uuid_send(id)"
                    " WHERE id = ANY(%s) AND get_byte(body, 0) <> get_byte(%s::bytea, 0)",
                    [NOTE, ids, NOTE],
                )
                released += cursor.rowcount
            cursor.execute("SET LOCAL rekindle.rotating = 'off'")
    return released


def held(month: date) -> int:
    """How many bodies of the month PostgreSQL still holds itself."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM signals_statement WHERE stored >= %s AND stored < %s"
            " AND get_byte(body, 0) <> get_byte(%s::bytea, 0)",
            [*contents.span(month), NOTE],
        )
        return int(cursor.fetchone()[0])


def _ids(file: ArchiveFile) -> Iterator[list[UUID]]:
    with files.opened(file) as parquet:
        for group in range(parquet.num_row_groups):
            found = parquet.read_row_group(group, columns=["id"], use_threads=False).column(0)
            yield [UUID(bytes=key) for key in found.to_pylist()]
