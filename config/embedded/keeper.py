"""The process that runs the embedded servers for as long as somebody holds a lease on them.

``python -m config.embedded.keeper KIND CHECKOUT``; started by ``leases.Lease``, never by hand.
"""

import fcntl
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from config.embedded.places import Places
from config.embedded.postgres import STOP_STEPS as POSTGRES_STOP_STEPS
from config.embedded.postgres import Postgres, PostgresFailed
from config.embedded.processes import stop_by_steps
from config.embedded.programs import find_programs
from config.embedded.valkey import STOP_STEPS as VALKEY_STOP_STEPS
from config.embedded.valkey import Valkey, ValkeyFailed

POLL_SECONDS = 0.2
LONGEST_BACKOFF_SECONDS = 30.0
LOG_LIMIT_BYTES = 10_000_000
FULL_DISK_BYTES = 64_000_000  # less than PostgreSQL needs for itself
RECOVERY_SECONDS = 600.0


def log(message: str) -> None:
    """One line in keeper.log."""
    print(f"{datetime.now(UTC).isoformat(timespec='seconds')} {message}", flush=True)


class Backoff:
    """How long to wait before the next try: longer after each failure, short again after a quiet minute."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seconds = 0.0
        self._last = -1e9

    def next(self) -> float:
        now = self._monotonic()
        calm = now - self._last > 60 + self._seconds
        self._seconds = 0.5 if calm or not self._seconds else min(self._seconds * 2, LONGEST_BACKOFF_SECONDS)
        self._last = now
        return self._seconds


class Keeper:
    """Starts both servers, restarts what dies, and stops them when the last lease is gone."""

    def __init__(self, places: Places) -> None:
        self.places = places
        postgres_bin, valkey_binary = find_programs(places)
        self.postgres = Postgres(places, postgres_bin)
        self.valkey = Valkey(places, valkey_binary)
        self.asked_to_stop = False

    def report(self, state: str, problem: str = "") -> None:
        """Tells waiting commands how far we are: the status file, replaced whole."""
        servers = {"postgres": self.postgres.process, "valkey": self.valkey.process}
        status = {"state": state, "problem": problem, "keeper": os.getpid()}
        status |= {name: process.pid for name, process in servers.items() if process is not None}
        partial = self.places.status_file.with_suffix(".partial")
        partial.write_text(json.dumps(status))
        partial.replace(self.places.status_file)

    def start(self) -> None:
        for path in (self.postgres.log, self.valkey.log):
            if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
                path.replace(path.with_suffix(".log.old"))
            path.touch()
            self.places.own(path)
        self.valkey.start()
        self.postgres.prepare()
        self.postgres.start()
        self.valkey.wait_ready(30)
        self.postgres.wait_ready(RECOVERY_SECONDS)
        self.report("ready")

    def run(self) -> None:
        """Returns when nobody holds a lease any more, or when asked to stop."""
        backoffs = {"PostgreSQL": Backoff(), "Valkey": Backoff()}
        due: dict[str, float] = {}
        servers: dict[str, Postgres | Valkey] = {"PostgreSQL": self.postgres, "Valkey": self.valkey}
        with self.places.leases_file.open("rb") as leases:
            while not self.asked_to_stop:
                try:
                    # Only ours to lock alone when no command holds it; kept until we exit, so that a command
                    # that comes now waits for the end and starts a keeper of its own.
                    fcntl.flock(leases, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    pass
                else:
                    self.stop()
                    return
                for name, server in servers.items():
                    if server.is_running():
                        continue
                    if name not in due:
                        wait = backoffs[name].next()
                        log(f"{name} died; starting it again in {wait:.1f} s")
                        due[name] = time.monotonic() + wait
                    elif time.monotonic() >= due[name]:
                        del due[name]
                        server.start()
                        self.report("ready")
                time.sleep(POLL_SECONDS)
            self.stop()

    def stop(self) -> None:
        self.report("stopping")
        stop_by_steps(self.postgres.send, lambda: not self.postgres.is_running(), POSTGRES_STOP_STEPS)
        stop_by_steps(self.valkey.send, lambda: not self.valkey.is_running(), VALKEY_STOP_STEPS)
        self.valkey.pid_file.unlink(missing_ok=True)
        self.places.status_file.unlink(missing_ok=True)

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        self.asked_to_stop = True


def describe(places: Places, fault: Exception) -> str:
    """The failure in a sentence, with the server's own words where ours would hide the cause."""
    path = places.root / "postgres.log"
    tail = path.read_text(errors="replace").splitlines()[-30:] if path.exists() else []
    is_full = shutil.disk_usage(places.root).free < FULL_DISK_BYTES
    if is_full or "No space left on device" in "\n".join([*tail, str(fault)]):
        return f"The disk is full: make at least 1 GB free at {places.root} and start again."
    return " ".join([str(fault), *(f"| {line}" for line in tail[-4:]), f"(log: {path})"])


def main(kind: str, checkout: str) -> int:
    places = Places(kind, Path(checkout))
    with places.keeper_file.open("rb") as alone:
        try:
            fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        try:
            keeper = Keeper(places)
        except (ValkeyFailed, PostgresFailed, OSError) as fault:
            places.status_file.write_text(json.dumps({"state": "failed", "problem": str(fault)}))
            return 1
        signal.signal(signal.SIGTERM, keeper.on_signal)
        try:
            keeper.start()
            keeper.run()
        except (ValkeyFailed, PostgresFailed, OSError) as fault:
            problem = describe(places, fault)
            log(problem)
            keeper.stop()
            keeper.report("failed", problem)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
