"""The embedded servers: shared by lease, stopped with the last one, mended after a kill."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis

from config.embedded import Lease, Places
from config.embedded.leases import remove_data
from config.embedded.processes import command_line
from config.env import BASE_DIR

pytestmark = pytest.mark.slow

HOLD_LEASE = """
import sys
from pathlib import Path
from config.embedded import Lease, Places
with Lease(Places(sys.argv[1], Path(sys.argv[2]))):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def other_command(places: Places) -> Iterator[subprocess.Popen[str]]:
    """Another process with a lease on the same servers, until its stdin is closed or it is killed."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD_LEASE, places.kind, str(places.checkout)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=BASE_DIR,
    )
    assert child.stdout is not None
    assert child.stdin is not None
    try:
        assert child.stdout.readline() == "held\n"
        yield child
    finally:
        child.stdin.close()
        child.wait(30)
        child.stdout.close()


def eventually(holds: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def is_alive(pid: int) -> bool:
    return command_line(pid) != ""


def query(places: Places, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(places.database_url, autocommit=True, connect_timeout=5) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def answers(places: Places) -> bool:
    try:
        return query(places, "SELECT 1") == [(1,)] and bool(redis.Redis.from_url(places.redis_url).ping())
    except (psycopg.OperationalError, redis.RedisError):
        return False


def test_it_shares_one_server_and_the_last_command_stops_it(places: Places) -> None:
    with other_command(places) as other:
        mine = Lease(places)
        mine.acquire()
        before = mine.status()
        assert other.stdin is not None
        other.stdin.close()
        other.wait(30)
        assert answers(places)
        assert mine.status() == before

        mine.release()

        assert not is_alive(before["postgres"])
        assert not is_alive(before["valkey"])
        assert eventually(lambda: not is_alive(before["keeper"]), 5)


def test_it_stops_the_servers_of_a_killed_command(places: Places) -> None:
    with other_command(places) as other:
        pids = Lease(places).status()

        other.kill()

        assert eventually(lambda: not any(is_alive(pids[name]) for name in ("postgres", "valkey", "keeper")))


def test_it_restarts_killed_servers_with_their_data(durable_places: Places) -> None:
    with Lease(durable_places) as lease:
        query(durable_places, "CREATE TABLE kept AS SELECT 42 AS answer")
        before = lease.status()

        os.kill(before["postgres"], signal.SIGKILL)
        os.kill(before["valkey"], signal.SIGKILL)

        assert eventually(lambda: lease.status()["postgres"] != before["postgres"])
        assert eventually(lambda: lease.status()["valkey"] != before["valkey"])
        assert eventually(lambda: answers(durable_places))
        assert query(durable_places, "SELECT answer FROM kept") == [(42,)]


def test_it_recovers_when_the_keeper_itself_is_killed(durable_places: Places) -> None:
    with Lease(durable_places) as lease:
        query(durable_places, "CREATE TABLE kept AS SELECT 42 AS answer")
        before = lease.status()
        os.kill(before["keeper"], signal.SIGKILL)
        assert eventually(lambda: not lease.has_keeper())

        was_needed = lease.ensure()

        assert was_needed
        assert not is_alive(before["postgres"])
        assert query(durable_places, "SELECT answer FROM kept") == [(42,)]


def test_it_starts_although_a_pid_file_names_a_stranger(durable_places: Places) -> None:
    with Lease(durable_places):
        query(durable_places, "CREATE TABLE kept AS SELECT 42 AS answer")
    pid_file = durable_places.root / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{durable_places.root / 'postgres'}\n")
    (durable_places.root / "valkey.pid").write_text(str(os.getpid()))

    with Lease(durable_places):
        kept = query(durable_places, "SELECT answer FROM kept")

    assert kept == [(42,)]  # and this process, the stranger, is still here to say so


def test_it_begins_anew_after_an_interrupted_first_start(durable_places: Places) -> None:
    durable_places.prepare()
    half_made = durable_places.root / "postgres"
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18\n")
    (durable_places.root / "initdb.unfinished").touch()

    with Lease(durable_places):
        assert answers(durable_places)


def test_it_listens_on_no_port(places: Places) -> None:
    with Lease(places):
        assert query(places, "SHOW listen_addresses") == [("",)]
        assert redis.Redis.from_url(places.redis_url).config_get("port") == {"port": "0"}
        assert places.sockets.stat().st_mode & 0o077 == 0


def test_it_removes_its_data_only_when_nobody_uses_it(places: Places) -> None:
    with Lease(places), pytest.raises(Exception, match="stop it first"):
        remove_data(places)

    assert remove_data(places)
    assert not places.root.exists()
    assert not remove_data(places)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another user")
def test_it_runs_as_another_user_where_we_are_root(places: Places) -> None:
    with Lease(places) as lease:
        owner = Path(f"/proc/{lease.status()['postgres']}").stat().st_uid

    assert owner != 0
    assert places.account is not None
    assert owner == places.account.uid
