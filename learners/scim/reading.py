"""Reads what clients send, as they really send it.

The library reads SCIM and forgives booleans as text, operations in capitals, values under "remove" and attributes that
nobody declared. Here the rest of what Okta and Microsoft Entra ID do is put into the standard's words:

- a manager as bare text, as a list of one, or under the path "manager" without its schema;
- a single value wrapped as [{"value": …}];
- an operation without a path whose keys are paths with filters;
- an empty text that means "nothing";
- members to take away with a "$ref" that is null, or with the name they are shown by;
- a filter by "manager" alone;
- read-only attributes (id, meta, groups) sent back with a path-less value.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from scim2_models import (
    Context,
    InvalidPathException,
    InvalidSyntaxException,
    InvalidValueException,
    PatchOp,
    Path,
    Resource,
)

from learners.scim.saying import ENTERPRISE
from learners.scim.schemas import Group, Person

MOST_OPERATIONS = 1000
READ_ONLY = ("id", "meta", "groups", "schemas")
MANAGER = f"{ENTERPRISE}:manager"
_NUL = b"\\u0000"
_NO_TEXT = re.compile(r"\x00|\\u(?:0000|d[89a-f])", re.IGNORECASE)  # escapes of NUL and of (half) pairs
_NAMES_IN_FILTER = re.compile(
    rf'"(?:[^"\\]|\\.)*"|(?<![\w:.$-])((?:{re.escape(ENTERPRISE)}:)?manager)(?=\s+\w)', re.IGNORECASE
)


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object of a request. Raises InvalidSyntaxException."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidSyntaxException(detail="The body is not JSON.") from None
    if not isinstance(payload, dict):
        raise InvalidSyntaxException(detail="The body is not a JSON object.")
    if _NO_TEXT.search(body.decode(errors="replace")):
        try:
            said = json.dumps(payload, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            said = _NUL
        if _NUL in said:
            raise InvalidValueException(detail="The body has characters that no text can hold.")
    return payload


def filter_of(text: str) -> str:
    """A filter as the standard writes it. Raises InvalidValueException for characters that no text can hold."""
    if _NO_TEXT.search(text):
        raise InvalidValueException(detail="The filter has characters that no text can hold.")
    return _NAMES_IN_FILTER.sub(lambda match: f"{MANAGER}.value" if match.group(1) else match.group(), text)


def read_person(payload: dict[str, Any], *, is_new: bool) -> Any:
    """The user of a POST or PUT."""
    payload = _without_empty(payload)
    for name, value in list(payload.items()):
        if name.lower() == ENTERPRISE.lower() and isinstance(value, dict):
            payload[name] = {
                key: _manager(inner) if key.lower() == "manager" else inner for key, inner in value.items()
            }
    context = Context.RESOURCE_CREATION_REQUEST if is_new else Context.RESOURCE_REPLACEMENT_REQUEST
    return Person.model_validate(payload, scim_ctx=context)


def read_group(payload: dict[str, Any], *, is_new: bool) -> Group:
    """The group of a POST or PUT."""
    context = Context.RESOURCE_CREATION_REQUEST if is_new else Context.RESOURCE_REPLACEMENT_REQUEST
    return Group.model_validate(_without_empty(payload), scim_ctx=context)


def read_patch(payload: dict[str, Any], model: type[Resource[Any]]) -> "PatchOp[Any]":
    """The operations of a PATCH for this kind of resource."""
    members = {name.lower(): value for name, value in payload.items()}
    operations = members.get("operations")
    if not isinstance(operations, list) or not operations:
        raise InvalidSyntaxException(detail="A PATCH needs Operations, an array of at least one.")
    if len(operations) > MOST_OPERATIONS:
        raise InvalidValueException(detail=f"At most {MOST_OPERATIONS} operations at once.")
    plain = [one for operation in operations for one in _operations(operation, model)]
    if not plain:  # nothing but what is read-only: nothing to do
        plain = [{"op": "add", "value": {}}]
    return PatchOp[model].model_validate(  # type: ignore[valid-type]
        {"schemas": members.get("schemas"), "Operations": plain}, scim_ctx=Context.RESOURCE_PATCH_REQUEST
    )


def _operations(operation: Any, model: type[Resource[Any]]) -> Iterator[dict[str, Any]]:
    if not isinstance(operation, dict):
        raise InvalidSyntaxException(detail="An operation is not an object.")
    members = {name.lower(): value for name, value in operation.items()}
    op, path, value = members.get("op"), members.get("path"), members.get("value")
    kind = op.lower() if isinstance(op, str) else op
    if path not in (None, ""):
        if not isinstance(path, str):
            raise InvalidPathException(path=str(path)[:80], detail="path is not text")
        yield _with_path(op, kind, path, value, "value" in members, model)
        return
    if kind == "remove" or not isinstance(value, dict):
        yield {"op": op, **({"value": value} if "value" in members else {})}
        return
    rest: dict[str, Any] = {}
    for name, inner in value.items():
        if name.lower() in READ_ONLY:
            continue
        if name.lower() == ENTERPRISE.lower() and isinstance(inner, dict):
            for attribute, one in inner.items():
                yield _with_path(op, kind, f"{ENTERPRISE}:{attribute}", one, True, model)
        elif "[" in name or ":" in name or inner == "" or name.lower() == "manager":
            yield _with_path(op, kind, name, inner, True, model)
        else:
            rest[name] = inner
    if rest:
        yield {"op": op, "value": rest}


def _with_path(
    op: Any, kind: Any, path: str, value: Any, has_value: bool, model: type[Resource[Any]]
) -> dict[str, Any]:
    if model is Person and path.lower() in ("manager", MANAGER.lower(), f"{MANAGER}.value".lower()):
        manager = _manager(value)
        if kind == "remove" or manager is None:
            return {"op": "remove", "path": MANAGER}
        return {"op": op, "path": MANAGER, "value": manager}
    if kind == "remove":
        if isinstance(value, list):  # what they are known by is their value
            value = [
                {"value": one["value"]} if isinstance(one, dict) and one.get("value") else one
                for one in value
            ]
        return {"op": op, "path": path, **({"value": value} if value not in (None, "", []) else {})}
    if has_value:
        value = _unwrapped(path, value, model)
        if value == "" or value is None:
            return {"op": "remove", "path": _entry(path)}
        value = _without_empty(value)
    return {"op": op, "path": path, **({"value": value} if has_value else {})}


def _unwrapped(path: str, value: Any, model: type[Resource[Any]]) -> Any:
    """A single value out of the list of one in which old versions of Entra wrap it."""
    if not (
        isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) and "value" in value[0]
    ):
        return value
    try:
        binding = Path[model](path).resolve()  # type: ignore[valid-type]
    except InvalidPathException:
        return value
    is_single = binding is not None and (not binding.is_multivalued or binding.sub_field_name is not None)
    return value[0]["value"] if is_single else value


def _entry(path: str) -> str:
    """What goes when a value of an entry is emptied: the whole entry, as in emails[type eq "work"].value."""
    return path[: path.rindex("]") + 1] if path.endswith("].value") else path


def _manager(value: Any) -> dict[str, str] | None:
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        value = next((one for name, one in value.items() if name.lower() == "value"), None)
    if value is None or isinstance(value, bool | dict | list) or not str(value).strip():
        return None
    return {"value": str(value).strip()}


def _without_empty(value: Any) -> Any:
    """The same without empty texts and nulls, which both mean that there is no value (RFC 7643, 2.5)."""
    if isinstance(value, dict):
        return {
            name: kept
            for name, inner in value.items()
            if inner not in (None, "") and (kept := _without_empty(inner)) is not None
        }
    if isinstance(value, list):
        return [_without_empty(inner) for inner in value if inner not in (None, "")]
    return value
