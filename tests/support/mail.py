"""A real SMTP server on this machine, which keeps what it is given and refuses whom it is told to."""

import asyncio
import email
import email.policy
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP


class Mailbox:
    """What the server took in, and what it answers to whom."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.senders: list[str] = []  # the envelope's, of each message
        self.refuse: dict[str, str] = {}  # recipient → the answer to RCPT
        self.answer = "250 OK"  # to the message itself
        self.connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_EHLO(  # noqa: N802  # the library's name
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.answer.startswith("250"):
            read: Any = email.message_from_bytes(envelope.content, policy=email.policy.default)
            self.messages.append(read)
            self.senders.append(envelope.mail_from)
        return self.answer


@contextmanager
def smtp_server() -> Iterator[Mailbox]:
    """Listens on a free port of 127.0.0.1 until the end."""
    mailbox = Mailbox()
    loop = asyncio.new_event_loop()
    listening = socket.create_server(("127.0.0.1", 0))
    mailbox.port = listening.getsockname()[1]
    server = loop.run_until_complete(loop.create_server(lambda: SMTP(mailbox, loop=loop), sock=listening))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield mailbox
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
