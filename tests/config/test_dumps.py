"""Backups and what is taken for one: nothing is dropped before it is sure that there is something to put back."""

import subprocess
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from config import dumps


class Begun(Exception):
    """The database would have been replaced."""


@pytest.fixture
def dump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, db: None) -> Path:
    """A real backup, and no way to put it back."""
    path = tmp_path / "backup.sql"
    dumps.backup(path)

    def begin(*args: object, **more: object) -> None:
        raise Begun

    monkeypatch.setattr(subprocess, "Popen", begin)
    return path


def test_it_puts_back_what_it_wrote(dump: Path) -> None:
    with pytest.raises(Begun):
        dumps.restore(dump)


@pytest.mark.parametrize("kept", [0.5, 0.999])
def test_it_touches_nothing_for_half_a_backup(dump: Path, kept: float) -> None:
    whole = dump.read_bytes()
    dump.write_bytes(whole[: int(len(whole) * kept)])

    with pytest.raises(CommandError, match=r"Nothing was changed: .* ends in the middle"):
        call_command("restore", str(dump), yes=True)


@pytest.mark.parametrize("content", [b"", b"SELECT 1;\n", b"\x00\x1b[2J" * 2000])
def test_it_touches_nothing_for_what_is_no_backup(dump: Path, content: bytes) -> None:
    dump.write_bytes(content)

    with pytest.raises(CommandError, match=r"Nothing was changed: .* is no backup"):
        call_command("restore", str(dump), yes=True)
