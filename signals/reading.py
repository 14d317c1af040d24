"""A statement as it has been read: checked, and with everything the next steps ask of it worked out once."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import msgspec

from consent.crypto import keyed_hash
from signals.xapi import bodies
from signals.xapi.attachments import NO_FILES, check_files
from signals.xapi.faults import Fault, Faults
from signals.xapi.keys import VOIDED, anonymous_group, identity, search_keys
from signals.xapi.multipart import File
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
        self, index: int, raw: bytes, statement: dict[str, Any], *, statement_id: UUID, stored: datetime
    ) -> None:
        self.index = index
        self.raw = raw
        self.statement = statement
        self.id = statement_id
        self.stored = stored
        timestamp = statement.get("timestamp")
        self.occurred_at: datetime = (moment(timestamp) if timestamp is not None else None) or stored
        self.verb: str = statement["verb"]["id"]
        target = statement["object"]
        kind = target.get("objectType", "Activity")
        self.refers: UUID | None = UUID(target["id"]) if kind == "StatementRef" else None
        self.voids: UUID | None = self.refers if self.verb == VOIDED else None
        self.files: Sequence[str] = ()  # the SHA-2 sums of the files that came with it
        actor = statement["actor"]
        found = identity(actor)
        self.actor: bytes = found[0] if found is not None else anonymous_group(actor)
        self.who = self.actor  # whom it is about is entered under this key (signals.normalize)
        # Statements about groups, and about anything but activities, are kept and derive nothing.
        self.derives: bool = kind == "Activity" and actor.get("objectType") != "Group"
        self.waits = False  # already stored, parked until its actor is known
        self.digest = b""
        self.places: list[str] = _places(statement) if self.derives else []

    def keys(self) -> list[int]:
        """The hashes it can be found by."""
        return search_keys(self.statement)


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
    # A microsecond apart, so that the order of a batch is the order of reading it back.
    stored = now + timedelta(microseconds=index) if index else now
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


def _places(statement: dict[str, Any]) -> list[str]:
    """Where it may have happened, nearest first: the object, its parents, its groupings."""
    places = [statement["object"]["id"]]
    context = statement.get("context")
    activities = context.get("contextActivities") if context is not None else None
    if activities is not None:
        for name in ("parent", "grouping"):
            entry = activities.get(name)
            if entry is not None:
                places.extend(activity["id"] for activity in (entry if type(entry) is list else (entry,)))
    return places


def ids_of(readings: Sequence[Reading]) -> list[UUID]:
    """Their ids, in order."""
    return [reading.id for reading in readings]
