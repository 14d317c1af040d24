"""The standard's rules for a whole statement (xAPI 1.0.3 Data, sections 2 and 4; IEEE 9274.1.1)."""

import math
from typing import Any

from signals.xapi.activities import check_activity, check_extensions, check_iri, check_language_map
from signals.xapi.agents import check_actor, check_agent, check_authority, check_group
from signals.xapi.faults import Faults
from signals.xapi.primitives import duration_seconds, is_media_type, is_sha2, is_uuid, is_version, moment

STATEMENT = frozenset(
    {
        "id",
        "actor",
        "verb",
        "object",
        "result",
        "context",
        "timestamp",
        "stored",
        "authority",
        "version",
        "attachments",
    }
)
SUB_STATEMENT = frozenset(
    {"objectType", "actor", "verb", "object", "result", "context", "timestamp", "attachments"}
)
VERB = frozenset({"id", "display"})
RESULT = frozenset({"score", "success", "completion", "response", "duration", "extensions"})
SCORE = frozenset({"scaled", "raw", "min", "max"})
CONTEXT = frozenset(
    {
        "registration",
        "instructor",
        "team",
        "revision",
        "platform",
        "language",
        "contextActivities",
        "contextAgents",
        "contextGroups",
        "statement",
        "extensions",
    }
)
CONTEXT_ACTIVITIES = frozenset({"parent", "grouping", "category", "other"})
CONTEXT_AGENT = frozenset({"objectType", "agent", "relevantTypes"})
CONTEXT_GROUP = frozenset({"objectType", "group", "relevantTypes"})
STATEMENT_REF = frozenset({"objectType", "id"})
ATTACHMENT = frozenset({"usageType", "display", "description", "contentType", "length", "sha2", "fileUrl"})
VOIDED = "http://adlnet.gov/expapi/verbs/voided"


def check_statement(value: Any, faults: Faults) -> None:
    """Adds everything that is wrong with a statement."""
    if type(value) is not dict:
        faults.wrong_type("$", value, "a statement (an object)")
        return
    if not value.keys() <= STATEMENT:
        faults.unknown("$", set(value) - STATEMENT, STATEMENT)
    _check_core(value, "$", faults)
    if "id" in value:
        _check_uuid(value["id"], "$.id", faults)
    if "stored" in value:
        _check_moment(value["stored"], "$.stored", faults)
    if "authority" in value:
        check_authority(value["authority"], "$.authority", faults)
    if "version" in value:
        version = value["version"]
        if type(version) is not str or not is_version(version):
            faults.add("$.version", "is not a version we speak", 'Send "1.0.0" or "2.0.0", or leave it out.')


def _check_core(value: dict[str, Any], path: str, faults: Faults) -> None:
    """What a statement and a sub-statement have in common."""
    if "actor" in value:
        check_actor(value["actor"], f"{path}.actor", faults)
    else:
        faults.missing(path, "actor", "Say who did it: an agent or a group.")
    verb = value.get("verb")
    if "verb" in value:
        check_verb(verb, f"{path}.verb", faults)
    else:
        faults.missing(path, "verb", "Say what was done: a verb with its IRI as id.")
    target = value.get("object")
    kind = None
    if type(target) is dict:
        kind = target.get("objectType", "Activity")
        _check_object(target, kind, f"{path}.object", faults, nested=path != "$")
    elif "object" in value:
        faults.wrong_type(f"{path}.object", target, "an object")
    else:
        faults.missing(path, "object", "Say to what it was done: mostly an activity.")
    if type(verb) is dict and verb.get("id") == VOIDED and kind not in (None, "StatementRef"):
        faults.add(
            f"{path}.object",
            "is voided but is not a reference",
            'Voiding needs an object of type "StatementRef".',
        )
    if "result" in value:
        check_result(value["result"], f"{path}.result", faults)
    if "context" in value:
        check_context(value["context"], f"{path}.context", faults, about_activity=kind == "Activity")
    if "timestamp" in value:
        _check_moment(value["timestamp"], f"{path}.timestamp", faults)
    if "attachments" in value:
        _check_attachments(value["attachments"], f"{path}.attachments", faults)


def check_verb(verb: Any, path: str, faults: Faults) -> None:
    """Adds what is wrong with a verb."""
    if type(verb) is not dict:
        faults.wrong_type(path, verb, "a verb (an object)")
        return
    if not verb.keys() <= VERB:
        faults.unknown(path, set(verb) - VERB, VERB)
    check_iri(verb, "id", path, faults, required=True)
    if "display" in verb:
        check_language_map(verb["display"], f"{path}.display", faults)


