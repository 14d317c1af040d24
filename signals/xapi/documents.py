"""Documents: what clients keep under an activity, an agent or both (xAPI 1.0.3 Communication 2.2; IEEE 4.1.6).

Whoever overwrites a document must have seen it: entity tags say which version a client means, and a write locks the
document's row, so of two clients with the same tag one wins and the other is told.
"""

import hashlib
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.db import transaction

from consent.crypto import decrypt, encrypt, keyed_hash
from signals.models import Document
from signals.xapi.depth import MOST_DEEP, is_too_deep
from signals.xapi.wire import BadRequest

JSON = "application/json"


class Where(NamedTuple):
    """Which documents are meant: those of one resource under one activity, agent and registration."""

    kind: Document.Kind
    activity: int | None = None
    agent: bytes | None = None
    registration: UUID | None = None


class Preconditions(NamedTuple):
    """The entity tags a client names. Empty: it names none."""

    if_match: frozenset[str]
    if_none_match: frozenset[str]


class Content(NamedTuple):
    """What a document holds."""

    body: bytes
    content_type: str
    etag: str
    updated_at: datetime


def tag_of(body: bytes) -> str:
    """The entity tag of these bytes: their SHA-1 sum, as xAPI 1.0.3 wants it (Communication 3.1)."""
    return hashlib.sha1(body, usedforsecurity=False).hexdigest()


def read(where: Where, name: str) -> Content | None:
    """The document of this name."""
    row = _rows(where).filter(name_hash=_name_hash(name)).first()
    if row is None:
        return None
    body = decrypt(bytes(row.content))
    return Content(body, row.content_type, tag_of(body), row.updated_at)


def names(where: Where, *, since: datetime | None, any_registration: bool = False) -> list[str]:
    """The names of the documents changed since that moment, oldest change first."""
    rows = _rows(where, any_registration=any_registration)
    if since is not None:
        rows = rows.filter(updated_at__gt=since)
    return list(dict.fromkeys(rows.order_by("updated_at", "pk").values_list("name", flat=True)))


@transaction.atomic
def put(
    where: Where,
    name: str,
    body: bytes,
    content_type: str,
    wanted: Preconditions,
    *,
    must_have_seen: bool,
    must_say: bool,
    now: datetime,
) -> None:
    """Keeps the document in place of what was there.

    ``must_have_seen``: not over a document there is, without naming its tag. ``must_say``: not without any
    precondition, even where there is no document.
    """
    row = _locked(where, name)
    says_nothing = not (wanted.if_match or wanted.if_none_match)
    if must_say and row is None and says_nothing:
        raise BadRequest(
            "If-None-Match",
            "is missing, and so is If-Match",
            "To create a document send If-None-Match: *; to replace one, send its ETag as If-Match.",
        )
    if must_have_seen and row is not None and says_nothing:
        raise BadRequest(
            "If-Match",
            "is missing, and there is a document of this name",
            "Read it and send its ETag as If-Match; to create one only where there is none: If-None-Match: *.",
            409,
        )
    _check(row, wanted)
    _check_object(body, content_type)
    if not _keep(row, where, name, body, content_type, now):
        put(
            where,
            name,
            body,
            content_type,
            wanted,
            must_have_seen=must_have_seen,
            must_say=must_say,
            now=now,
        )


@transaction.atomic
def merge(
    where: Where, name: str, body: bytes, content_type: str, wanted: Preconditions, *, now: datetime
) -> None:
    """Puts the properties of a JSON object over those of the document there is, one level deep (2.2, POST)."""
    row = _locked(where, name)
    _check(row, wanted)
    sent = _check_object(body, content_type)
    if row is None:
        if not _keep(None, where, name, body, content_type, now):
            merge(where, name, body, content_type, wanted, now=now)
        return
    if not is_json(content_type) or not is_json(row.content_type):
        raise BadRequest(
            "Content-Type",
            "of the document sent, or of the one kept, is not application/json",
            "Only JSON objects can be merged; to replace the document use PUT.",
        )
    kept = _object(decrypt(bytes(row.content)))
    if kept is None or sent is None:
        raise BadRequest(
            "body", "or the document kept is not a JSON object", "Only JSON objects can be merged; use PUT."
        )
    _keep(row, where, name, msgspec.json.encode({**kept, **sent}), JSON, now)


