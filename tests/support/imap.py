"""A small real IMAP server on this machine: as much of RFC 3501 as reading a mailbox takes."""

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Postbox:
    """What lies in the one folder, and which of it was read."""

    mails: list[bytes] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)  # numbers from 1
    password: str = "box-pass"
    port: int = 0

    @property
    def url(self) -> str:
        return f"imap://bounces:{self.password}@127.0.0.1:{self.port}/INBOX"


@contextmanager
def imap_server() -> Iterator[Postbox]:
    """Listens on a free port of 127.0.0.1 until the end."""
    box = Postbox()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"* OK ready\r\n")
            for line in self.rfile:
                tag, _, command = line.decode().strip().partition(" ")
                if not self._does(command):
                    self.wfile.write(f"{tag} NO not here\r\n".encode())
                    continue
                self.wfile.write(f"{tag} OK done\r\n".encode())
                if command.upper().startswith("LOGOUT"):
                    return

        def _does(self, command: str) -> bool:
            upper = command.upper()
            if upper.startswith("CAPABILITY"):
                self.wfile.write(b"* CAPABILITY IMAP4rev1\r\n")
            elif upper.startswith("LOGIN"):
                return box.password in command
            elif upper.startswith("SELECT"):
                if "INBOX" not in command:
                    return False
                self.wfile.write(f"* {len(box.mails)} EXISTS\r\n".encode())
            elif upper.startswith("UID SEARCH"):
                unread = [str(n) for n in range(1, len(box.mails) + 1) if n not in box.seen]
                self.wfile.write(f"* SEARCH {' '.join(unread)}\r\n".encode())
            elif upper.startswith("UID FETCH"):
                number = int(command.split()[2])
                raw = box.mails[number - 1]
                self.wfile.write(f"* {number} FETCH (UID {number} BODY[] {{{len(raw)}}}\r\n".encode())
                self.wfile.write(raw + b")\r\n")
            elif found := re.match(r"UID STORE (\d+) \+FLAGS.*Seen", command):
                box.seen.add(int(found.group(1)))
            return True

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    box.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield box
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
