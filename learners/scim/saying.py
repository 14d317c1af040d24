"""What a person's attributes, as an identity provider says them, mean for us. No database.

`Said` is SCIM's own JSON, holding the attributes of learners.scim.schemas and no others. A provider is believed in what
it has ever spoken of; what it never mentioned stays as the roster or an administrator has it.
"""

from collections.abc import Callable
from typing import Any

from scim2_models import InvalidValueException

from learners.roster.reading import LONGEST_NAME
from learners.scim.schemas import EnterpriseUser, Person
from learners.zones import known_zones

Said = dict[str, Any]
ENTERPRISE = str(EnterpriseUser.__schema__)
NOT_SAID = ("schemas", "id", "meta", "groups")

Path = tuple[str, ...]


def said_by(user: Person) -> Said:
    """What is kept of a user: what was said, without what is only ours to say."""
    said: Said = user.model_dump()
    for name in NOT_SAID:
        said.pop(name, None)
    enterprise = said.get(ENTERPRISE)
    if enterprise is not None:
        manager = enterprise.get("manager")
        if manager is not None:
            enterprise["manager"] = {"value": manager["value"]} if manager.get("value") else None
        said[ENTERPRISE] = {name: value for name, value in enterprise.items() if value}
        if not said[ENTERPRISE]:
            del said[ENTERPRISE]
    return said


def enterprise(said: Said, name: str) -> Any:
    return said.get(ENTERPRISE, {}).get(name)


SPOKEN: dict[str, Callable[[Said], bool]] = {
    "name": lambda said: bool(full_name(said)),
    "email": lambda said: bool(said.get("emails")),
    "unit": lambda said: bool(unit_path(said)),
    "job_role": lambda said: bool(said.get("title")),
    "time_zone": lambda said: bool(said.get("timezone")),
    "language": lambda said: bool(said.get("preferredLanguage") or said.get("locale")),
    "manager": lambda said: bool(manager_reference(said)),
    "active": lambda said: said.get("active") is not None,
}


def full_name(said: Said) -> str:
    """The whole name: as it is to be shown, else as formatted, else put together. Empty: none was said."""
    name = said.get("name") or {}
    parts = " ".join(part for part in (name.get("givenName"), name.get("familyName")) if part)
    return str(said.get("displayName") or name.get("formatted") or parts).strip()


def address_place(said: Said) -> int | None:
    """Which of the addresses counts: the primary one, else that of type work, else the first."""
    emails = [(place, one) for place, one in enumerate(said.get("emails") or ()) if one.get("value")]
    primary = [place for place, one in emails if one.get("primary") is True]
    work = [place for place, one in emails if str(one.get("type", "")).lower() == "work"]
    return next(iter([*primary, *work, *(place for place, _ in emails)]), None)


def address(said: Said) -> str:
    place = address_place(said)
    return "" if place is None else str(said["emails"][place]["value"]).strip()


def unit_path(said: Said) -> Path:
    """The unit's path: organisation, division, then the department, which may itself be a path."""
    text = [str(enterprise(said, name) or "") for name in ("organization", "division", "department")]
    return path_of("/".join(part for part in text if part))


def path_of(text: str) -> Path:
    """A path written as A/B/C. Raises InvalidValueException where a name is too long."""
    path = tuple(name.strip() for name in text.split("/") if name.strip())
    if any(len(name) > LONGEST_NAME for name in path):
        raise InvalidValueException(
            detail=f"The names in a unit's path have at most {LONGEST_NAME} characters."
        )
    return path


def language(said: Said, known: frozenset[str]) -> str:
    """The language: en for what we do not speak, as in the roster."""
    tag = str(said.get("preferredLanguage") or said.get("locale") or "")
    first = tag.replace("_", "-").split(",")[0].split("-")[0].strip().lower()
    return first if first in known else "en"


def time_zone(said: Said) -> str:
    """The zone. Raises InvalidValueException for one nobody knows."""
    zone = str(said.get("timezone") or "").strip()
    if zone and zone not in known_zones():
        raise InvalidValueException(detail="timezone is not known; send one like Europe/Berlin.")
    return zone


def manager_reference(said: Said) -> str:
    """How the provider names the manager; empty where there is none."""
    return str((enterprise(said, "manager") or {}).get("value") or "").strip()


def changed_topics(old: Said, new: Said) -> list[str]:
    """Names of the attributes that differ, for the trace; never their values."""
    top = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)} - {ENTERPRISE}
    before, after = old.get(ENTERPRISE, {}), new.get(ENTERPRISE, {})
    inside = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    return sorted(top | inside)
