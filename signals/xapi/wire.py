"""What every answer of the record store has in common: version, errors, JSON, compression."""

import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from signals.xapi.faults import Fault

VERSION_HEADER = "X-Experience-API-Version"
THROUGH_HEADER = "X-Experience-API-Consistent-Through"
MOST_PARTS = 1000  # of one gzip file: each costs a copy of the rest
NEWEST_1 = "1.0.3"
NEWEST_2 = "2.0.0"

encode = msgspec.json.Encoder().encode


class BadRequest(Exception):
    """The request itself is wrong; says what and what to mend."""

    def __init__(self, where: str, fault: str, mend: str, status: int = 400) -> None:
        super().__init__(fault)
        self.where, self.fault, self.mend, self.status = where, fault, mend, status


def version_of(request: HttpRequest) -> str:
    """The version we answer in: the newest of the major version asked for, else that of the settings."""
    asked = request.headers.get(VERSION_HEADER) or settings.XAPI_VERSION
    return NEWEST_2 if asked.startswith("2.") else NEWEST_1


def major_of(request: HttpRequest) -> int:
    """The major version of xAPI spoken in this request."""
    return 2 if version_of(request) == NEWEST_2 else 1


def body_of(request: HttpRequest) -> bytes:
    """The bytes sent, unpacked where they came compressed, never more than the allowed size."""
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 2**31
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return request.body
    if encoding not in ("gzip", "deflate"):
        raise BadRequest("Content-Encoding", "is not one we read", "Send gzip, deflate, or no encoding.", 415)
    out, rest, parts = bytearray(), request.body, 0
    while rest or not out:  # one gzip file may be several, one after the other (RFC 1952, 2.2)
        unpack = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        try:
            out += unpack.decompress(rest, max(most - len(out), 1))
        except zlib.error as error:
            raise BadRequest("body", "cannot be unpacked", f"Send whole, well-formed {encoding}.") from error
        if unpack.unconsumed_tail or len(out) > most:
            raise BadRequest(
                "body", f"unpacks to more than {most} bytes", "Send fewer statements at once.", 413
            )
        if not unpack.eof:
            raise BadRequest("body", "ends too early", f"Send whole, well-formed {encoding}.")
        # Files may be filled up with zeros.
        rest = unpack.unused_data.lstrip(b"\0")
        parts += 1
        if parts == MOST_PARTS and rest:
            raise BadRequest("body", f"has more than {MOST_PARTS} parts", "Compress it in one piece.", 413)
        if not out and not rest:
            break
    return bytes(out)


def json_response(value: Any, status: int = 200) -> HttpResponse:
    """The value as JSON."""
    return HttpResponse(encode(value), status=status, content_type="application/json")


def refusal(status: int, faults: Iterable[tuple[str, str, str]]) -> HttpResponse:
    """An error, each fault with its place and what to mend."""
    return json_response(
        {"faults": [{"path": where, "fault": fault, "mend": mend} for where, fault, mend in faults]}, status
    )


def faulty(faults: Iterable[Fault]) -> HttpResponse:
    """The faults of statements, each with the number of its statement in the batch."""
    return json_response({"faults": [fault_dict(fault) for fault in faults]}, 400)


def fault_dict(fault: Fault) -> dict[str, Any]:
    """A fault as it is sent."""
    return {"statement": fault.index, "path": fault.path, "fault": fault.fault, "mend": fault.mend}


def stamp(moment: datetime) -> str:
    """A moment as the standard writes it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
