"""The keyed hashes the standard's filters run on: nobody can read who or what from the columns themselves.

Direct keys (verb, agent, activity, registration) are what a plain filter asks for. Related keys (``related_agents``,
``related_activities``) are separate hashes, so a related query asks for either of the two.
"""

from functools import lru_cache
from typing import Any

from consent.crypto import keyed_hash, keyed_hash64
from learners.identity import canonical_identifier, identifier_hash

VOIDED = "http://adlnet.gov/expapi/verbs/voided"


@lru_cache(maxsize=65536)
def verb_key(iri: str) -> int:
    return keyed_hash64("verb", iri)


@lru_cache(maxsize=65536)
def activity_key(iri: str) -> int:
    """The hash of an activity's IRI, the same that events carry."""
    return keyed_hash64("activity", iri)


@lru_cache(maxsize=65536)
def related_activity_key(iri: str) -> int:
    return keyed_hash64("related-activity", iri)


@lru_cache(maxsize=4096)
def activity_type_key(iri: str) -> int:
    """The hash of an activity type's IRI, as events carry it."""
    return keyed_hash64("activity-type", iri)


def registration_key(registration: str) -> int:
    return keyed_hash64("registration", registration.lower())


def reference_key(statement_id: str) -> int:
    """Finds the statements that refer to a statement."""
    return keyed_hash64("statement-ref", statement_id.lower())


@lru_cache(maxsize=32768)
def _identity(kind: str, value: str, account_name: str) -> tuple[bytes, int, int] | None:
    agent: dict[str, Any] = (
        {"account": {"homePage": value, "name": account_name}} if kind == "account" else {kind: value}
    )
    canonical = canonical_identifier(agent)
    if canonical is None:
        return None
    hashed = identifier_hash(canonical)
    return hashed, int.from_bytes(hashed[:8], "big", signed=True), keyed_hash64("related-agent", canonical)


def identity(agent: dict[str, Any]) -> tuple[bytes, int, int] | None:
    """(identifier hash, direct key, related key) of an agent or identified group; None for an anonymous group."""
    account = agent.get("account")
    if account is not None:
        return _identity("account", account["homePage"], account["name"])
    for kind in ("mbox", "mbox_sha1sum", "openid"):
        value = agent.get(kind)
        if value is not None:
            return _identity(kind, value, "")
    return None


# A group without an identifier is nobody, but the column wants something that meets nothing.
NOBODY = bytes(16)


def anonymous_group(group: dict[str, Any]) -> bytes:
    """What stands for an anonymous group where an actor's hash is asked for."""
    members = sorted(found[0] for member in group.get("member", ()) if (found := identity(member)))
    return keyed_hash("anonymous-group", b"".join(members).hex()) if members else NOBODY


def search_keys(statement: dict[str, Any]) -> list[int]:
    """Everything a (valid) statement can be found by, besides its id and its time."""
    keys = {verb_key(statement["verb"]["id"])}
    _add_agent(statement["actor"], keys, direct=True)
    target = statement["object"]
    kind = target.get("objectType", "Activity")
    if kind == "Activity":
        keys.add(activity_key(target["id"]))
    elif kind in ("Agent", "Group"):
        _add_agent(target, keys, direct=True)
    elif kind == "StatementRef":
        keys.add(reference_key(target["id"]))
    else:
        _add_sub_statement(target, keys)
    context = statement.get("context")
    if context is not None:
        keys |= context_keys(context)
    return list(keys)


def context_keys(context: dict[str, Any]) -> set[int]:
    """What a statement can be found by because of its context."""
    keys: set[int] = set()
    _add_context(context, keys)
    registration = context.get("registration")
    if registration is not None:
        keys.add(registration_key(registration))
    return keys


def _add_agent(agent: dict[str, Any], keys: set[int], *, direct: bool) -> None:
    found = identity(agent)
    if found is not None:
        keys.add(found[1] if direct else found[2])
    for member in agent.get("member", ()):
        # A filter by agent finds the group statements of its members only among the related ones.
        _add_agent(member, keys, direct=False)


def _add_sub_statement(sub: dict[str, Any], keys: set[int]) -> None:
    _add_agent(sub["actor"], keys, direct=False)
    target = sub["object"]
    kind = target.get("objectType", "Activity")
    if kind == "Activity":
        keys.add(related_activity_key(target["id"]))
    elif kind in ("Agent", "Group"):
        _add_agent(target, keys, direct=False)
    context = sub.get("context")
    if context is not None:
        _add_context(context, keys)


def _add_context(context: dict[str, Any], keys: set[int]) -> None:
    activities = context.get("contextActivities")
    if activities is not None:
        for entry in activities.values():
            for activity in entry if type(entry) is list else (entry,):
                keys.add(related_activity_key(activity["id"]))
    for name in ("instructor", "team"):
        agent = context.get(name)
        if agent is not None:
            _add_agent(agent, keys, direct=False)
    for entry in context.get("contextAgents", ()):
        _add_agent(entry["agent"], keys, direct=False)
    for entry in context.get("contextGroups", ()):
        _add_agent(entry["group"], keys, direct=False)
