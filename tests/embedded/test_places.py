"""Where the embedded servers live, and whose directories they refuse."""

import os
from pathlib import Path

import pytest

from config.embedded import PlaceRefused, Places, is_needed
from config.embedded.keeper import Backoff
from config.embedded.places import MARKER, Account, can_reach, make_own


def test_it_knows_where_another_user_cannot_go(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "below").mkdir(parents=True)
    closed.chmod(0o700)
    stranger = Account(uid=os.geteuid() + 12345, gid=os.getegid() + 12345)

    assert not can_reach(closed / "below", stranger)
    assert can_reach(Path("/"), stranger)
    assert can_reach(closed / "below", None)


def test_it_keeps_socket_paths_short_however_deep_the_checkout(tmp_path: Path) -> None:
    deep = Places("main", tmp_path / ("directory" * 20))

    assert len(str(deep.sockets / ".s.PGSQL.5432")) < 100


def test_it_gives_each_checkout_its_own_sockets(tmp_path: Path) -> None:
    assert Places("main", tmp_path / "a").sockets != Places("main", tmp_path / "b").sockets


def test_it_refuses_a_directory_that_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")

    with pytest.raises(PlaceRefused):
        make_own(tmp_path / "link", 0o700, None)


def test_it_never_removes_what_it_did_not_make(places: Places) -> None:
    places.root.mkdir(parents=True)
    (places.root / "somebody's file").touch()

    with pytest.raises(PlaceRefused, match=MARKER):
        places.remove()

    assert (places.root / "somebody's file").exists()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, True),
        ({"DATABASE_URL": "postgres://x"}, True),
        ({"DATABASE_URL": "postgres://x", "REDIS_URL": "redis://x"}, False),
        ({"DATABASE_URL_FILE": "/run/secrets/database", "REDIS_URL": "redis://x"}, False),
        ({"REKINDLE_ENV": "production"}, False),
    ],
)
def test_it_stands_in_only_for_what_nobody_configured(environ: dict[str, str], expected: bool) -> None:
    assert is_needed(environ) is expected


def test_it_waits_longer_after_each_failure_and_forgets_in_quiet_times() -> None:
    moments = iter([0.0, 1.0, 2.0, 500.0])
    backoff = Backoff(lambda: next(moments))

    waits = [backoff.next() for _ in range(4)]

    assert waits == [0.5, 1.0, 2.0, 0.5]
