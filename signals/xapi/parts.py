"""Statements read part by part, each part checked once: who, what was done, to what, how it went, in which context.

The parts of statements repeat far more than statements do: the same people do the same few things to the same few
activities. So the bytes of a part are looked up among those lately seen, and only new ones are decoded and checked.
Only the most common form is read here (an agent, an activity, nothing wrong); everything else is left to
``check_statement``, which also says what is wrong.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, Raw, UnsetType

from signals.xapi.activities import check_activity
from signals.xapi.agents import check_agent, check_authority
from signals.xapi.faults import Faults
from signals.xapi.keys import VOIDED, activity_key, context_keys, identity, verb_key
from signals.xapi.primitives import is_version, moment
from signals.xapi.statements import check_context, check_result, check_verb

LONGEST_REMEMBERED = 1000  # bytes: longer parts hold free text and do not come again

_decode = msgspec.json.Decoder().decode
_uuid = msgspec.json.Decoder(UUID).decode
_UUID_LENGTH = 38  # with its quotes: the decoder also takes 32 bare digits, the standard does not
_UTC_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|\+00:00)\Z", re.ASCII)

P = TypeVar("P")


class _Remembered(Generic[P]):
    """What was made of the bytes lately seen. Two generations: what is asked for again survives the older one."""

    __slots__ = ("_make", "_most", "_old", "_young")

    def __init__(self, make: Callable[[Any], P | None], most: int) -> None:
        self._make = make
        self._most = most
        self._young: dict[bytes, P] = {}
        self._old: dict[bytes, P] = {}

    def get(self, raw: bytes) -> P | None:
        """The part, or None where something about it is wrong or uncommon."""
        found = self._young.get(raw)
        if found is not None:
            return found
        found = self._old.get(raw)
        if found is None:
            found = self._make(_decode(raw))
            if found is None or len(raw) > LONGEST_REMEMBERED:
                return found
        if len(self._young) >= self._most:
            self._young, self._old = {}, self._young
        self._young[raw] = found
        return found

    def forget(self) -> None:
        self._young, self._old = {}, {}


class Actor(NamedTuple):
    value: dict[str, Any]
    hash: bytes
    key: int


class Did(NamedTuple):
    value: dict[str, Any]
    iri: str
    key: int


class Target(NamedTuple):
    value: dict[str, Any]
    iri: str
    key: int


class Context(NamedTuple):
    value: dict[str, Any]
    keys: tuple[int, ...]
    places: tuple[str, ...]


def _actor(value: Any) -> Actor | None:
    faults = Faults(0)
    check_agent(value, "$", faults)
    found = identity(value) if not faults.found else None
    return Actor(value, found[0], found[1]) if found is not None else None


def _verb(value: Any) -> Did | None:
    faults = Faults(0)
    check_verb(value, "$", faults)
    if faults.found or value["id"] == VOIDED:
        return None
    return Did(value, value["id"], verb_key(value["id"]))


def _target(value: Any) -> Target | None:
    faults = Faults(0)
    check_activity(value, "$", faults)
    return None if faults.found else Target(value, value["id"], activity_key(value["id"]))


def _result(value: Any) -> dict[str, Any] | None:
    faults = Faults(0)
    check_result(value, "$", faults)
    return None if faults.found else value


def _context(value: Any) -> Context | None:
    faults = Faults(0)
    check_context(value, "$", faults, about_activity=True)
    return None if faults.found else Context(value, tuple(context_keys(value)), places_in(value))


def _authority(value: Any) -> dict[str, Any] | None:
    faults = Faults(0)
    check_authority(value, "$", faults)
    return None if faults.found else value


def places_in(context: dict[str, Any]) -> tuple[str, ...]:
    """The activities in which, by its context, something may have happened: parents first, then groupings."""
    activities = context.get("contextActivities")
    if activities is None:
        return ()
    return tuple(
        activity["id"]
        for name in ("parent", "grouping")
        if (entry := activities.get(name)) is not None
        for activity in (entry if type(entry) is list else (entry,))
    )


_actors = _Remembered(_actor, 16384)
_verbs = _Remembered(_verb, 1024)
_targets = _Remembered(_target, 8192)
_results = _Remembered(_result, 4096)
_contexts = _Remembered(_context, 4096)
_authorities = _Remembered(_authority, 256)


def forget() -> None:
    """Makes this process read every part anew."""
    for remembered in (_actors, _verbs, _targets, _results, _contexts, _authorities):
        remembered.forget()


class _Sent(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    actor: Raw
    verb: Raw
    object: Raw
    id: Raw = Raw()
    result: Raw = Raw()
    context: Raw = Raw()
    timestamp: str | UnsetType = UNSET
    version: str | UnsetType = UNSET
    stored: str | UnsetType = UNSET
    authority: Raw = Raw()


_sent = msgspec.json.Decoder(_Sent).decode


class Parts(NamedTuple):
    """A valid statement in which an agent did something to an activity."""

    statement: dict[str, Any]  # made of parts that other statements share: not to be changed
    id: UUID | None
    timestamp: datetime | None
    actor: Actor
    verb: Did
    target: Target
    context: Context | None


def parts_of(raw: bytes) -> Parts | None:
    """The statement, or None where it is wrong or of a less common form."""
    try:
        sent = _sent(raw)
        actor = _actors.get(bytes(sent.actor))
        verb = _verbs.get(bytes(sent.verb))
        target = _targets.get(bytes(sent.object))
        if actor is None or verb is None or target is None:
            return None
        statement: dict[str, Any] = {"actor": actor.value, "verb": verb.value, "object": target.value}
        statement_id: UUID | None = None
        if own := bytes(sent.id):
            if len(own) != _UUID_LENGTH:
                return None
            statement_id = _uuid(own)
            statement["id"] = own[1:-1].decode()
        if sent_result := bytes(sent.result):
            result = _results.get(sent_result)
            if result is None:
                return None
            statement["result"] = result
        context: Context | None = None
        if sent_context := bytes(sent.context):
            context = _contexts.get(sent_context)
            if context is None:
                return None
            statement["context"] = context.value
        timestamp: datetime | None = None
        if sent.timestamp is not UNSET:
            timestamp = _moment(sent.timestamp)
            if timestamp is None:
                return None
            statement["timestamp"] = sent.timestamp
        if not _assigned(sent, statement):
            return None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return Parts(statement, statement_id, timestamp, actor, verb, target, context)


def _assigned(sent: _Sent, statement: dict[str, Any]) -> bool:
    """Adds what another record store had assigned; False where something is wrong with it."""
    if sent.version is not UNSET:
        if not is_version(sent.version):
            return False
        statement["version"] = sent.version
    if sent.stored is not UNSET:
        if moment(sent.stored) is None:
            return False
        statement["stored"] = sent.stored
    if raw := bytes(sent.authority):
        authority = _authorities.get(raw)
        if authority is None:
            return False
        statement["authority"] = authority
    return True


def _moment(text: str) -> datetime | None:
    if _UTC_MOMENT.match(text) is None:
        return moment(text)
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None
