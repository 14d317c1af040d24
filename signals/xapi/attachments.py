"""Files that come with statements: checked against their sums, kept once, handed out again (1.0.3 Data 2.4.11)."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from consent.crypto import decrypt, encrypt, keyed_hash
from signals.models import Attachment, AttachmentUse
from signals.xapi.faults import Faults
from signals.xapi.multipart import HASH_HEADER, File, split
from signals.xapi.signatures import USAGE, check_signature
from signals.xapi.wire import BadRequest

if TYPE_CHECKING:
    from signals.reading import Reading

NO_FILES: Mapping[str, File] = {}
# A SHA-2 sum is as long as its kind says.
_KINDS = {56: hashlib.sha224, 64: hashlib.sha256, 96: hashlib.sha384, 128: hashlib.sha512}


def unpack(body: bytes, content_type: str) -> tuple[bytes, dict[str, File]]:
    """(the statements' JSON, sum → file) of a multipart/mixed body. Raises BadRequest."""
    parts = split(body, content_type)
    if not parts or parts[0].headers.get_content_type() != "application/json":
        raise BadRequest(
            "part 0",
            "is not the statements",
            "Send them as the first part, with Content-Type application/json.",
        )
    files: dict[str, File] = {}
    for number, part in enumerate(parts[1:], 1):
        sha2 = (part.headers.get(HASH_HEADER) or "").strip().lower()
        if not sha2:
            raise BadRequest(
                f"part {number}",
                f"has no {HASH_HEADER}",
                "Send the file's SHA-2 sum, as its statement has it.",
            )
        if (part.headers.get("Content-Transfer-Encoding") or "").strip().lower() != "binary":
            raise BadRequest(
                f"part {number}",
                "is not sent as binary",
                "Send the file as it is, with Content-Transfer-Encoding: binary.",
            )
        kind = _KINDS.get(len(sha2))
        if kind is None or kind(part.content).hexdigest() != sha2:
            raise BadRequest(
                f"part {number}",
                f"is not the file its {HASH_HEADER} says",
                "Send the SHA-2 sum of exactly the bytes between the part's empty line and the next boundary.",
            )
        files[sha2] = File(sha2, part.headers.get("Content-Type") or "application/octet-stream", part.content)
    return parts[0].content, files


def check_files(statement: dict[str, Any], files: Mapping[str, File], faults: Faults) -> list[str]:
    """The sums of the files sent that this (valid) statement names; adds what is wrong about those it lacks."""
    named = _check_list(statement, "$", files, faults)
    target = statement["object"]
    if target.get("objectType") == "SubStatement":
        named += _check_list(target, "$.object", files, faults)
    return list(dict.fromkeys(named))


def _check_list(statement: dict[str, Any], path: str, files: Mapping[str, File], faults: Faults) -> list[str]:
    named: list[str] = []
    for number, entry in enumerate(statement.get("attachments", ())):
        where = f"{path}.attachments[{number}]"
        sha2 = entry["sha2"].lower()
        if sha2 in files:
            named.append(sha2)
        elif "fileUrl" not in entry:
            faults.add(
                where,
                "names neither a file of this request nor an address",
                "Send the file as a part of a multipart/mixed request, or say where it is as fileUrl.",
                "missing",
            )
        if entry["usageType"] == USAGE:
            check_signature(statement, entry, files.get(sha2), where, faults)
    return named


def unclaimed(readings: Iterable["Reading"], files: Mapping[str, File]) -> set[str]:
    """The sums of files that no statement of the request names."""
    return set(files) - {sha2 for reading in readings for sha2 in reading.files}


def keep(readings: Sequence["Reading"], files: Mapping[str, File]) -> None:
    """Stores the files that these statements came with. In the transaction that stores the statements."""
    wanted = sorted({sha2 for reading in readings for sha2 in reading.files})
    Attachment.objects.bulk_create(
        [
            Attachment(
                key=_key(sha2),
                content_type=files[sha2].content_type[:255],
                content=encrypt(files[sha2].content),
                length=len(files[sha2].content),
            )
            for sha2 in wanted
        ],
        ignore_conflicts=True,
    )
    AttachmentUse.objects.bulk_create(
        [
            AttachmentUse(attachment_id=_key(sha2), statement_id=reading.id)
            for reading in readings
            for sha2 in reading.files
        ],
        ignore_conflicts=True,
    )


def files_of(statements: Mapping[UUID, dict[str, Any]]) -> list[File]:
    """The files kept with these statements, each once, in the order they are named."""
    sums: dict[bytes, str] = {}
    types: dict[bytes, str] = {}
    for statement in statements.values():
        for entry in (*statement.get("attachments", ()), *statement["object"].get("attachments", ())):
            sha2 = entry["sha2"].lower()
            sums[_key(sha2)] = sha2
            types[_key(sha2)] = entry["contentType"]
    if not sums:
        return []
    # Only files that came with one of these statements: whoever merely knows a sum does not get the file by it.
    rows = Attachment.objects.filter(pk__in=[*sums], uses__statement__in=[*statements]).distinct()
    content = {bytes(row.pk): decrypt(bytes(row.content)) for row in rows}
    return [File(sha2, types[key], content[key]) for key, sha2 in sums.items() if key in content]


def _key(sha2: str) -> bytes:
    return keyed_hash("attachment", sha2)
