"""A light HTTP client: the request's bytes are made beforehand, the connection is kept, answers are barely read.

``http.client`` costs 400 µs of processor a request, which on two cores is a fifth of what is measured.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterable


def request(method: str, target: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """The bytes of one request."""
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Client:
    """One connection that is kept."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = self._connected()

    def _connected(self) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self._port), timeout=60)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def send(self, data: bytes) -> tuple[int, bytes]:
        """The status and content of the answer."""
        self._socket.sendall(data)
        got = b""
        while (end := got.find(b"\r\n\r\n")) < 0:
            part = self._socket.recv(65536)
            if not part:
                raise ConnectionError("the server closed the connection")
            got += part
        head = got[:end].lower()
        start = head.find(b"content-length:")
        length = int(head[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
        parts = [got[end + 4 :]]
        missing = length - len(parts[0])
        while missing > 0:
            part = self._socket.recv(min(missing, 1 << 20))
            if not part:
                raise ConnectionError("the server closed the connection")
            parts.append(part)
            missing -= len(part)
        if b"connection: close" in head:
            self._socket.close()
            self._socket = self._connected()
        return int(got[9:12]), b"".join(parts)


def send_all(requests: Iterable[bytes], port: int, clients: int) -> tuple[float, list[float]]:
    """Seconds in all, and of each request, sent by so many clients at once. Ends at the first refusal."""
    waiting = iter(requests)
    lock = threading.Lock()
    took: list[float] = []
    wrong: list[str] = []

    def work() -> None:
        client = Client(port)
        while not wrong:
            with lock:
                data = next(waiting, None)
            if data is None:
                return
            start = time.perf_counter()
            try:
                status, content = client.send(data)
            except OSError as error:
                wrong.append(repr(error))
                return
            took.append(time.perf_counter() - start)
            if status != 200:
                wrong.append(f"{status}: {content[:500]!r}")

    seconds = at_once(work, clients)
    if wrong:
        raise SystemExit(f"refused: {wrong[0]}")
    return seconds, sorted(took)


def at_once(work: Callable[[], None], count: int) -> float:
    """The seconds until so many threads have done the same work."""
    threads = [threading.Thread(target=work) for _ in range(count)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start