@transaction.atomic
def delete(where: Where, name: str, wanted: Preconditions) -> None:
    """Removes the document. It is no error that there is none."""
    row = _locked(where, name)
    _check(row, wanted)
    if row is not None:
        row.delete()


def delete_all(where: Where, *, any_registration: bool) -> None:
    """Removes every document that is meant."""
    _rows(where, any_registration=any_registration).delete()


def preconditions(if_match: str, if_none_match: str) -> Preconditions:
    """What these two headers demand."""
    return Preconditions(_tags_in(if_match), _tags_in(if_none_match))


def _tags_in(header: str) -> frozenset[str]:
    """The entity tags of a header, without quotes; a star stands for any."""
    found = (part.strip().removeprefix("W/").strip('"') for part in header.split(","))
    return frozenset(part for part in found if part)


def is_json(content_type: str) -> bool:
    """Whether this media type is JSON."""
    return content_type.partition(";")[0].strip().lower() == JSON


def _name_hash(name: str) -> bytes:
    return keyed_hash("document", name)


def _rows(where: Where, *, any_registration: bool = False) -> Any:
    rows = Document.objects.filter(kind=where.kind, activity=where.activity, agent=where.agent)
    return rows if any_registration else rows.filter(registration=where.registration)


def _locked(where: Where, name: str) -> Document | None:
    return _rows(where).select_for_update().filter(name_hash=_name_hash(name)).first()


def _check(row: Document | None, wanted: Preconditions) -> None:
    """The preconditions of RFC 9110, section 13.1."""
    if not (wanted.if_match or wanted.if_none_match):
        return
    # Worked out anew each time: a sum of short content, kept in clear, would tell what the content is.
    there = {tag_of(decrypt(bytes(row.content))), "*"} if row is not None else set()
    if (wanted.if_match and not wanted.if_match & there) or (wanted.if_none_match & there):
        raise BadRequest(
            "If-Match" if wanted.if_match else "If-None-Match",
            "is not met: the document has changed, or is (or is not) there",
            "Read it again and decide anew; its ETag now is the one to send.",
            412,
        )


def _check_object(body: bytes, content_type: str) -> dict[str, Any] | None:
    """The JSON object sent; what calls itself JSON must be JSON."""
    if not is_json(content_type):
        return None
    if is_too_deep(body):
        raise BadRequest("body", f"is nested more than {MOST_DEEP} levels deep", "Send it flatter.")
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(
            "body", f"is not JSON: {error}", "Send well-formed JSON, or another Content-Type."
        ) from error
    return value if isinstance(value, dict) else None


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _keep(
    row: Document | None, where: Where, name: str, body: bytes, content_type: str, now: datetime
) -> bool:
    """Whether it is kept: not where another client created the document since we looked."""
    values = _values(body, content_type, now)
    if row is not None:
        for field, value in values.items():
            setattr(row, field, value)
        row.save(update_fields=[*values])
        return True
    new = Document(**where._asdict(), name_hash=_name_hash(name), name=name, **values)
    Document.objects.bulk_create([new], ignore_conflicts=True)
    # With conflicts ignored no key comes back: what is there now is ours, or another client's.
    there = _rows(where).filter(name_hash=_name_hash(name)).values_list("content", flat=True).first()
    return there is not None and bytes(there) == bytes(new.content)


def _values(body: bytes, content_type: str, now: datetime) -> dict[str, Any]:
    return {
        "content": encrypt(body),
        "content_type": content_type,
        "updated_at": now,
    }
