"""The parameters that several resources take, read and checked."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from signals.xapi.agents import check_actor
from signals.xapi.faults import Faults
from signals.xapi.primitives import is_iri, moment, uuid_of
from signals.xapi.wire import BadRequest


def check_known(parameters: Mapping[str, str], known: frozenset[str]) -> None:
    """Raises BadRequest for a parameter the resource does not take."""
    unknown = set(parameters) - known
    if unknown:
        raise BadRequest(sorted(unknown)[0], "is not a parameter", f"Use only {', '.join(sorted(known))}.")


def needed(parameters: Mapping[str, str], name: str) -> str:
    """The parameter's text. Raises BadRequest where it is missing or empty."""
    if not parameters.get(name):
        raise BadRequest(name, "is missing", f"Send {name} in the address.")
    return parameters[name]


def agent_of(parameters: Mapping[str, str], name: str = "agent") -> dict[str, Any]:
    """The agent or group, as valid JSON."""
    try:
        agent = msgspec.json.decode(needed(parameters, name).encode())
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise BadRequest(name, "is not JSON", "Send the agent as a JSON object.") from error
    faults = Faults(0)
    check_actor(agent, name, faults)
    if faults.found:
        fault = faults.found[0]
        raise BadRequest(fault.path, fault.fault, fault.mend)
    return agent


def iri_of(parameters: Mapping[str, str], name: str) -> str:
    """The IRI of this name."""
    if not is_iri(needed(parameters, name)):
        raise BadRequest(name, "is not an IRI", "Send an absolute IRI with its scheme.")
    return parameters[name]


def moment_of(parameters: Mapping[str, str], name: str) -> datetime | None:
    """The moment of this name, where there is one."""
    if name not in parameters:
        return None
    found = moment(parameters[name])
    if found is None:
        raise BadRequest(name, "is not an ISO 8601 date and time", 'Write it like "2025-03-01T09:30:00Z".')
    return found


def uuid_in(parameters: Mapping[str, str], name: str) -> UUID | None:
    """The UUID of this name, where there is one."""
    if name not in parameters:
        return None
    found = uuid_of(parameters[name])
    if found is None:
        raise BadRequest(name, "is not a UUID", "Send 32 hexadecimal digits as 8-4-4-4-12.")
    return found
