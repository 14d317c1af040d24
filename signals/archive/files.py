"""Encrypted Parquet files: written whole or not at all, read back before anybody trusts them, decrypted in memory only.

Parquet's own encryption (modular encryption, AES-256-GCM, footer and all columns under one key). Each file has its
own random key, which the manifest keeps encrypted with the key ring. Every part is bound to the file's name, so files
cannot be exchanged for one another.
"""

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction

from consent.crypto import decrypt, encrypt
from consent.registry import KeptElsewhereFault
from signals.archive.schemas import GROUP_ROWS, MOMENT, encodings, schema
from signals.models import ArchiveFile

KEY_BYTES = 32
SUFFIX = ".parquet"
OWNER = "owner"  # which database the directory belongs to
PARTIAL = ".partial"
_CHUNK = 1 << 20


class ArchiveUnreadable(KeptElsewhereFault):
    """A file of the cold store is missing, altered, or not what the manifest says."""


class ArchiveUnwritable(KeptElsewhereFault):
    """A file of the cold store could not be written: the disk is full, say. Everything is as it was before."""


class Written(NamedTuple):
    """A file that has reached the disk, and what was put into it."""

    name: str
    key: bytes
    rows: int
    size: int
    sha256: bytes
    first_at: datetime | None
    last_at: datetime | None
    digest: int  # order-independent, over all values


def directory() -> Path:
    """Where the files are."""
    return Path(settings.ARCHIVE_DIR)


def path_of(name: str) -> Path:
    return directory() / name


def write(kind: str, month: date, batches: Iterable[Any]) -> Written:
    """Writes Arrow record batches to a new file: a temporary one, flushed, then renamed. Memory: a few batches.

    Raises ArchiveUnwritable.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Never the name of an earlier file of the month: that one is in use until the manifest says otherwise.
    name = f"{kind}/{month:%Y-%m}.{secrets.token_hex(4)}{SUFFIX}"
    key = secrets.token_bytes(KEY_BYTES)
    target = path_of(name)
    partial = target.with_name(target.name + PARTIAL)
    digest = _Digest(kind)
    with _writing(name):
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with _writing(name), partial.open("xb") as out:
            os.fchmod(out.fileno(), 0o600)
            with pq.ParquetWriter(
                out,
                schema(kind),
                compression="zstd",
                encryption_properties=_encryption(name, key),
                **encodings(kind),
            ) as writer:
                for table in _in_groups(batches, GROUP_ROWS[ArchiveFile.Kind(kind)], pa):
                    writer.write_table(table, row_group_size=len(table))
                    digest.add(table)
            out.flush()
            os.fsync(out.fileno())
        with _writing(name):
            partial.rename(target)
            _sync_directory(target.parent)
    finally:
        partial.unlink(missing_ok=True)
    return Written(
        name,
        key,
        digest.rows,
        target.stat().st_size,
        sha256_of(target),
        digest.first_at,
        digest.last_at,
        digest.value,
    )


def check(written: Written, kind: str) -> None:
    """Reads a new file back from the disk, all of it. Raises ArchiveUnreadable unless it holds what was written."""
    digest = _Digest(kind)
    with _opened(written.name, written.key) as parquet:
        for group in range(parquet.num_row_groups):
            digest.add(parquet.read_row_group(group, use_threads=False))
    found = (digest.rows, digest.first_at, digest.last_at, digest.value)
    if found != (written.rows, written.first_at, written.last_at, written.digest):
        raise ArchiveUnreadable(f"{written.name} does not read back as it was written.")


def check_kept(file: ArchiveFile) -> None:
    """Raises ArchiveUnreadable unless the file on the disk is the one the manifest describes."""
    path = path_of(file.name)
    if not path.exists():
        raise ArchiveUnreadable(f"{file.name} is missing from the cold store; put it back from a backup.")
    if sha256_of(path) != bytes(file.sha256):
        raise ArchiveUnreadable(
            f"{file.name} has been altered since it was written; put it back from a backup."
        )


def batches(file: ArchiveFile) -> Iterator[Any]:
    """The file's row groups, one after the other, as Arrow tables."""
    with opened(file) as parquet:
        for group in range(parquet.num_row_groups):
            yield parquet.read_row_group(group, use_threads=False)


@contextmanager
def opened(file: ArchiveFile) -> Iterator[Any]:
    """A pyarrow ParquetFile that decrypts as it reads."""
    with _opened(file.name, key_of(file)) as parquet:
        yield parquet


def keep_open(file: ArchiveFile) -> Any:
    """The same, for a caller who closes it. Not to be used by two threads at once."""
    return _open(file.name, key_of(file))


def dataset(file: ArchiveFile) -> Any:
    """A pyarrow dataset of the file: DuckDB reads it column by column, with its filters pushed down."""
    import pyarrow.dataset as ds

    options = ds.ParquetFragmentScanOptions(decryption_properties=_decryption(file.name, key_of(file)))
    with reading(file.name):
        return ds.dataset(
            path_of(file.name),
            schema=schema(file.kind),
            format=ds.ParquetFileFormat(default_fragment_scan_options=options),
        )


