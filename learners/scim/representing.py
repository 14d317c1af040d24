"""People and groups as we answer them: what the client said, put right by what we know."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from scim2_models import Context, Meta, Resource

from learners.models import Oversight, ScimGroup, ScimMembership, ScimPerson
from learners.querysets import in_force
from learners.roster.known import unit_paths
from learners.scim import saying
from learners.scim.saying import ENTERPRISE, Path, Said
from learners.scim.schemas import Group, GroupMember, GroupMembership, Person


def base() -> str:
    return f"{settings.PUBLIC_URL.rstrip('/')}/scim/v2"


@dataclass
class Around:
    """What else is answered about people, read for a whole page at once."""

    managers: dict[UUID, UUID] = field(default_factory=dict)  # learner → the learner who manages them
    groups: dict[int, list[ScimGroup]] = field(default_factory=dict)
    paths: dict[int, Path] = field(default_factory=dict)


def around(people: Sequence[ScimPerson], *, today: date) -> Around:
    """The surroundings of these people, in three queries."""
    found = Around(paths=unit_paths())
    relations = Oversight.objects.filter(
        in_force(today),
        learner__in=[one.learner_id for one in people],
        kind=Oversight.Kind.MANAGER,
        user__learner__isnull=False,
    ).order_by("from_date", "pk")
    for learner_id, manager_id in relations.values_list("learner_id", "user__learner_id"):
        found.managers[learner_id] = manager_id
    memberships = ScimMembership.objects.filter(person__in=people).select_related("group")
    for membership in memberships:
        found.groups.setdefault(membership.person_id, []).append(membership.group)
    return found


def is_active(person: ScimPerson, *, today: date) -> bool:
    left_on = person.learner.left_on
    return left_on is None or left_on > today


def current_said(person: ScimPerson, around: Around, *, today: date) -> Said:
    """What the client has spoken of, with the values that hold now. `learner__job_role` and `role_name` selected."""
    learner, said = person.learner, dict(person.said)
    said["active"] = is_active(person, today=today)
    if (name := saying.full_name(said)) and name != learner.name:
        had_name = "name" in said
        said.pop("name", None)
        said.pop("displayName", None)
        said.update({"name": {"formatted": learner.name}} if had_name else {})
        said["displayName"] = learner.name
    if (place := saying.address_place(said)) is not None and saying.address(said) != learner.email:
        said["emails"] = [dict(one) for one in said["emails"]]
        if learner.email:
            said["emails"][place]["value"] = learner.email
        else:
            del said["emails"][place]
    by_group = any(group.role_name_id for group in around.groups.get(person.pk, ()))
    if said.get("title") and learner.job_role and not by_group and not _means(person, learner.job_role_id):
        said["title"] = learner.job_role.name
    if said.get("timezone") and learner.time_zone:
        said["timezone"] = learner.time_zone
    if said.get("preferredLanguage") and saying.language(said, languages()) != learner.language:
        said["preferredLanguage"] = learner.language
    if ENTERPRISE in said:
        said[ENTERPRISE] = _enterprise(person, said, around)
    return said


def languages() -> frozenset[str]:
    return frozenset(code for code, _ in settings.LANGUAGES)


def _means(person: ScimPerson, job_role_id: int | None) -> bool:
    """Whether the title stands for this role, or for nothing that is known yet."""
    named = person.role_name
    return named is None or named.job_role_id is None or named.job_role_id == job_role_id


def _enterprise(person: ScimPerson, said: Said, around: Around) -> dict[str, Any]:
    learner, values = person.learner, dict(said[ENTERPRISE])
    if values.get("employeeNumber") and learner.employee_number:
        values["employeeNumber"] = learner.employee_number
    path = around.paths.get(learner.unit_id, ()) if learner.unit_id else ()
    by_group = any(group.unit_id for group in around.groups.get(person.pk, ()))
    if saying.unit_path(said) not in ((), path) and not by_group:
        for name in ("organization", "division", "department"):
            values.pop(name, None)
        if path:
            values["department"] = "/".join(path)
    if values.get("manager") and person.waits_for is None:
        manager = around.managers.get(learner.pk)
        values.pop("manager")
        if manager is not None:
            values["manager"] = {"value": str(manager)}
    return values


def person_resource(person: ScimPerson, around: Around, *, today: date) -> Any:
    """The user as the standard has it, with its version."""
    said = current_said(person, around, today=today)
    schemas = [str(Person.__schema__), *([ENTERPRISE] if ENTERPRISE in said else [])]
    user = Person.model_validate({**said, "schemas": schemas, "id": str(person.learner_id)})
    groups = [
        GroupMembership(value=str(group.pk), display=group.display_name)
        for group in around.groups.get(person.pk, ())
    ]
    user.groups = groups or None
    return _with_meta(user, "User", person, f"Users/{person.learner_id}")


def group_resource(group: ScimGroup, members: Iterable[UUID]) -> Group:
    """The group as the standard has it, with its version."""
    resource = Group(
        id=str(group.pk),
        external_id=group.external_id or None,
        display_name=group.display_name,
        members=[GroupMember(value=str(member), type="User") for member in members] or None,
    )
    return _with_meta(resource, "Group", group, f"Groups/{group.pk}")


def members_of(groups: Sequence[ScimGroup]) -> dict[UUID, list[UUID]]:
    """The learners in each of these groups, in one query."""
    found: dict[UUID, list[UUID]] = {group.pk: [] for group in groups}
    rows = ScimMembership.objects.filter(Q(person__deleted_at__isnull=True), group__in=groups).order_by("pk")
    for group_id, learner_id in rows.values_list("group_id", "person__learner_id"):
        found[group_id].append(learner_id)
    return found


def _with_meta(resource: Any, kind: str, row: ScimPerson | ScimGroup, place: str) -> Any:
    resource.meta = Meta(
        resource_type=kind,
        created=row.created_at,
        last_modified=row.changed_at,
        location=f"{base()}/{place}",
        version=version_of(resource),
    )
    return resource


def version_of(resource: Resource[Any]) -> str:
    """The entity tag: the same for the same content, whoever changed it."""
    content = resource.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
    content.pop("meta", None)
    digest = hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=8).hexdigest()
    return f'W/"{digest}"'
