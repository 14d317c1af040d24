"""Stored statements as the standard's answers: exactly as sent, only their ids, or in one language."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from signals.xapi import bodies, definitions
from signals.xapi.agents import IDENTIFIERS
from signals.xapi.credentials import authority
from signals.xapi.query import Found
from signals.xapi.wire import stamp

_decode = msgspec.json.Decoder().decode


def render(found: Iterable[Found], form: str, languages: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The statements in the form asked for."""
    read = [(item, bodies.unseal(item.body)) for item in found]
    statements = [_with_arrays(_decode(body.raw)) for _, body in read]
    if form == "ids":
        statements = [_only_ids(statement) for statement in statements]
    elif form == "canonical":
        statements = _canonical(statements, languages)
    return [
        _complete(item, body, statement) for (item, body), statement in zip(read, statements, strict=True)
    ]


def _complete(found: Found, body: bodies.Body, statement: dict[str, Any]) -> dict[str, Any]:
    """With what the record store itself says about a statement."""
    return {
        **statement,
        "id": str(found.id),
        "timestamp": statement.get("timestamp") or stamp(found.stored),
        "stored": stamp(found.stored),
        "authority": authority(found.credential_id),
        "version": statement.get("version") or ("2.0.0" if body.major == 2 else "1.0.0"),
    }


def _with_arrays(statement: dict[str, Any]) -> dict[str, Any]:
    """The same with every kind of context activity as an array, as the standard wants them back (Data 2.4.6.2)."""
    for part in (statement, statement["object"]):
        context = part.get("context")
        activities = context.get("contextActivities") if context is not None else None
        if activities is not None:
            for name, entry in activities.items():
                if type(entry) is not list:
                    activities[name] = [entry]
    return statement


def languages_of(header: str) -> list[str]:
    """The languages of an Accept-Language header, best first."""
    wanted: list[tuple[float, int, str]] = []
    for number, part in enumerate(header.split(",")):
        tag, _, quality = part.strip().partition(";")
        try:
            weight = float(quality.strip().removeprefix("q=")) if quality.strip() else 1.0
        except ValueError:
            weight = 0.0
        if tag and weight > 0:
            wanted.append((-weight, number, tag.strip().lower()))
    return [tag for _, _, tag in sorted(wanted)]


def _only_ids(value: dict[str, Any]) -> dict[str, Any]:
    """The least that still identifies agents, verb and activities."""
    out = dict(value)
    out["actor"] = _agent_id(value["actor"])
    out["verb"] = {"id": value["verb"]["id"]}
    target = value["object"]
    kind = target.get("objectType", "Activity")
    if kind == "Activity":
        out["object"] = _activity_id(target)
    elif kind in ("Agent", "Group"):
        out["object"] = _agent_id(target)
    elif kind == "SubStatement":
        out["object"] = _only_ids(target)
    if "context" in value:
        context = dict(value["context"])
        for name in ("instructor", "team"):
            if name in context:
                context[name] = _agent_id(context[name])
        if "contextActivities" in context:
            context["contextActivities"] = {
                name: [_activity_id(activity) for activity in entry]
                for name, entry in context["contextActivities"].items()
            }
        out["context"] = context
    return out


def _agent_id(agent: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {name: agent[name] for name in IDENTIFIERS if name in agent}
    kind = agent.get("objectType")
    if kind is not None:
        kept = {"objectType": kind, **kept}
    if kind == "Group" and len(kept) == 1:  # nobody but its members says who an anonymous group is
        kept["member"] = [_agent_id(member) for member in agent.get("member", [])]
    return kept


def _activity_id(activity: dict[str, Any]) -> dict[str, Any]:
    return {"id": activity["id"]}


def _canonical(statements: Sequence[dict[str, Any]], languages: Sequence[str]) -> list[dict[str, Any]]:
    """With each activity as all statements together define it, in one language; agents stay as they came."""
    named = [activity for statement in statements for activity in definitions.activities_in(statement)]
    known = definitions.known({activity["id"] for activity in named})
    for activity in named:
        if activity["id"] in known:
            activity["definition"] = known[activity["id"]]
    return [_in_one_language(statement, languages) for statement in statements]


LANGUAGE_MAPS = frozenset({"display", "name", "description"})


def _in_one_language(value: Any, languages: Sequence[str]) -> Any:
    """The same with one entry left of each map of languages. Extensions stay as they are."""
    if isinstance(value, list):
        return [_in_one_language(item, languages) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: item
        if name == "extensions"
        else _best(item, languages)
        if name in LANGUAGE_MAPS and isinstance(item, dict)
        else _in_one_language(item, languages)
        for name, item in value.items()
    }


def _best(texts: dict[str, str], languages: Sequence[str]) -> dict[str, str]:
    if len(texts) <= 1:
        return texts
    for wanted in languages:
        # The language itself first, then one of the same family.
        for matches in (_is_same, _is_related):
            for tag, text in texts.items():
                if matches(tag.lower(), wanted):
                    return {tag: text}
    tag, text = next(iter(texts.items()))
    return {tag: text}


def _is_same(tag: str, wanted: str) -> bool:
    return wanted in ("*", tag)


def _is_related(tag: str, wanted: str) -> bool:
    return tag.partition("-")[0] == wanted.partition("-")[0]
