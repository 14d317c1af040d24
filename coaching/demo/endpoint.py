"""Sends statements to the record store's own endpoint: the real request path, without a network."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from typing import Any

from django.core.handlers.wsgi import WSGIHandler

from signals.xapi import credentials

BATCH = 500


class Refused(Exception):
    """The record store did not take a batch; the message is its answer."""


@dataclass
class Totals:
    """What became of everything sent."""

    sent: int = 0
    stored: int = 0
    duplicates: int = 0
    quarantined: int = 0


@dataclass
class Endpoint:
    """The statements resource, spoken to with a credential of its own."""

    name: str
    now: datetime
    totals: Totals = field(default_factory=Totals)

    def __post_init__(self) -> None:
        made = credentials.create(name=self.name, permissions=["write", "bulk", "backfill"], now=self.now)
        self._authorization = "Basic " + base64.b64encode(f"{made.key}:{made.secret}".encode()).decode()
        self._handler = WSGIHandler()

    def send(self, bodies: Sequence[bytes]) -> None:
        """Posts these statements in batches; what is faulty waits in quarantine."""
        for start in range(0, len(bodies), BATCH):
            batch = bodies[start : start + BATCH]
            answer = self._post(b"[" + b",".join(batch) + b"]")
            self.totals.sent += len(batch)
            self.totals.stored += len(answer["ids"]) - len(answer["duplicates"])
            self.totals.duplicates += len(answer["duplicates"])
            self.totals.quarantined += len(answer["quarantined"])

    def _post(self, body: bytes) -> dict[str, Any]:
        status: list[str] = []
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/xapi/statements",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "HTTP_HOST": "127.0.0.1",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(body),
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": "application/json",
            "HTTP_AUTHORIZATION": self._authorization,
            "HTTP_X_EXPERIENCE_API_VERSION": "1.0.3",
            "HTTP_X_REKINDLE_INTAKE": "bulk",
        }

        def start_response(line: str, headers: Any, exc_info: Any = None, /) -> Any:
            status.append(line)

        response = self._handler(environ, start_response)
        try:
            answer = b"".join(response)
        finally:
            close = getattr(response, "close", None)
            if close is not None:
                close()
        if not status[0].startswith("200"):
            raise Refused(f"The record store answered {status[0]}: {answer[:500].decode(errors='replace')}")
        found: dict[str, Any] = json.loads(answer)
        return found
