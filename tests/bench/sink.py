"""A mail server that writes down what it takes, refuses whom it should, and kills who is talking to it.

It runs in a process of its own. What it took stands in a file, a line for each mail, written before it answers: time
by this machine's clock, Message-ID, recipient. A client that calls itself ``worker-<pid>…`` is now and then killed
with SIGKILL, either before its mail is taken or after it was taken and before it is told so.
"""

import asyncio
import contextlib
import email
import email.policy
import logging
import os
import random
import re
import signal
import socket
import time
from pathlib import Path
from typing import Any, NamedTuple

from aiosmtpd.smtp import SMTP

_WORKER = re.compile(r"worker-(\d+)\.")


class Taken(NamedTuple):
    """A mail that the server took."""

    clock: float  # time.time()
    message_id: str
    address: str


class Sink:
    """``gone…`` are addresses that do not exist; every other try of ``later…`` is put off."""

    def __init__(self, path: Path, *, kill: float, seed: int) -> None:
        self.out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.kill, self.chance = kill, random.Random(seed)
        self.put_off: set[str] = set()

    async def handle_EHLO(  # noqa: N802  # the library's name
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return responses

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        self._perhaps_kill(session)
        if address.startswith("gone"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("later"):
            self.put_off ^= {address}
            if address in self.put_off:
                return "451 4.7.1 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        mail: Any = email.message_from_bytes(envelope.content, policy=email.policy.default)
        line = f"{time.time()}\t{mail['Message-ID']}\t{envelope.rcpt_tos[0]}\n"
        os.write(self.out, line.encode())
        self._perhaps_kill(session)
        return "250 OK"

    def _perhaps_kill(self, session: Any) -> None:
        found = _WORKER.match(session.host_name or "")
        if found and self.chance.random() < self.kill:
            with contextlib.suppress(ProcessLookupError):  # somebody else killed it just now
                os.kill(int(found[1]), signal.SIGKILL)


def serve(path: Path, port: Any, stop: Any, *, kill: float = 0.0, seed: int = 1) -> None:
    """Listens on a free port of 127.0.0.1, tells it to the queue ``port``, and goes on until ``stop`` is set."""
    logging.disable(logging.WARNING)  # a killed client is a broken connection
    asyncio.run(_serve(path, port, stop, kill, seed))


async def _serve(path: Path, port: Any, stop: Any, kill: float, seed: int) -> None:
    sink = Sink(path, kill=kill, seed=seed)
    loop = asyncio.get_running_loop()
    listening = socket.create_server(("127.0.0.1", 0))
    server = await loop.create_server(lambda: SMTP(sink, loop=loop), sock=listening)
    port.put(listening.getsockname()[1])
    await loop.run_in_executor(None, stop.wait)
    server.close()


def taken(path: Path) -> list[Taken]:
    """Everything that the server took, in order."""
    found = []
    for line in path.read_text().splitlines() if path.exists() else ():
        clock, message_id, address = line.split("\t")
        found.append(Taken(float(clock), message_id, address))
    return found
