"""The supervisor restarts what dies, stops everything, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.embedded.processes import birth
from config.env import BASE_DIR
from config.supervise import stop_stranded
from tests.embedded.test_servers import eventually

pytestmark = pytest.mark.slow

SUPERVISE = """
import os, sys
from pathlib import Path
from config.supervise import Program, Supervisor
directory = Path(sys.argv[1])
# Each program has a child of its own, as gunicorn and Celery have.
child = "import time; time.sleep(60)"
parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}]).wait()"
supervisor = Supervisor(
    [Program(name, [sys.executable, "-c", parent]) for name in ("web", "worker")],
    environment=os.environ, directory=directory, state_file=directory / "state.json", logs=directory / "log",
)
supervisor.start()
print("started", flush=True)
supervisor.run()
supervisor.stop()
"""


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A running supervisor of two programs."""
    child = subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=BASE_DIR
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "started\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()
    stop_stranded(tmp_path / "state.json")


def pids(directory: Path) -> dict[str, int]:
    try:
        return {name: pid for name, (pid, _) in json.loads((directory / "state.json").read_text()).items()}
    except FileNotFoundError:
        return {}


def test_it_restarts_a_killed_program_and_leaves_the_others(
    supervisor: subprocess.Popen[str], tmp_path: Path
) -> None:
    before = pids(tmp_path)

    os.kill(before["web"], signal.SIGKILL)

    assert eventually(lambda: pids(tmp_path).get("web") not in (None, before["web"]))
    assert pids(tmp_path)["worker"] == before["worker"]
    assert birth(pids(tmp_path)["web"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_everything_when_asked(
    supervisor: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    before = pids(tmp_path)

    supervisor.send_signal(number)

    assert supervisor.wait(10) == 0
    assert not any(birth(pid) for pid in before.values())
    assert not (tmp_path / "state.json").exists()


def test_it_finds_what_a_killed_supervisor_left(tmp_path: Path) -> None:
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    state = {"web": (left.pid, birth(left.pid)), "worker": (stranger.pid, "another boot 123")}
    (tmp_path / "state.json").write_text(json.dumps(state))

    stopped = stop_stranded(tmp_path / "state.json")

    assert stopped == ["web"]
    assert left.wait(5) == -signal.SIGTERM
    assert stranger.poll() is None  # its id was reused: not ours to stop
    stranger.kill()
    stranger.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help exists on Linux only")
def test_it_takes_its_programs_along_when_killed(supervisor: subprocess.Popen[str], tmp_path: Path) -> None:
    before = pids(tmp_path)

    supervisor.kill()

    assert eventually(lambda: not any(birth(pid) for pid in before.values()))
