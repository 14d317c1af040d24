"""Runs the ADL conformance suite against this checkout, for xAPI 1.0.3 and 2.0, and demands that all of it passes.

    git clone https://github.com/adlnet/lrs-conformance-test-suite SUITE && (cd SUITE && npm install)
    python -m tests.bench.conformance SUITE

Starts gunicorn on a free port of 127.0.0.1, on the database that DATABASE_URL names. Ends with 1 unless for each
version the tests passed are all the tests there are: a failing set-up hook hides tests, so counting failures alone
would not do.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

VERSIONS = ("1.0.3", "2.0.0")
LONGEST_S = 600


def prepare() -> tuple[str, str]:
    """(key, secret) of a credential that may do everything."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.core.management import call_command
    from django.utils import timezone

    from signals.xapi import credentials

    call_command("migrate", verbosity=0)
    made = credentials.create(name="conformance", permissions=["all"], now=timezone.now())
    return made.key, made.secret


def run(suite: Path, version: str, key: str, secret: str) -> dict[str, Any]:
    """The suite's own log of one version."""
    port = free_port()
    logs = suite / "logs"
    before = set(logs.glob("*.log")) if logs.is_dir() else set()
    with serve(port, os.environ | {"XAPI_VERSION": version}), tempfile.TemporaryFile() as said:
        subprocess.run(
            ["node", "bin/console_runner.js", "-e", f"http://127.0.0.1:{port}/xapi", "-a", "-u", key, "-p", secret,
             "-x", version, "-z"],
            cwd=suite,
            stdout=said,
            stderr=said,
            timeout=LONGEST_S,
            check=False,
        )  # fmt: skip
    (log,) = set(logs.glob("*.log")) - before
    found: dict[str, Any] = json.loads(log.read_text())
    return found


def failures(part: dict[str, Any], path: tuple[str, ...] = ()) -> list[str]:
    """What failed, each with where it stands in the suite."""
    path = (*path, str(part.get("title") or part.get("name") or ""))
    inner = part.get("tests") or []
    if not inner:
        return [f"{' > '.join(path[-2:])}: {part.get('error')}"] if part.get("status") == "failed" else []
    return [failure for one in inner for failure in failures(one, path)]


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serve(port: int, environment: Mapping[str, str]) -> Iterator[None]:
    """gunicorn on that port while the block runs."""
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread",
         "--workers", "2", "--threads", "4", "--log-level", "error"],
        env=dict(environment),
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _await(port)
        yield
    finally:
        server.terminate()
        server.wait(10)


def _await(port: int) -> None:
    for _ in range(100):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/xapi/about", timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("gunicorn did not answer within 20 s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", type=Path, help="a checkout of the suite, with its packages installed")
    parser.add_argument("--version", choices=VERSIONS, action="append")
    options = parser.parse_args()
    key, secret = prepare()
    whole = True
    for version in options.version or VERSIONS:
        log = run(options.suite.resolve(), version, key, secret)
        summary = log["summary"]
        print(f"xAPI {version}: {summary['passed']} of {summary['total']} passed, {summary['failed']} failed")
        for failure in failures(log.get("log") or {}):
            print(f"  {failure}")
        whole = whole and summary["passed"] == summary["total"] > 0
    raise SystemExit(0 if whole else 1)


if __name__ == "__main__":
    main()
