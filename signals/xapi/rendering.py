"""Stored statements as the standard's answers: exactly as sent, only their ids, or in one language."""

from collections.abc import Sequence
from typing import Any

import msgspec

from signals.xapi import bodies
from signals.xapi.agents import IDENTIFIERS
from signals.xapi.credentials import authority
from signals.xapi.query import Found
from signals.xapi.wire import stamp

_decode = msgspec.json.Decoder().decode


def render(found: Found, form: str, languages: Sequence[str] = ()) -> dict[str, Any]:
    """The statement in the form asked for."""
    body = bodies.unseal(found.body)
    statement = _decode(body.raw)
    if form == "ids":
        statement = _only_ids(statement)
    elif form == "canonical":
        statement = _in_one_language(statement, languages)
    return {
        **statement,
        "id": str(found.id),
        "timestamp": statement.get("timestamp") or stamp(found.stored),
        "stored": stamp(found.stored),
        "authority": authority(found.credential_id),
        "version": statement.get("version") or ("2.0.0" if body.major == 2 else "1.0.0"),
    }


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
                name: [_activity_id(activity) for activity in (entry if isinstance(entry, list) else [entry])]
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
    return {name: activity[name] for name in ("objectType", "id") if name in activity}


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
        for tag, text in texts.items():
            if (
                wanted == "*"
                or tag.lower() == wanted
                or tag.lower().partition("-")[0] == wanted.partition("-")[0]
            ):
                return {tag: text}
    tag, text = next(iter(texts.items()))
    return {tag: text}
