"""``python -m config.embedded run KIND COMMAND ...``: the command, with the services it needs running."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import FrameType

from config.embedded.leases import Lease, ServicesFailed, is_needed
from config.embedded.places import PlaceRefused, Places
from config.embedded.processes import spawn


def run(command: Sequence[str], *, environment: Mapping[str, str]) -> int:
    """The command's exit status. It gets the terminal, and every signal meant for it."""
    child: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, frame: FrameType | None) -> None:
        if child is not None:
            child.send_signal(number)

    def leave_to_child(number: int, frame: FrameType | None) -> None:
        """Ctrl-C reaches the child by itself, for it is in our process group; we wait for its answer."""

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGHUP, pass_on)
    signal.signal(signal.SIGINT, leave_to_child)
    child = spawn(
        command, log=None, on_parent_death=signal.SIGTERM, environment=environment, own_session=False
    )
    status = child.wait()
    return 128 - status if status < 0 else status


def main(arguments: list[str]) -> int:
    verb, kind, *command = arguments
    if verb != "run" or not command:
        print(__doc__, file=sys.stderr)
        return 2
    if not is_needed(os.environ):
        os.execvp(command[0], command)
    try:
        with Lease(Places(kind)) as lease:
            return run(command, environment=lease.environment(os.environ))
    except (ServicesFailed, PlaceRefused) as fault:
        print(f"{fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
