"""A real HTTP server on this machine, which keeps what it is asked and answers what it is told to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Asked(NamedTuple):
    """One request, as it arrived."""

    method: str
    path: str
    headers: dict[str, str]  # names in small letters
    body: bytes


@dataclass
class Listener:
    """What was asked, and what is answered: the answers in turn, the last one from then on."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=lambda: [(200, {}, b"ok")])
    silent_from: int = 0  # this request and later ones get no answer while the server runs; 0: all get one
    drips: bool = False  # the answer comes byte by byte, and stops when the server does
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def next_answer(self) -> tuple[int, dict[str, str], bytes]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def http_server() -> Iterator[Listener]:
    """Listens on a free port of 127.0.0.1 until the end."""
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            listener.asked.append(Asked(self.command, self.path, headers, body))
            if listener.silent_from and len(listener.asked) >= listener.silent_from:
                listener.closing.wait(30)
                return
            status, given, text = listener.next_answer()
            self.send_response(status)
            for name, value in {**given, "Content-Length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            if listener.drips:
                with suppress(OSError):  # whoever asked has gone
                    for place in range(len(text)):
                        self.wfile.write(text[place : place + 1])
                        if listener.closing.wait(0.02):
                            return
                return
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = _take  # noqa: N815  # the library's names

        def log_message(self, format: str, *args: object) -> None:
            """Tests read what was asked, not a log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        listener.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