def _check_object(target: dict[str, Any], kind: Any, path: str, faults: Faults, *, nested: bool) -> None:
    if kind == "Activity":
        check_activity(target, path, faults)
    elif kind == "Agent":
        check_agent(target, path, faults)
    elif kind == "Group":
        check_group(target, path, faults)
    elif kind == "StatementRef":
        _check_reference(target, path, faults)
    elif kind == "SubStatement" and not nested:
        if not target.keys() <= SUB_STATEMENT:
            faults.unknown(path, set(target) - SUB_STATEMENT, SUB_STATEMENT)
        _check_core(target, path, faults)
    elif kind == "SubStatement":
        faults.add(path, "is a sub-statement within a sub-statement", "Nest sub-statements one deep only.")
    else:
        faults.add(
            f"{path}.objectType",
            "is no type of object",
            "Send one of Activity, Agent, Group, StatementRef and SubStatement.",
        )


def _check_reference(target: Any, path: str, faults: Faults) -> None:
    if type(target) is not dict:
        faults.wrong_type(path, target, "a reference to a statement (an object)")
        return
    if not target.keys() <= STATEMENT_REF:
        faults.unknown(path, set(target) - STATEMENT_REF, STATEMENT_REF)
    if target.get("objectType") != "StatementRef":
        faults.add(f"{path}.objectType", "is not StatementRef", 'Send "StatementRef".')
    if "id" in target:
        _check_uuid(target["id"], f"{path}.id", faults)
    else:
        faults.missing(path, "id", "Send the id of the statement meant.")


def check_result(result: Any, path: str, faults: Faults) -> None:
    """Adds what is wrong with a result."""
    if type(result) is not dict:
        faults.wrong_type(path, result, "a result (an object)")
        return
    if not result.keys() <= RESULT:
        faults.unknown(path, set(result) - RESULT, RESULT)
    if "score" in result:
        _check_score(result["score"], f"{path}.score", faults)
    for name in ("success", "completion"):
        if name in result and type(result[name]) is not bool:
            faults.wrong_type(f"{path}.{name}", result[name], "true or false")
    if "response" in result and type(result["response"]) is not str:
        faults.wrong_type(f"{path}.response", result["response"], "text")
    if "duration" in result:
        duration = result["duration"]
        if type(duration) is not str:
            faults.wrong_type(f"{path}.duration", duration, "text")
        elif duration_seconds(duration) is None:
            faults.add(f"{path}.duration", "is not an ISO 8601 duration", 'Write it like "PT1H30M".')
    if "extensions" in result:
        check_extensions(result["extensions"], f"{path}.extensions", faults)


def _check_score(score: Any, path: str, faults: Faults) -> None:
    if type(score) is not dict:
        faults.wrong_type(path, score, "a score (an object)")
        return
    if not score.keys() <= SCORE:
        faults.unknown(path, set(score) - SCORE, SCORE)
    numbers: dict[str, float] = {}
    for name in ("scaled", "raw", "min", "max"):
        if name in score:
            number = score[name]
            if type(number) not in (int, float) or not math.isfinite(number):
                faults.wrong_type(f"{path}.{name}", number, "a number")
            else:
                numbers[name] = number
    if not -1 <= numbers.get("scaled", 0) <= 1:
        faults.add(
            f"{path}.scaled", "is not between -1 and 1", "Divide by the greatest score that can be reached."
        )
    low, high, raw = numbers.get("min"), numbers.get("max"), numbers.get("raw")
    if low is not None and high is not None and low >= high:
        faults.add(f"{path}.max", "is not greater than min", "Send min and max so that min is the smaller.")
    elif raw is not None and ((low is not None and raw < low) or (high is not None and raw > high)):
        faults.add(
            f"{path}.raw", "is not between min and max", "Send the score as reached, and the true limits."
        )


def check_context(context: Any, path: str, faults: Faults, *, about_activity: bool) -> None:
    """Adds what is wrong with a context; some of it is allowed only where the object is an activity."""
    if type(context) is not dict:
        faults.wrong_type(path, context, "a context (an object)")
        return
    if not context.keys() <= CONTEXT:
        faults.unknown(path, set(context) - CONTEXT, CONTEXT)
    if "contextActivities" in context:
        _check_context_activities(context["contextActivities"], f"{path}.contextActivities", faults)
    if "registration" in context:
        _check_uuid(context["registration"], f"{path}.registration", faults)
    if "instructor" in context:
        check_actor(context["instructor"], f"{path}.instructor", faults)
    if "team" in context:
        team = context["team"]
        if type(team) is dict and team.get("objectType") == "Group":
            check_group(team, f"{path}.team", faults)
        elif type(team) is dict:
            faults.add(f"{path}.team.objectType", "is not Group", 'A team is a group: send "Group".')
        else:
            faults.wrong_type(f"{path}.team", team, "a group (an object)")
    for name in ("revision", "platform"):
        if name in context:
            if type(context[name]) is not str:
                faults.wrong_type(f"{path}.{name}", context[name], "text")
            if not about_activity:
                faults.add(
                    f"{path}.{name}", "needs an activity as object", f"Leave out {name} here.", "unknown"
                )
    if "language" in context:
        check_language_map({context["language"]: ""}, f"{path}.language", faults) if type(
            context["language"]
        ) is str else faults.wrong_type(f"{path}.language", context["language"], "a language tag as text")
    if "statement" in context:
        _check_reference(context["statement"], f"{path}.statement", faults)
    if "contextAgents" in context:
        _check_relevant(context["contextAgents"], f"{path}.contextAgents", "agent", CONTEXT_AGENT, faults)
    if "contextGroups" in context:
        _check_relevant(context["contextGroups"], f"{path}.contextGroups", "group", CONTEXT_GROUP, faults)
    if "extensions" in context:
        check_extensions(context["extensions"], f"{path}.extensions", faults)


