"""A statement as it has been read: checked, and with everything the next steps ask of it worked out once."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import msgspec

from consent.crypto import keyed_hash
from signals.xapi import bodies
from signals.xapi.attachments import NO_FILES, check_files
from signals.xapi.depth import MOST_DEEP, is_too_deep
from signals.xapi.faults import Fault, Faults
from signals.xapi.keys import VOIDED, anonymous_group, identity, search_keys
from signals.xapi.multipart import File
from signals.xapi.parts import Parts, parts_of, places_in
from signals.xapi.primitives import moment
from signals.xapi.statements import check_statement

_decode = msgspec.json.Decoder().decode


class Reading:
    """One valid statement and what follows from its text alone."""

    __slots__ = (
        "actor",
        "derives",
        "digest",
        "files",
        "id",
        "index",
        "occurred_at",
        "parts",
        "places",
        "raw",
        "refers",
        "statement",
        "stored",
        "verb",
        "voids",
        "waits",
        "who",
    )

    def __init__(
        self,
        index: int,
        raw: bytes,
        statement: dict[str, Any],
        *,
        statement_id: UUID,
        stored: datetime,
        parts: Parts | None = None,
    ) -> None:
        self.index = index
        self.raw = raw
        self.statement = statement
        self.id = statement_id
        self.stored = stored
        self.refers: UUID | None = None
        self.voids: UUID | None = None
        self.files: Sequence[str] = ()  # the SHA-2 sums of the files that came with it
        self.who = b""  # the key of whom it is about, once that was asked (signals.normalize)
        self.waits = False  # already stored, parked until its actor is known
        self.digest = b""
        self.parts = parts
        if parts is not None:
            self.occurred_at: datetime = parts.timestamp or stored
            self.verb: str = parts.verb.iri
            self.actor: bytes = parts.actor.hash
            self.derives: bool = True
            self.places: list[str] = [parts.target.iri, *(parts.context.places if parts.context else ())]
            return
        timestamp = statement.get("timestamp")
        self.occurred_at = (moment(timestamp) if timestamp is not None else None) or stored
        self.verb = statement["verb"]["id"]
        target = statement["object"]
        kind = target.get("objectType", "Activity")
        self.refers = UUID(target["id"]) if kind == "StatementRef" else None
        self.voids = self.refers if self.verb == VOIDED else None
        actor = statement["actor"]
        found = identity(actor)
        self.actor = found[0] if found is not None else anonymous_group(actor)
        # Statements about groups, and about anything but activities, are kept and derive nothing.
        self.derives = kind == "Activity" and actor.get("objectType") != "Group"
        self.places = [target["id"], *places_in(statement.get("context") or {})] if self.derives else []

    def stamp(self, stored: datetime) -> None:
        """Sets when it is stored, which is also when it happened unless it says otherwise."""
        self.stored = stored
        if "timestamp" not in self.statement:
            self.occurred_at = stored

    def keys(self) -> Collection[int]:
        """The hashes it can be found by."""
        parts = self.parts
        if parts is None:
            return search_keys(self.statement)
        own = {parts.verb.key, parts.actor.key, parts.target.key}
        return own.union(parts.context.keys) if parts.context is not None else own


class StoredRow(NamedTuple):
    """What reading a statement back from the database needs."""

    id: UUID
    stored: datetime
    body: bytes
    backfill: bool


def read(
    raw: bytes,
    index: int,
    *,
    now: datetime,
    statement_id: UUID | None = None,
    files: Mapping[str, File] = NO_FILES,
) -> tuple[Reading | None, list[Fault]]:
    """The statement read, or everything that is wrong with it.

    An id may be given by the request (PUT). ``files`` are those that came along, by their SHA-2 sums.
    """
    faults = Faults(index)
    # A microsecond apart, so that the order of a batch is the order of reading it back.
    stored = now + timedelta(microseconds=index) if index else now
    if is_too_deep(raw):
        faults.add("$", f"is nested more than {MOST_DEEP} levels deep", "Send it flatter.", "malformed")
        return None, faults.found
    parts = parts_of(raw) if not files else None
    if parts is not None and (statement_id is None or parts.id is None or parts.id == statement_id):
        reading = Reading(
            index,
            raw,
            parts.statement,
            statement_id=parts.id or statement_id or uuid4(),
            stored=stored,
            parts=parts,
        )
        reading.digest = digest(raw)
        return reading, faults.found
    try:
        statement = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        faults.add("$", f"is not JSON: {error}", "Send well-formed JSON in UTF-8.", "malformed")
        return None, faults.found
    check_statement(statement, faults)
    if faults.found:
        return None, faults.found
    named: Sequence[str] = ()
    if files or b'"attachments"' in raw:
        named = check_files(statement, files, faults)
        if faults.found:
            return None, faults.found
    own = statement.get("id")
    if own is not None:
        own_id = UUID(own)
        if statement_id is not None and own_id != statement_id:
            faults.add("$.id", "is not the statementId of the request", "Send the same id in both places.")
            return None, faults.found
        statement_id = own_id
    reading = Reading(index, raw, statement, statement_id=statement_id or uuid4(), stored=stored)
    reading.digest = digest(raw)
    reading.files = named
    return reading, faults.found


def digest(raw: bytes) -> bytes:
    """The keyed hash by which the same bytes are known again."""
    return keyed_hash("statement", raw.decode("utf-8", "replace"))


def read_stored(row: StoredRow) -> Reading:
    """A stored statement, read again. It was valid when it came."""
    body = bodies.unseal(row.body)
    reading = Reading(0, body.raw, _decode(body.raw), statement_id=row.id, stored=row.stored)
    reading.waits = True
    return reading


def ids_of(readings: Sequence[Reading]) -> list[UUID]:
    """Their ids, in order."""
    return [reading.id for reading in readings]
