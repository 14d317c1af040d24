"""A DuckDB of one's own for one computation: bounded in memory, spilling to a directory that goes with it."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

MEMORY = "2GB"
THREADS = 2
_PREFIX = "rekindle-bulk-"
_YOUNG_S = 60  # a directory is locked long before it is as old as this


@contextmanager
def scratch(*, memory: str = MEMORY, threads: int = THREADS) -> Iterator[Any]:
    """A DuckDB connection that reads no file. What does not fit into memory is spilled, encrypted, to a private
    directory, which is removed at the end whatever happens; what a killed process left is removed by the next.
    """
    import duckdb

    with _directory() as directory:
        duck = duckdb.connect(
            config={
                "memory_limit": memory,
                "threads": threads,
                "temp_directory": directory,
                # Rows of the cold store, which no disk holds in clear, pass through here.
                "temp_file_encryption": True,
                # Without this DuckDB refuses to encrypt: its wheel brings AES, but random numbers of no cryptographic
                # quality for key and nonces, hence the name. The better ones (OpenSSL's) come with its extension
                # httpfs, which the wheel lacks, which would have to be downloaded, and which opens the network. So
                # the encryption alone would not stop somebody with means and time: what keeps others out is that the
                # directory is its owner's, that the key is never written, and that nothing outlives the computation.
                # What is spilled are numbers, hashes and ids; names never come here.
                "force_mbedtls_unsafe": True,
                # The order of rows means nothing here, and keeping it costs memory.
                "preserve_insertion_order": False,
            }
        )
        try:
            duck.execute("SET TimeZone = 'UTC'")
            duck.execute("SET enable_external_access = false")
            duck.execute("SET lock_configuration = true")
            yield duck
        finally:
            duck.close()


@contextmanager
def _directory() -> Iterator[str]:
    """An empty directory for its owner only, locked as long as its process lives."""
    with TemporaryDirectory(prefix=_PREFIX) as directory, _locked(Path(directory)):
        _remove_left_behind(Path(directory))
        yield directory


def _remove_left_behind(own: Path) -> None:
    """Removes what processes that were killed could not."""
    now = own.stat().st_mtime
    for other in own.parent.glob(f"{_PREFIX}*"):
        try:
            told = other.stat(follow_symlinks=False)
            if told.st_uid != os.getuid() or now - told.st_mtime < _YOUNG_S:
                continue
            with _locked(other):
                shutil.rmtree(other, ignore_errors=True)
        except (BlockingIOError, FileNotFoundError, NotADirectoryError):
            continue  # in use, or just removed by its owner


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Holds the directory's lock, which the system gives back when a process ends, however it ends.

    Raises BlockingIOError where another process holds it.
    """
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)
