"""Raw statement bodies that live in the cold store: a short note takes their place in PostgreSQL.

The note says when the statement was stored and its id, which leads to the row group that holds it. Everybody who
reads a body (`signals.xapi.bodies.unseal`) finds the same bytes as before, only later.
"""

import struct
import threading
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from signals.archive import contents, files
from signals.models import ArchiveFile
from signals.xapi.bodies import IN_COLD_STORE as NOTE

_note = struct.Struct("!cq16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CACHED_GROUPS = 16  # 2,000 bodies each
_OPEN_FILES = 4  # reading where a file's parts lie takes longer than reading one part

Found = tuple[int, bytes]  # major version of xAPI, and the bytes as sent


class _Open:
    """A file that stays open, and when the statements of each of its row groups were stored."""

    def __init__(self, file: ArchiveFile) -> None:
        self.parquet = files.keep_open(file)
        column = self.parquet.schema_arrow.get_field_index("stored")
        groups = (
            self.parquet.metadata.row_group(number).column(column).statistics
            for number in range(self.parquet.num_row_groups)
        )
        self.spans = [(group.min, group.max) for group in groups]


class _Reader:
    """The files and row groups read last. Clear text is in this process's memory only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[str, _Open] = OrderedDict()
        self._groups: OrderedDict[tuple[str, int], dict[bytes, Found]] = OrderedDict()

    def find(self, file: ArchiveFile, stored: datetime, key: bytes) -> Found | None:
        """The statement, if the file holds it. Raises files.ArchiveUnreadable."""
        with self._lock, files.reading(file.name):
            open_file = self._open(file)
            for number, (first, last) in enumerate(open_file.spans):
                if first <= stored <= last:
                    found = self._group(file.name, open_file, number).get(key)
                    if found is not None:
                        return found
        return None

    def _open(self, file: ArchiveFile) -> _Open:
        if file.name not in self._files:
            self._files[file.name] = _Open(file)
            while len(self._files) > _OPEN_FILES:
                self._files.popitem(last=False)[1].parquet.close()
        self._files.move_to_end(file.name)
        return self._files[file.name]

    def _group(self, name: str, open_file: _Open, number: int) -> dict[bytes, Found]:
        where = (name, number)
        if where not in self._groups:
            table = open_file.parquet.read_row_group(
                number, columns=["id", "major", "raw"], use_threads=False
            )
            ids, majors, raws = (column.to_pylist() for column in table.columns)
            self._groups[where] = dict(zip(ids, zip(majors, raws, strict=True), strict=True))
            while len(self._groups) > _CACHED_GROUPS:
                self._groups.popitem(last=False)
        self._groups.move_to_end(where)
        return self._groups[where]


_reader = _Reader()


def read(note: bytes) -> Found:
    """Major version of xAPI and bytes of the statement that this note stands for. Raises files.ArchiveUnreadable."""
    _, micros, key = _note.unpack(note)
    stored = _EPOCH + timedelta(microseconds=micros)
    month = date(stored.year, stored.month, 1)
    # Asked each time: a file that was written again has another name and another key.
    file = ArchiveFile.objects.filter(kind=ArchiveFile.Kind.STATEMENT, month=month).first()
    found = _reader.find(file, stored, key) if file is not None else None
    if found is None:
        raise files.ArchiveUnreadable(
            f"The cold store does not hold statement {UUID(bytes=key)} of {month:%Y-%m}; restore its file."
        )
    return found


def release(month: date, *, now: datetime) -> int:
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
        file.cooled_at = file.cooled_at or now
        file.save(update_fields=["cooled_at"])
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