def _check_context_activities(value: Any, path: str, faults: Faults) -> None:
    if type(value) is not dict:
        faults.wrong_type(path, value, "an object with parent, grouping, category or other")
        return
    if not value.keys() <= CONTEXT_ACTIVITIES:
        faults.unknown(path, set(value) - CONTEXT_ACTIVITIES, CONTEXT_ACTIVITIES)
    for name, activities in value.items():
        if type(activities) is list:
            for number, activity in enumerate(activities):
                check_activity(activity, f"{path}.{name}[{number}]", faults)
        else:
            check_activity(activities, f"{path}.{name}", faults)


def _check_relevant(value: Any, path: str, name: str, allowed: frozenset[str], faults: Faults) -> None:
    """The people and groups that xAPI 2.0 lets a context name, each with why it matters."""
    if type(value) is not list:
        faults.wrong_type(path, value, "an array")
        return
    for number, entry in enumerate(value):
        where = f"{path}[{number}]"
        if type(entry) is not dict:
            faults.wrong_type(where, entry, "an object")
            continue
        if not entry.keys() <= allowed:
            faults.unknown(where, set(entry) - allowed, allowed)
        wanted = f"context{name.capitalize()}"
        if entry.get("objectType") != wanted:
            faults.add(f"{where}.objectType", f"is not {wanted}", f'Send "{wanted}".')
        member = entry.get(name)
        if name not in entry:
            faults.missing(where, name, f"Say which {name}.")
        elif name == "agent":
            check_agent(member, f"{where}.agent", faults)
        elif type(member) is dict and member.get("objectType") == "Group":
            check_group(member, f"{where}.group", faults)
        else:
            faults.wrong_type(f"{where}.group", member, 'a group, with objectType "Group"')
        types = entry.get("relevantTypes", [""])
        if type(types) is not list or not types:
            faults.add(
                f"{where}.relevantTypes", "is not a list of IRIs", "Send at least one IRI, or leave it out."
            )
        elif "relevantTypes" in entry:
            for at, iri in enumerate(types):
                check_iri({"iri": iri}, "iri", f"{where}.relevantTypes[{at}]", faults)


def _check_attachments(value: Any, path: str, faults: Faults) -> None:
    if type(value) is not list:
        faults.wrong_type(path, value, "an array of attachments")
        return
    for number, entry in enumerate(value):
        where = f"{path}[{number}]"
        if type(entry) is not dict:
            faults.wrong_type(where, entry, "an attachment (an object)")
            continue
        if not entry.keys() <= ATTACHMENT:
            faults.unknown(where, set(entry) - ATTACHMENT, ATTACHMENT)
        check_iri(entry, "usageType", where, faults, required=True)
        check_iri(entry, "fileUrl", where, faults)
        if "display" in entry:
            check_language_map(entry["display"], f"{where}.display", faults)
        else:
            faults.missing(where, "display", "Name the attachment in at least one language.")
        if "description" in entry:
            check_language_map(entry["description"], f"{where}.description", faults)
        media_type = entry.get("contentType")
        if type(media_type) is not str or not is_media_type(media_type):
            faults.add(f"{where}.contentType", "is not a media type", 'Send one such as "application/pdf".')
        length = entry.get("length")
        if type(length) is not int or length < 0:
            faults.add(f"{where}.length", "is not a count of bytes", "Send the length as a whole number.")
        sha2 = entry.get("sha2")
        if type(sha2) is not str or not is_sha2(sha2):
            faults.add(f"{where}.sha2", "is not a SHA-2 sum", "Send it in hexadecimal.")


def _check_uuid(value: Any, path: str, faults: Faults) -> None:
    if type(value) is not str:
        faults.wrong_type(path, value, "a UUID as text")
    elif not is_uuid(value):
        faults.add(path, "is not a UUID", "Send 32 hexadecimal digits as 8-4-4-4-12.")


def _check_moment(value: Any, path: str, faults: Faults) -> None:
    if type(value) is not str:
        faults.wrong_type(path, value, "a moment as text")
    elif moment(value) is None:
        faults.add(
            path, "is not an ISO 8601 date and time", 'Write it like "2025-03-01T09:30:00.000Z".', "timestamp"
        )