def key_of(file: ArchiveFile) -> bytes:
    return decrypt(bytes(file.sealed_key))


def remove(name: str) -> None:
    """Takes a file away once this transaction has committed. Its key is gone from the manifest by then."""
    # Where that fails it is logged, and the next archiving sweeps it away.
    transaction.on_commit(lambda: path_of(name).unlink(missing_ok=True), robust=True)


def sweep() -> int:
    """How many files were removed that no row of the manifest names: left by a run that was interrupted.

    None where another database has written to the directory: they may be that one's only copies.
    """
    if not directory().is_dir():
        return 0
    named = set(ArchiveFile.objects.order_by().values_list("name", flat=True))
    strays = [
        path
        for kind in ArchiveFile.Kind
        for path in (directory() / kind).glob(f"*{SUFFIX}*")
        if f"{kind}/{path.name}" not in named
    ]
    if not _is_ours():
        return 0
    for path in strays:
        with _writing(f"{path.parent.name}/{path.name}"):
            path.unlink(missing_ok=True)
    return len(strays)


def claim() -> None:
    """Makes the directory this database's, if nobody has put a file into it yet."""
    if directory().exists() and not directory().is_dir():
        return  # whoever writes to it will say so
    with _writing(OWNER):
        directory().mkdir(parents=True, exist_ok=True)
        if not (directory() / OWNER).exists() and not any(directory().glob(f"*/*{SUFFIX}*")):
            (directory() / OWNER).write_text(_own_mark())


def _is_ours() -> bool:
    marker = directory() / OWNER
    return marker.exists() and marker.read_text() == _own_mark()


def _own_mark() -> str:
    """What tells this database from others: when it was made, which a backup takes along."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(applied)::text FROM django_migrations")
        return hashlib.blake2b(str(cursor.fetchone()[0]).encode(), digest_size=16).hexdigest()


def sealed(key: bytes) -> bytes:
    """A file's key as the manifest keeps it."""
    return encrypt(key)


def sha256_of(path: Path) -> bytes:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.digest()


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Whatever goes wrong while a file is read is said with its name."""
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowInvalid) as fault:
        raise ArchiveUnreadable(f"{name}: {fault}") from fault


@contextmanager
def _writing(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        why = fault.strerror or str(fault)
        raise ArchiveUnwritable(
            f"{name} cannot be written or removed in {directory()} (ARCHIVE_DIR): {why}. Nothing is lost; what was"
            " written before counts. Run this again once it can."
        ) from fault


@contextmanager
def _opened(name: str, key: bytes) -> Iterator[Any]:
    with reading(name), _open(name, key) as parquet:
        yield parquet


def _open(name: str, key: bytes) -> Any:
    import pyarrow.parquet as pq

    # Not mapped into memory: an unmapped file is a clean error, a truncated map kills the process.
    return pq.ParquetFile(path_of(name), decryption_properties=_decryption(name, key), memory_map=False)


def _encryption(name: str, key: bytes) -> Any:
    from pyarrow.parquet import encryption

    return encryption.create_encryption_properties(
        footer_key=key, aad_prefix=name.encode(), store_aad_prefix=False
    )


def _decryption(name: str, key: bytes) -> Any:
    from pyarrow.parquet import encryption

    return encryption.create_decryption_properties(footer_key=key, aad_prefix=name.encode())


def _in_groups(batches: Iterable[Any], size: int, pa: Any) -> Iterator[Any]:
    """Tables of `size` rows (the last may be shorter) from batches of any length."""
    waiting: list[Any] = []
    rows = 0
    for batch in batches:
        waiting.append(pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch)
        rows += len(batch)
        while rows >= size:
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, size).combine_chunks()
            waiting, rows = [whole.slice(size)], rows - size
    if rows:
        yield pa.concat_tables(waiting).combine_chunks()


class _Digest:
    """Number of rows, earliest and latest moment, and a sum of hashes over every value: the same in any order."""

    def __init__(self, kind: str) -> None:
        import duckdb

        columns = [field.name for field in schema(kind)]
        moment = MOMENT[ArchiveFile.Kind(kind)]
        self._sql = f"SELECT count(*), min({moment}), max({moment}), sum(hash({', '.join(columns)})::HUGEINT) FROM part"
        self._duck = duckdb.connect(config={"threads": 1, "temp_directory": ""})
        self._duck.execute("SET TimeZone = 'UTC'")
        self.rows = 0
        self.first_at: datetime | None = None
        self.last_at: datetime | None = None
        self.value = 0

    def add(self, table: Any) -> None:
        self._duck.register("part", table)
        [found] = self._duck.execute(self._sql).fetchall()
        self._duck.unregister("part")
        rows, first, last, value = found
        if not rows:
            return
        self.rows += rows
        self.first_at = min(filter(None, (self.first_at, first)))
        self.last_at = max(filter(None, (self.last_at, last)))
        self.value += int(value)


def _sync_directory(path: Path) -> None:
    """The rename itself must survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
