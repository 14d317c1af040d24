"""What tests of signals share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def cold_store(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """An empty directory that is the cold store for this test."""
    settings.ARCHIVE_DIR = str(tmp_path / "archive")
    yield tmp_path / "archive"
