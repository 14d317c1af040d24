"""Runs the demo's processes: restarts what dies, stops all of them together, leaves none behind."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from config.embedded.keeper import LOG_LIMIT_BYTES, Backoff
from config.embedded.processes import birth, spawn, wait_gone

POLL_SECONDS = 0.2
WATCH_SECONDS = 1.0
GRACE_SECONDS = 6.0


@dataclass(frozen=True)
class Program:
    """One long-running command and the name it has in messages and logs."""

    name: str
    command: Sequence[str | Path]


@dataclass
class _Running:
    program: Program
    backoff: Backoff = field(default_factory=Backoff)
    process: subprocess.Popen[bytes] | None = None
    due: float | None = None


def say(message: str) -> None:
    """One dated line for whoever looks at the terminal."""
    print(f"{datetime.now(UTC).isoformat(timespec='seconds')} {message}", flush=True)


def stop_stranded(state_file: Path) -> list[str]:
    """The names of processes that a killed supervisor left behind, now stopped with all their children.

    A process id alone proves nothing: it is ours only if the process began when ours began.
    """
    try:
        recorded: dict[str, tuple[int, str]] = json.loads(state_file.read_text())
    except (FileNotFoundError, ValueError):
        return []
    found = {name: pid for name, (pid, born) in recorded.items() if born and birth(pid) == born}
    for pid in found.values():
        _signal_group(pid, signal.SIGTERM)
    wait_gone(lambda: not any(birth(pid) for pid in found.values()), GRACE_SECONDS)
    for pid in found.values():
        _signal_group(pid, signal.SIGKILL)
    state_file.unlink(missing_ok=True)
    return list(found)


def _signal_group(leader: int, number: signal.Signals) -> None:
    """To the process and all its children: each program leads a process group of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


class Supervisor:
    """Keeps programs running until it is told to stop."""

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        environment: Mapping[str, str],
        directory: Path,
        state_file: Path,
        logs: Path,
        watch: Callable[[], None] = lambda: None,
    ) -> None:
        self._running = [_Running(program) for program in programs]
        self._environment = environment
        self._directory = directory
        self._state_file = state_file
        self._logs = logs
        self._watch = watch
        self._asked_to_stop = 0

    def start(self) -> None:
        """Starts every program."""
        self._logs.mkdir(parents=True, exist_ok=True)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        for running in self._running:
            self._start(running)

    def is_asked_to_stop(self) -> bool:
        return self._asked_to_stop > 0

    def run(self) -> None:
        """Returns after a signal asked it to stop."""
        watched = time.monotonic()
        while not self._asked_to_stop:
            for running in self._running:
                self._look_after(running)
            if time.monotonic() - watched > WATCH_SECONDS:
                self._watch()
                watched = time.monotonic()
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stops every program; those that take too long, or when asked twice, are killed."""
        processes = [running.process for running in self._running if running.process is not None]
        asked = self._asked_to_stop
        for process in processes:
            _signal_group(process.pid, signal.SIGTERM)

        def is_over() -> bool:
            return self._asked_to_stop > max(asked, 1) or all(one.poll() is not None for one in processes)

        wait_gone(is_over, GRACE_SECONDS)
        for process in processes:
            _signal_group(process.pid, signal.SIGKILL)
            process.wait()
        self._state_file.unlink(missing_ok=True)

    def _start(self, running: _Running) -> None:
        log = self._logs / f"{running.program.name}.log"
        if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
            log.replace(log.with_suffix(".log.old"))
        running.process = spawn(
            running.program.command,
            log=log,
            on_parent_death=signal.SIGTERM,
            environment=self._environment,
            directory=self._directory,
        )
        running.due = None
        self._write_state()

    def _look_after(self, running: _Running) -> None:
        if running.process is not None and running.process.poll() is not None:
            status = running.process.returncode
            _signal_group(running.process.pid, signal.SIGKILL)  # children it can no longer lead
            wait = running.backoff.next()
            how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
            say(f"{running.program.name} {how}; starting it again in {wait:.1f} s")
            running.process, running.due = None, time.monotonic() + wait
        if running.due is not None and time.monotonic() >= running.due:
            self._start(running)

    def _write_state(self) -> None:
        pids = {one.program.name: one.process.pid for one in self._running if one.process is not None}
        partial = self._state_file.with_suffix(".partial")
        partial.write_text(json.dumps({name: (pid, birth(pid)) for name, pid in pids.items()}))
        partial.replace(self._state_file)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._asked_to_stop += 1
