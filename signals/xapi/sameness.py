"""Whether two statements say the same, by the standard's rules for immutability (Data, 2.3.1)."""

from typing import Any

from signals.xapi.primitives import duration_seconds, moment

_ASSIGNED = ("id", "authority", "stored", "version")


def says_the_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether a statement sent again is the one already stored.

    What the record store itself assigns does not count, nor do definitions and displays (they may change without
    the statement meaning anything else), nor the order of people in groups or of context activities.
    """
    first, second = _normal(one), _normal(other)
    if "timestamp" not in first or "timestamp" not in second:
        first.pop("timestamp", None)
        second.pop("timestamp", None)
    return first == second


def _normal(statement: dict[str, Any]) -> dict[str, Any]:
    out = {name: value for name, value in statement.items() if name not in _ASSIGNED}
    out["actor"] = _agent(out["actor"])
    out["verb"] = out["verb"]["id"]
    out["object"] = _object(out["object"])
    if "timestamp" in out:
        out["timestamp"] = moment(out["timestamp"])
    if "result" in out and "duration" in out["result"]:
        out["result"] = {**out["result"], "duration": _hundredths(out["result"]["duration"])}
    if "context" in out:
        out["context"] = _context(out["context"])
    if "attachments" in out:
        out["attachments"] = sorted((item["sha2"].lower(), item["usageType"]) for item in out["attachments"])
    return out


def _hundredths(duration: str) -> int:
    """A duration as it is compared: what is finer than 0.01 s does not count (Data 4.6; IEEE 9274.1.1 4.2.7)."""
    # A little more than the float, which may lie just below the number that was written.
    return int((duration_seconds(duration) or 0.0) * 100 + 1e-6)


def _agent(agent: dict[str, Any]) -> dict[str, Any]:
    out = {"objectType": "Agent", **agent}
    out.pop("name", None)
    if "mbox_sha1sum" in out:
        out["mbox_sha1sum"] = out["mbox_sha1sum"].lower()
    if "member" in out:
        out["member"] = sorted((_agent(member) for member in out["member"]), key=repr)
    return out


def _object(target: dict[str, Any]) -> dict[str, Any]:
    kind = target.get("objectType", "Activity")
    if kind == "Activity":
        return {"objectType": kind, "id": target["id"]}
    if kind == "SubStatement":
        return {**_normal(target), "objectType": kind}
    if kind == "StatementRef":
        return {"objectType": kind, "id": target["id"].lower()}
    return _agent(target)


def _context(context: dict[str, Any]) -> dict[str, Any]:
    out = dict(context)
    if "registration" in out:
        out["registration"] = out["registration"].lower()
    for name in ("instructor", "team"):
        if name in out:
            out[name] = _agent(out[name])
    if "contextActivities" in out:
        out["contextActivities"] = {
            name: sorted(activity["id"] for activity in (entry if isinstance(entry, list) else [entry]))
            for name, entry in out["contextActivities"].items()
            if entry != []
        }
    if "statement" in out:
        out["statement"] = out["statement"]["id"].lower()
    return out
