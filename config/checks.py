"""``bin/test``: every check the project asks of a change. With arguments, pytest alone."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from config.embedded import Lease, PlaceRefused, Places, ServicesFailed, is_needed
from config.embedded.__main__ import run as run_on_terminal
from config.embedded.places import TEST
from config.env import BASE_DIR, VAR_DIR

PACKAGES = ("config", "coaching", "interventions", "signals", "learners", "consent", "tests", "manage.py")


@dataclass(frozen=True)
class Check:
    """One command that must succeed."""

    name: str
    command: Sequence[str]


def static_checks() -> list[Check]:
    """What can be said without running the product."""
    checks = [
        Check("ruff check", [_tool("ruff"), "check", "."]),
        Check("ruff format", [_tool("ruff"), "format", "--check", "."]),
        Check("mypy", [_tool("mypy"), *PACKAGES]),
        Check("import contracts", [_tool("lint-imports")]),
    ]
    if any((BASE_DIR / "templates").rglob("*.html")):
        checks.append(Check("templates", [_tool("djlint"), "--lint", "--quiet", "templates"]))
    checks.append(
        Check("migrations", [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"])
    )
    return checks


def pytest_command(arguments: Sequence[str]) -> list[str]:
    """All tests on every core (two to four), or those asked for."""
    command = [sys.executable, "-m", "pytest"]
    if arguments:
        return [*command, *arguments]
    workers = max(2, min(4, os.cpu_count() or 2))
    # Not "worksteal": tests with real commits come last, and a worker that steals would run others after them.
    return [*command, "-n", str(workers), "--dist", "load", "-q"]


def run_static(environment: Mapping[str, str]) -> list[str]:
    """The names of the checks that failed; two run at a time, each one's output is printed whole."""

    def run(check: Check) -> tuple[Check, float, subprocess.CompletedProcess[str]]:
        begun = time.monotonic()
        done = subprocess.run(
            check.command,
            cwd=BASE_DIR,
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return check, time.monotonic() - begun, done

    failed: list[str] = []
    checks = sorted(static_checks(), key=lambda check: check.name != "mypy")  # the longest first
    with ThreadPoolExecutor(2) as pool:
        for check, seconds, done in pool.map(run, checks):
            verdict = "ok" if done.returncode == 0 else "FAILED"
            print(f"{check.name:.<24} {verdict} ({seconds:.1f} s)", flush=True)
            if done.returncode != 0:
                print(done.stdout, flush=True)
                failed.append(check.name)
    return failed


def check_everything(environment: Mapping[str, str], arguments: Sequence[str]) -> int:
    failed = [] if arguments else run_static(environment)
    status = run_on_terminal(pytest_command(arguments), environment=environment)
    if status != 0:
        failed.append("pytest")
    if failed and not arguments:
        print(f"Failed: {', '.join(failed)}.")
    if status != 0:
        return status
    return 1 if failed else 0


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two test runs would create and drop the same test database under each other's feet."""
    VAR_DIR.mkdir(exist_ok=True)
    path = VAR_DIR / "test.lock"
    path.touch()
    with path.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another bin/test in this directory ...", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _tool(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name) or name


def main(arguments: list[str]) -> int:
    os.chdir(BASE_DIR)
    try:
        with one_at_a_time():
            if not is_needed(os.environ):
                return check_everything(os.environ, arguments)
            with Lease(Places(TEST)) as lease:
                return check_everything(lease.environment(os.environ), arguments)
    except (ServicesFailed, PlaceRefused) as fault:
        print(f"{fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
