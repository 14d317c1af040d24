"""A DuckDB of one's own for one computation: bounded in memory, spilling to a directory that goes with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

MEMORY = "2GB"
THREADS = 2


@contextmanager
def scratch(*, memory: str = MEMORY, threads: int = THREADS) -> Iterator[Any]:
    """A DuckDB connection that reads no file. What does not fit into memory is spilled, encrypted, to a private
    directory, which is removed at the end whatever happens.
    """
    import duckdb

    with TemporaryDirectory(prefix="rekindle-bulk-") as directory:  # for its owner only
        duck = duckdb.connect(
            config={
                "memory_limit": memory,
                "threads": threads,
                "temp_directory": directory,
                "temp_file_encryption": True,
                # DuckDB refuses to encrypt with the cipher it carries, for the sake of that one's random numbers,
                # unless told to; the better one is an extension that it would download. The key lives as long as
                # this connection, and the directory is its owner's.
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
