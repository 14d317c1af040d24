"""``bin/demo``: the sample organisation on this machine, from an empty directory to a page in the browser."""

import argparse
import contextlib
import errno
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import NoReturn

from config.embedded import Lease, PlaceRefused, Places, ServicesFailed, is_needed
from config.embedded.leases import remove_data
from config.embedded.processes import spawn
from config.env import BASE_DIR, VAR_DIR
from config.supervise import Program, Supervisor, say, stop_stranded

HOST = "127.0.0.1"
STATE_FILE = VAR_DIR / "demo-processes.json"
LOGS = VAR_DIR / "log"
NEEDED_MEGABYTES = 700
FIRST_PAGE_SECONDS = 60.0


class DemoRefused(Exception):
    """The demo cannot go on; the message says in one sentence what is missing."""


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bin/demo", description="Rekindle with a sample organisation, on this machine alone."
    )
    parser.add_argument("--port", type=int, default=8000, help="where to serve (default: 8000)")
    parser.add_argument("--no-serve", action="store_true", help="set up and load, then stop")
    parser.add_argument("--reset", action="store_true", help="first remove what earlier runs stored")
    return parser


@contextlib.contextmanager
def only_demo() -> Iterator[None]:
    """Refuses a second demo in the same checkout: they would share data, and one would stop the other's."""
    VAR_DIR.mkdir(exist_ok=True)
    path = VAR_DIR / "demo.lock"
    path.touch()
    with path.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoRefused("The demo is already running in this directory.") from None
        yield


def check_port(port: int) -> None:
    """Refuses a port that somebody else serves."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as fault:
            taken = isinstance(fault, OSError) and fault.errno == errno.EADDRINUSE
            reason = "is taken" if taken else "cannot be used"
            raise DemoRefused(f"Port {port} {reason}; choose another one: bin/demo --port N.") from None


def check_disk(places: Places) -> None:
    """Refuses to begin what would end half-way on a full disk."""
    directory = next(path for path in (places.root, *places.root.parents) if path.exists())
    free = shutil.disk_usage(directory).free // 1_000_000
    if free < NEEDED_MEGABYTES:
        raise DemoRefused(f"The demo needs {NEEDED_MEGABYTES} MB of free disk at {directory}; it has {free}.")


def reset(places: Places) -> None:
    """Removes the demo's database and what else it wrote; nothing that it did not make."""
    if not is_needed(os.environ):
        raise DemoRefused("--reset removes the embedded database only; DATABASE_URL names another one.")
    removed = remove_data(places)
    shutil.rmtree(VAR_DIR / "outbox", ignore_errors=True)
    for schedule in VAR_DIR.glob("celerybeat-schedule*"):
        schedule.unlink()
    print("The demo's data was removed." if removed else "There was no data to remove.")


def manage(*command: str, environment: Mapping[str, str]) -> None:
    """Runs one management command on the terminal; its failure is ours."""
    child = spawn(
        [sys.executable, BASE_DIR / "manage.py", *command],
        log=None,
        on_parent_death=signal.SIGTERM,
        environment=environment,
        own_session=False,
    )
    try:
        status = child.wait()
    except BaseException:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(5)
        raise
    if status != 0:
        raise DemoRefused(f"manage.py {command[0]} failed (status {status}); what it said is above.")


def programs(port: int) -> list[Program]:
    """Web, worker and beat, as they also run in production."""
    python = Path(sys.executable)
    web: list[str | Path] = [python, "-m", "gunicorn", "config.wsgi:application", "--bind", f"{HOST}:{port}"]
    web += ["--worker-class", "gthread", "--workers", "2", "--threads", "8", "--graceful-timeout", "4"]
    if Path("/dev/shm").is_dir():
        web += ["--worker-tmp-dir", "/dev/shm"]  # a heartbeat on a slow disk looks like a hung worker
    celery: list[str | Path] = [python, "-m", "celery", "-A", "config"]
    worker = [*celery, "worker", "-Q", "path,delivery,upkeep", "-c", "2", "--loglevel", "INFO"]
    worker += ["--without-gossip", "--without-mingle"]  # there is one worker: nobody to greet
    beat = [*celery, "beat", "--loglevel", "INFO", "--pidfile", ""]
    return [Program("web", web), Program("worker", worker), Program("beat", beat)]


def wait_for_page(address: str, supervisor: Supervisor) -> bool:
    """Whether the web process answers in time."""
    end = time.monotonic() + FIRST_PAGE_SECONDS
    while time.monotonic() < end and not supervisor.is_asked_to_stop():
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=5) as answer:  # noqa: S310  (our own)
                if answer.status == 200:
                    return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(0.1)
    return False


def serve(port: int, *, environment: Mapping[str, str], lease: Lease | None) -> None:
    """Returns after Ctrl-C or SIGTERM, with everything stopped."""
    address = f"http://{HOST}:{port}"

    def watch() -> None:
        if lease is not None and not lease.has_keeper():
            say("the keeper of PostgreSQL and Valkey died; starting it again")
            lease.ensure()

    supervisor = Supervisor(
        programs(port),
        environment=dict(environment) | {"PUBLIC_URL": environment.get("PUBLIC_URL") or address},
        directory=BASE_DIR,
        state_file=STATE_FILE,
        logs=LOGS,
        watch=watch,
    )
    try:
        supervisor.start()
        if wait_for_page(address, supervisor):
            print(f"\nRekindle is at {address}/   (Ctrl-C stops it; logs are in {LOGS})", flush=True)
        elif not supervisor.is_asked_to_stop():
            say(f"the web process does not answer yet; see {LOGS / 'web.log'}")
        supervisor.run()
    finally:
        print("Stopping ...", flush=True)
        supervisor.stop()


def run(options: argparse.Namespace) -> None:
    places = Places()
    for name in stop_stranded(STATE_FILE):
        say(f"stopped a {name} process that an earlier demo left behind")
    if options.reset:
        reset(places)
    if not options.no_serve:
        check_port(options.port)
    check_disk(places)
    (VAR_DIR / "staticfiles").mkdir(exist_ok=True)  # WhiteNoise warns without it
    with contextlib.ExitStack() as stack:
        lease, environment = None, dict(os.environ)
        if is_needed(os.environ):
            print("Starting PostgreSQL and Valkey ...", flush=True)
            lease = stack.enter_context(Lease(places))
            environment = lease.environment(os.environ)
        print("Preparing the database ...", flush=True)
        manage("migrate", "--verbosity", "0", environment=environment)
        manage("load_demo", environment=environment)
        if not options.no_serve:
            serve(options.port, environment=environment, lease=lease)


def _on_terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)  # unwinds, so that the lease is given up and children are stopped


def main(argv: list[str]) -> int:
    options = arguments().parse_args(argv)
    signal.signal(signal.SIGTERM, _on_terminate)
    try:
        with only_demo():
            run(options)
    except (DemoRefused, ServicesFailed, PlaceRefused) as fault:
        print(f"{fault}", file=sys.stderr)
        return 1
    except PermissionError as fault:
        print(f"{fault.filename} cannot be written by this user: run bin/demo as its owner.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
