"""Leases on the embedded servers: the first starts them, the last one's end stops them."""

import fcntl
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import IO, Any, Self

from config.embedded.places import Places
from config.env import BASE_DIR, PRODUCTION

START_SECONDS = 660.0  # a recovery after a crash may replay much; the keeper itself gives up before this
NEWS_SECONDS = 10.0
# Keepers this process started. They may outlive it, and Python warns of a child that is simply forgotten.
_started: list[subprocess.Popen[bytes]] = []


class ServicesFailed(Exception):
    """The embedded servers did not start; the message says what to do."""


def is_needed(environ: Mapping[str, str]) -> bool:
    """Whether the embedded servers have to stand in for a database or a broker that nobody configured.

    Never in production, which refuses to start without both.
    """
    if environ.get("REKINDLE_ENV") == PRODUCTION:
        return False
    return not all(environ.get(name) or environ.get(f"{name}_FILE") for name in ("DATABASE_URL", "REDIS_URL"))


class Lease:
    """The servers run at least until `release`, or until this process ends in whatever way.

    It is a shared `flock` on one file. The kernel gives it up for a killed process, so there is nothing to
    clean up and nothing to go stale. Child processes do not inherit it.
    """

    def __init__(self, places: Places) -> None:
        self.places = places
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """These variables with the servers' addresses in the places that are empty."""
        environment = dict(environ)
        for name, url in (("DATABASE_URL", self.places.database_url), ("REDIS_URL", self.places.redis_url)):
            if not environ.get(name) and not environ.get(f"{name}_FILE"):
                environment[name] = url
        return environment

    def acquire(self) -> None:
        """Returns when both servers answer."""
        self.places.prepare()
        for path in (self.places.leases_file, self.places.keeper_file, self.places.starting_file):
            if not path.exists():
                path.touch()
                self.places.own(path)
        try:
            self.ensure()
        except BaseException:
            self.release(wait=False)
            raise

    def ensure(self) -> bool:
        """Starts the servers where nobody keeps them (any more); whether that was needed."""
        with self.places.starting_file.open("rb") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)  # one command at a time decides whether to start them
            if self._file is None:
                self._file = self.places.leases_file.open("rb")
                # Waits while a keeper is stopping: that one holds it alone until it has gone.
                fcntl.flock(self._file, fcntl.LOCK_SH)
            started = None
            if not self.has_keeper():
                self.places.status_file.unlink(missing_ok=True)
                started = self._start_keeper()
            self._wait_ready(started)
        return started is not None

    def has_keeper(self) -> bool:
        with self.places.keeper_file.open("rb") as keeper:
            return not _try_lock(keeper, fcntl.LOCK_EX)

    def status(self) -> dict[str, Any]:
        """What the keeper last reported: its state and the servers' process ids."""
        try:
            status: dict[str, Any] = json.loads(self.places.status_file.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return status

    def _start_keeper(self) -> subprocess.Popen[bytes]:
        log = self.places.root / "keeper.log"
        log.touch()
        self.places.own(log)
        with log.open("ab") as output:
            keeper = subprocess.Popen(
                [sys.executable, "-m", "config.embedded.keeper", self.places.kind, str(self.places.checkout)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C at the terminal is for the command, not for its servers
                cwd=BASE_DIR,
            )
        _started[:] = [child for child in _started if child.poll() is None] + [keeper]
        return keeper

    def _wait_ready(self, started: subprocess.Popen[bytes] | None) -> None:
        begun = time.monotonic()
        news = begun + NEWS_SECONDS
        while True:
            status = self.status()
            if status.get("state") == "ready":
                return
            if status.get("state") == "failed":
                raise ServicesFailed(status.get("problem") or "The embedded servers did not start.")
            if started is not None and started.poll() not in (None, 0):
                log = self.places.root / "keeper.log"
                raise ServicesFailed(f"The embedded servers did not start; see {log}.")
            if time.monotonic() - begun > START_SECONDS:
                raise ServicesFailed(f"The embedded servers did not answer; see {self.places.root}.")
            if time.monotonic() > news:
                news += NEWS_SECONDS
                print("Waiting for PostgreSQL (it may be recovering after a crash) ...", file=sys.stderr)
            time.sleep(0.03)

    def release(self, *, wait: bool = True) -> None:
        """Gives the lease up; if it was the last, returns when the servers have stopped."""
        if self._file is None:
            return
        self._file.close()
        self._file = None
        end = time.monotonic() + 30
        while wait and time.monotonic() < end and self.has_keeper():
            with self.places.leases_file.open("rb") as leases:
                # Another command's lease can be shared; that of a keeper on its way out cannot.
                if not _try_lock(leases, fcntl.LOCK_EX) and _try_lock(leases, fcntl.LOCK_SH):
                    return
            time.sleep(0.1)
        for child in _started:
            child.poll()  # takes note of its end


def remove_data(places: Places) -> bool:
    """Removes a set of servers' data, unless a command is using it; False when there was none."""
    if not places.root.exists():
        return False
    places.prepare()
    places.leases_file.touch()
    with places.leases_file.open("rb") as leases:
        if not _try_lock(leases, fcntl.LOCK_EX):
            raise ServicesFailed("Another command is using the demo's data; stop it first.")
        return places.remove()


def _try_lock(file: IO[bytes], how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
