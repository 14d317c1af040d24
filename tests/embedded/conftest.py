"""Embedded servers of a throw-away checkout, so that these tests never touch anybody's data."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.embedded import Places


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    """A place below pytest's own directory: as root, the servers' user cannot even get there."""
    places = Places("test-servers", tmp_path)
    yield places
    shutil.rmtree(places.sockets, ignore_errors=True)
    shutil.rmtree(places.outside, ignore_errors=True)


@pytest.fixture
def durable_places(tmp_path: Path) -> Iterator[Places]:
    """The same with writes that reach the disk, as in the demo."""
    places = Places("main", tmp_path)
    yield places
    shutil.rmtree(places.sockets, ignore_errors=True)
    shutil.rmtree(places.outside, ignore_errors=True)
