"""The commands in bin/: what they say when something is missing."""

import importlib.util
import re
import socket
import subprocess
import sys
from types import ModuleType

import pytest

from config import demo
from config.embedded import Places
from config.env import BASE_DIR


@pytest.fixture
def bootstrap() -> ModuleType:
    """bin/_bootstrap.py as a module; it lies in no package, for it runs before there is one."""
    spec = importlib.util.spec_from_file_location("_bootstrap", BASE_DIR / "bin" / "_bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("ERROR: Could not install: [Errno 28] No space left on device", "disk is full"),
        ("WARNING: Retrying after connection broken by 'ProxyError(...)'", "is there a network"),
        ("ERROR: No matching distribution found for amqp==5.4.2", r"fetched \(amqp==5.4.2\)"),
        ("ERROR: [Errno 13] Permission denied: '/srv/rekindle/.venv'", "cannot be written by this user"),
    ],
)
def test_it_names_the_usual_causes_in_a_sentence(
    bootstrap: ModuleType, capsys: pytest.CaptureFixture[str], output: str, sentence: str
) -> None:
    with pytest.raises(SystemExit):
        bootstrap.explain(output, "install the Python packages")

    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1
    assert re.search(sentence, said)


def test_it_shows_what_pip_said_when_the_cause_is_unusual(
    bootstrap: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        bootstrap.explain("something nobody foresaw\n", "install the Python packages")

    assert "something nobody foresaw" in capsys.readouterr().err


def test_it_refuses_a_port_that_is_taken() -> None:
    with socket.socket() as other:
        other.bind((demo.HOST, 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(demo.DemoRefused, match=f"Port {port} is taken"):
            demo.check_port(port)

    demo.check_port(port)


def test_it_refuses_to_reset_a_database_it_did_not_make(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://somebody@elsewhere/precious")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere")

    with pytest.raises(demo.DemoRefused, match="DATABASE_URL names another one"):
        demo.reset(Places())


@pytest.mark.slow
def test_it_refuses_production_without_a_database_of_its_own() -> None:
    environ = {
        "REKINDLE_ENV": "production",
        "SECRET_KEY": "x",
        "FIELD_KEYS": "x",
        "PYTHONPATH": str(BASE_DIR),
    }

    done = subprocess.run(
        [sys.executable, "-m", "config.embedded", "run", "main", sys.executable, "manage.py", "check"],
        cwd=BASE_DIR,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert "Production does not run on the embedded services; set DATABASE_URL." in done.stderr
