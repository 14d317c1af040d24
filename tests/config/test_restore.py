"""A backup, and the way back: all of it or nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from config import dumps

pytestmark = pytest.mark.django_db(transaction=True)

Rows = Callable[[], list[Any]]


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rows]:
    """A database of its own that dumps go to and come from, with one table of 20,000 rows; what is in it now."""
    name = f"{connection.settings_dict['NAME']}_dump"
    where = {key: value for key, value in connection.get_connection_params().items() if key in _WHERE}
    ours = dumps._environment()
    monkeypatch.setattr(dumps, "_environment", lambda: {**ours, "PGDATABASE": name})

    def ask(database: str, *statements: sql.SQL | sql.Composed) -> list[Any]:
        with psycopg.connect(**{**where, "dbname": database}, autocommit=True) as other:
            for statement in statements:
                cursor = other.execute(statement)
            return cursor.fetchall() if cursor.description else []

    database = sql.Identifier(name)
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database)
    ask(str(where["dbname"]), drop, sql.SQL("CREATE DATABASE {}").format(database))
    try:
        ask(
            name,
            sql.SQL("CREATE TABLE kept (number int)"),
            sql.SQL("INSERT INTO kept SELECT generate_series(1, 20000)"),
        )
        yield lambda: ask(name, sql.SQL("SELECT count(*), sum(number) FROM kept"))
    finally:
        ask(str(where["dbname"]), drop)


_WHERE = ("host", "port", "user", "password", "dbname")


def test_it_brings_everything_back(elsewhere: Rows, tmp_path: Path) -> None:
    before = elsewhere()
    dumps.backup(tmp_path / "all.sql")
    _restore(tmp_path / "all.sql")

    assert elsewhere() == before


@pytest.mark.parametrize("share", [0, 0.5, 0.9])
def test_it_changes_nothing_where_the_end_of_the_backup_is_missing(
    elsewhere: Rows, tmp_path: Path, share: float
) -> None:
    before = elsewhere()
    dumps.backup(tmp_path / "all.sql")
    whole = (tmp_path / "all.sql").read_bytes()
    cut = whole[: whole.rfind(b"\n", 0, int(len(whole) * share)) + 1]
    (tmp_path / "cut.sql").write_bytes(cut)

    with pytest.raises(dumps.DumpFailed, match=r"is no backup|ends in the middle"):
        dumps.restore(tmp_path / "cut.sql")

    assert elsewhere() == before


def test_it_changes_nothing_when_it_is_stopped_in_the_middle(
    elsewhere: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = elsewhere()
    dumps.backup(tmp_path / "all.sql")
    readable = dumps._readable

    def stopped(dump: IO[bytes], server: int) -> Iterator[bytes]:
        for number, line in enumerate(readable(dump, server)):
            if number == 10_000:
                raise KeyboardInterrupt
            yield line

    monkeypatch.setattr(dumps, "_readable", stopped)
    with pytest.raises(KeyboardInterrupt):
        dumps.restore(tmp_path / "all.sql")

    assert elsewhere() == before


def _restore(path: Path) -> None:
    connection.close()
    dumps.restore(path)
