"""A plain PostgreSQL dump of everything, and back. The key ring is not in it: without the ring it names nobody."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from django.db import connection

from config.embedded.postgres import programs_directory

# Written by newer dump programs, unknown to older servers, and of no use in a dump that is read once.
_NEWER_THAN_17 = ("SET transaction_timeout",)
# What a whole dump says in its first and in its last lines.
_FIRST, _LAST, _NEAR = b"-- PostgreSQL database dump\n", b"-- PostgreSQL database dump complete\n", 4096


class DumpFailed(Exception):
    """The dump was not made or not read back; the message is PostgreSQL's own."""


def backup(path: Path) -> int:
    """Writes the dump and returns its size in bytes. The file appears only when it is whole."""
    partial = path.with_name(path.name + ".partial")
    command = ["pg_dump", "--no-owner", "--no-privileges", "--format=plain", f"--file={partial}"]
    try:
        _run(command)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path.stat().st_size


def restore(path: Path) -> None:
    """Replaces everything in the database by the dump, in one transaction: all of it or nothing.

    Half a dump may well be good SQL, and an empty file is: so neither is begun.
    Raises DumpFailed, also for a file that is no whole dump.
    """
    _check_is_whole(path)
    with (
        path.open("rb") as dump,
        subprocess.Popen(
            _with_path(["psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1"]),
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as psql,
    ):
        assert psql.stdin is not None and psql.stderr is not None
        try:
            # Our own transaction: --single-transaction would commit wherever its input ends, and it ends in the
            # middle when this process is killed.
            psql.stdin.write(
                b"BEGIN; SET client_min_messages = warning; DROP SCHEMA public CASCADE; CREATE SCHEMA public;\n"
            )
            psql.stdin.writelines(_readable(dump, connection.pg_version))  # type: ignore[attr-defined]
            psql.stdin.write(b"\nCOMMIT;\n")
            psql.stdin.close()
        except BrokenPipeError:
            pass  # psql gave up and says why
        said = psql.stderr.read().decode(errors="replace").strip()
        if psql.wait() != 0:
            raise DumpFailed(said or "psql stopped without a word")


def _check_is_whole(path: Path) -> None:
    with path.open("rb") as dump:
        if _FIRST not in dump.read(_NEAR):
            raise DumpFailed(f"{path} is no backup made by manage.py backup.")
        dump.seek(max(path.stat().st_size - _NEAR, 0))
        if _LAST not in dump.read():
            raise DumpFailed(f"{path} ends in the middle: the rest of the backup is missing.")


def _readable(dump: IO[bytes], server: int) -> Iterator[bytes]:
    for line in dump:
        if server < 170000 and line.startswith(tuple(name.encode() for name in _NEWER_THAN_17)):
            continue
        yield line


def _run(command: list[str]) -> None:
    done = subprocess.run(
        _with_path(command), env=_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise DumpFailed(done.stderr.strip())


def _with_path(command: list[str]) -> list[str]:
    return [str(programs_directory() / command[0]), *command[1:]]


def _environment() -> dict[str, str]:
    """How PostgreSQL's programs reach the database: by environment, so that no password shows in a process list."""
    where = connection.get_connection_params()
    names = {
        "host": "PGHOST",
        "port": "PGPORT",
        "user": "PGUSER",
        "password": "PGPASSWORD",
        "dbname": "PGDATABASE",
    }
    return {**os.environ, **{name: str(where[key]) for key, name in names.items() if where.get(key)}}
