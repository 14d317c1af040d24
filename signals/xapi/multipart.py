"""multipart/mixed as xAPI uses it: the statements first, then the files they name (1.0.3 Communication 1.5.2).

Split by hand, at the boundary and nowhere else: a mail parser would look for structure inside a file that happens to
be a mail or a multipart message itself, and the files' bytes must come through as they are (RFC 2046, 5.1.1).
"""

import re
from collections.abc import Iterable
from email.message import Message
from email.parser import HeaderParser
from typing import NamedTuple

from signals.xapi.wire import BadRequest

HASH_HEADER = "X-Experience-API-Hash"
_PADDING = re.compile(rb"[ \t]*\r\n")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]\Z")
_FRAMING = (
    "Separate the parts as RFC 2046 says: CRLF, two hyphens, the boundary; two more hyphens after the last."
)
MOST_PARTS = 1000


class File(NamedTuple):
    """A file that came with statements, or goes out with them."""

    sha2: str  # of the content, in lower-case hexadecimal, as its statement names it
    content_type: str
    content: bytes


class Part(NamedTuple):
    """One part as it came."""

    headers: Message
    content: bytes


def split(body: bytes, content_type: str) -> list[Part]:
    """The parts of a body of this type. Raises BadRequest where it is not framed as RFC 2046 says."""
    boundary = _boundary_of(content_type)
    first, *rest = (b"\r\n" + body).split(b"\r\n--" + boundary)
    del first  # what stands before the first boundary means nothing
    if not rest or not any(chunk.startswith(b"--") for chunk in rest):
        raise BadRequest("body", "is not closed by the boundary the Content-Type names", _FRAMING)
    if len(rest) > MOST_PARTS:
        raise BadRequest("body", f"holds more than {MOST_PARTS} parts", "Send fewer files at once.", 413)
    parts = []
    for number, chunk in enumerate(rest):
        if chunk.startswith(b"--"):
            break
        padding = _PADDING.match(chunk)
        if padding is None:
            raise BadRequest(f"part {number}", "does not begin on a new line", _FRAMING)
        parts.append(_part(chunk[padding.end() :]))
    return parts


def _boundary_of(content_type: str) -> bytes:
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_param("boundary")
    if not isinstance(boundary, str) or not _BOUNDARY.match(boundary):
        raise BadRequest("Content-Type", "names no boundary", 'Send multipart/mixed; boundary="…".')
    return boundary.encode("ascii")


def _part(chunk: bytes) -> Part:
    if chunk.startswith(b"\r\n"):  # no headers
        return Part(Message(), chunk[2:])
    head, _, content = chunk.partition(b"\r\n\r\n")
    return Part(HeaderParser().parsestr(head.decode("latin-1")), content)


def join(statements: bytes, files: Iterable[File], boundary: str) -> bytes:
    """A body with the statements as its first part. The caller has seen that the boundary is in none of them."""
    edge = b"--" + boundary.encode()
    out = [edge, b"Content-Type: application/json", b"", statements]
    for file in files:
        out += [
            edge,
            b"Content-Type: " + file.content_type.encode("latin-1", "replace"),
            b"Content-Transfer-Encoding: binary",
            f"{HASH_HEADER}: {file.sha2}".encode(),
            b"",
            file.content,
        ]
    return b"\r\n".join([*out, edge + b"--", b""])
