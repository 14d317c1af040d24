"""Child processes that do not outlive us, and telling ours from strangers with the same id."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from config.embedded.places import Account

_ON_LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if _ON_LINUX else None


def _die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """A function for the child, between fork and exec: the kernel signals it when its parent dies.

    Elsewhere than on Linux the next start finds and stops what a killed parent left behind.
    """
    if _libc is None:
        return None
    parent, prctl = os.getpid(), _libc.prctl

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it died between the fork and the line above
            os._exit(1)

    return arrange


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path | None,
    on_parent_death: signal.Signals,
    account: Account | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    own_session: bool = True,
) -> subprocess.Popen[bytes]:
    """The started process. Call it from the main thread: the kernel takes the *thread* for the parent."""
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(log.open("ab")) if log is not None else None
        return subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL if log is not None else None,
            stdout=output,
            stderr=subprocess.STDOUT if log is not None else None,
            start_new_session=own_session,
            preexec_fn=_die_with_parent(on_parent_death),  # noqa: PLW1509  (we start no threads)
            env=dict(environment) if environment is not None else None,
            cwd=directory,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )


def command_line(pid: int) -> str:
    """The command the process was started with; empty when there is no such process (or only its zombie)."""
    if _ON_LINUX:
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    return _ps(pid, "command=")


def birth(pid: int) -> str:
    """What distinguishes this process from a later one with the same id; empty when there is none."""
    if not _ON_LINUX:
        return _ps(pid, "lstart=")
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    state, *fields = status.rpartition(")")[2].split()
    return "" if state == "Z" else f"{boot} {fields[18]}"


def _ps(pid: int, column: str) -> str:
    command = ["ps", "-ww", "-o", column, "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip()


def wait_gone(is_gone: Callable[[], bool], seconds: float) -> bool:
    """Whether it became true in time."""
    end = time.monotonic() + seconds
    while not is_gone():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def stop_by_steps(
    send: Callable[[signal.Signals], None],
    is_gone: Callable[[], bool],
    steps: Sequence[tuple[signal.Signals, float]],
) -> bool:
    """Asks ever less politely: each signal, then its seconds of patience. Whether it is gone."""
    for number, seconds in steps:
        if is_gone():
            return True
        with contextlib.suppress(ProcessLookupError):
            send(number)
        if wait_gone(is_gone, seconds):
            return True
    return is_gone()


def stop_stranded(
    pid: int, is_ours: Callable[[], bool], steps: Sequence[tuple[signal.Signals, float]]
) -> bool:
    """Stops a process that an earlier, killed parent left behind, if it is still that process."""
    return stop_by_steps(lambda number: os.kill(pid, number), lambda: not is_ours(), steps)
