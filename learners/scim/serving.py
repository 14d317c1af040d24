"""Answers SCIM requests: one function for each kind of address. HTTP itself is the view's."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from pydantic import ValidationError
from scim2_models import (
    Context,
    Error,
    ListResponse,
    Meta,
    NotFoundException,
    NotImplementedException,
    PreconditionFailedException,
    Resource,
    ResourceType,
    Schema,
    SCIMException,
    SearchRequest,
)

from consent import audit
from consent.actors import Party
from learners.models import ScimClient, ScimGroup, ScimPerson
from learners.roster.importing import wait_for_turn
from learners.scim import groups, people, reading, representing, searching
from learners.scim.saying import said_by
from learners.scim.schemas import Group, Person, provider

# Made once: each making of such a class costs milliseconds.
SEARCH_PEOPLE: Any = SearchRequest[Person]
SEARCH_GROUPS: Any = SearchRequest[Group]


class Asked(NamedTuple):
    """A request, without HTTP."""

    client: ScimClient
    method: str
    query: Mapping[str, str]
    body: bytes
    if_match: str
    if_none_match: str
    now: datetime


class Answer(NamedTuple):
    status: int
    body: dict[str, Any] | None = None
    headers: Mapping[str, str] = {}


def answer(asked: Asked, kind: str, name: str) -> Answer:
    """The answer to a request at /kind or /kind/name; what is wrong with it is answered in the standard's form."""
    try:
        with provider():
            return _route(asked, kind, name)
    except SCIMException as fault:
        return _fault(fault.to_error())
    except ValidationError as fault:
        return _fault(Error.from_validation_errors(fault.errors(include_input=False))[0])


def fault(status: int, detail: str) -> Answer:
    """A refusal in the standard's form."""
    return _fault(Error(status=status, detail=detail))


def _fault(error: Error) -> Answer:
    return Answer(error.status or 400, error.model_dump())


def _route(asked: Asked, kind: str, name: str) -> Answer:
    if kind == "Users":
        return _users(asked, name)
    if kind == "Groups":
        return _groups(asked, name)
    if asked.method not in ("GET", "HEAD"):
        raise NotImplementedException(detail=f"{asked.method} is not offered here.")
    if "filter" in asked.query:  # RFC 7644, section 4: discovery is not searched
        return fault(403, "Discovery takes no filter.")
    if kind == "ServiceProviderConfig" and not name:
        config = provider().config
        assert config is not None
        return _shown(_located(config, kind, "ServiceProviderConfig"))
    if kind == "ResourceTypes":
        return _discovered(ResourceType, kind, list(provider().resource_types), name)
    if kind == "Schemas":
        return _discovered(Schema, kind, list(provider().schemas), name)
    raise NotFoundException(detail="There is no such address.")


def _discovered(model: Any, kind: str, resources: list[Any], name: str) -> Answer:
    located = [_located(one, model.__name__, f"{kind}/{one.id}") for one in resources]
    if not name:
        listed = ListResponse[model](
            total_results=len(located), start_index=1, items_per_page=len(located), resources=located
        )
        return Answer(200, listed.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE))
    for one in located:
        if str(one.id).lower() == name.lower():
            return _shown(one)
    raise NotFoundException(detail="There is no such description.")


def _located(resource: Any, kind: str, place: str) -> Any:
    copy = resource.model_copy()
    copy.meta = Meta(resource_type=kind, location=f"{representing.base()}/{place}")
    return copy


def _shown(resource: Resource[Any]) -> Answer:
    return Answer(200, resource.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE))


# users


def _users(asked: Asked, name: str) -> Answer:
    if name in ("", ".search"):
        if asked.method in ("GET", "HEAD") or name:
            return _search(asked, name, SEARCH_PEOPLE, _people_page)
        if asked.method != "POST":
            raise NotImplementedException(detail=f"{asked.method} is not offered here.")
        user = reading.read_person(reading.parse(asked.body), is_new=True)
        with transaction.atomic():
            wait_for_turn()
            person = people.create(client=asked.client, user=user, now=asked.now)
            return _person(asked, person, status=201, context=Context.RESOURCE_CREATION_RESPONSE)
    if asked.method in ("GET", "HEAD"):
        person = _found_person(asked.client, name)
        _read(asked, [person.learner_id])
        return _person(asked, person, status=200, context=Context.RESOURCE_QUERY_RESPONSE)
    with transaction.atomic():
        wait_for_turn()
        person = _found_person(asked.client, name)
        resource = _person_resource(person, asked)
        _check_match(asked, resource)
        if asked.method == "DELETE":
            people.leave(client=asked.client, person=person, now=asked.now)
            return Answer(204)
        current = said_by(resource)
        if asked.method == "PATCH":
            reading.read_patch(reading.parse(asked.body), Person).patch(resource)
            said = said_by(resource)
        elif asked.method == "PUT":
            said = said_by(reading.read_person(reading.parse(asked.body), is_new=False))
            said.setdefault("active", current["active"])
        else:
            raise NotImplementedException(detail=f"{asked.method} is not offered here.")
        person = people.change(client=asked.client, person=person, current=current, said=said, now=asked.now)
        return _person(asked, person, status=200, context=Context.RESOURCE_REPLACEMENT_RESPONSE)


def _found_person(client: ScimClient, name: str) -> ScimPerson:
    pk = groups.uuid_of(name)
    person: ScimPerson | None = people.people_of(client).filter(learner=pk).first() if pk else None
    if person is None:
        raise NotFoundException(detail="There is no such user.")
    return person


def _person_resource(person: ScimPerson, asked: Asked) -> Any:
    today = asked.now.date()
    return representing.person_resource(person, representing.around([person], today=today), today=today)


def _person(asked: Asked, person: ScimPerson, *, status: int, context: Context) -> Answer:
    return _one(asked, _person_resource(person, asked), status=status, context=context)


def _people_page(asked: Asked, request: Any) -> Any:
    listed, shown = searching.people(asked.client, request, now=asked.now)
    _read(asked, [groups.uuid_of(one.id) for one in shown])
    return listed


def _read(asked: Asked, learners: list[Any]) -> None:
    """One trace a page, as for people who read."""
    if learners:
        audit.record_reads(
            actor=Party("scim_client", asked.client.pk), action="scim.read", targets=learners, now=asked.now
        )


# groups


def _groups(asked: Asked, name: str) -> Answer:
    if name in ("", ".search"):
        if asked.method in ("GET", "HEAD") or name:
            return _search(asked, name, SEARCH_GROUPS, _groups_page)
        if asked.method != "POST":
            raise NotImplementedException(detail=f"{asked.method} is not offered here.")
        wanted = reading.read_group(reading.parse(asked.body), is_new=True)
        with transaction.atomic():
            wait_for_turn()
            group = groups.create(client=asked.client, wanted=wanted, now=asked.now)
            return _group(asked, group, status=201, context=Context.RESOURCE_CREATION_RESPONSE)
    if asked.method in ("GET", "HEAD"):
        group = _found_group(asked.client, name)
        return _group(asked, group, status=200, context=Context.RESOURCE_QUERY_RESPONSE)
    with transaction.atomic():
        wait_for_turn()
        group = _found_group(asked.client, name)
        resource = _group_resource(group)
        _check_match(asked, resource)
        if asked.method == "DELETE":
            groups.delete(group=group, now=asked.now)
            return Answer(204)
        if asked.method == "PATCH":
            reading.read_patch(reading.parse(asked.body), Group).patch(resource)
        elif asked.method == "PUT":
            resource = reading.read_group(reading.parse(asked.body), is_new=False)
        else:
            raise NotImplementedException(detail=f"{asked.method} is not offered here.")
        group = groups.change(group=group, wanted=resource, now=asked.now)
        return _group(asked, group, status=200, context=Context.RESOURCE_REPLACEMENT_RESPONSE)


def _found_group(client: ScimClient, name: str) -> ScimGroup:
    pk = groups.uuid_of(name)
    group = (
        ScimGroup.objects.filter(client=client, pk=pk).select_related("client", "unit").first()
        if pk
        else None
    )
    if group is None:
        raise NotFoundException(detail="There is no such group.")
    return group


def _group_resource(group: ScimGroup) -> Group:
    return representing.group_resource(group, representing.members_of([group])[group.pk])


def _group(asked: Asked, group: ScimGroup, *, status: int, context: Context) -> Answer:
    return _one(asked, _group_resource(group), status=status, context=context)


def _groups_page(asked: Asked, request: Any) -> Any:
    return searching.groups(asked.client, request)


# both


def _search(asked: Asked, name: str, model: Any, page: Callable[[Asked, Any], Any]) -> Answer:
    if name and asked.method != "POST":
        raise NotFoundException(detail="There is no such address; POST to .search.")
    given = reading.parse(asked.body) if name else dict(asked.query)
    if isinstance(given.get("filter"), str):
        given["filter"] = reading.filter_of(given["filter"])
    context = Context.SEARCH_REQUEST if name else None
    request = model.model_validate(given, **({"scim_ctx": context} if context else {}))
    listed = page(asked, request)
    return Answer(
        200, listed.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=request)
    )


def _one(asked: Asked, resource: Any, *, status: int, context: Context) -> Answer:
    """One resource with its entity tag; 304 where the client has this version."""
    version, location = resource.meta.version, resource.meta.location
    headers = {"ETag": version, "Location": str(location)}
    if status == 200 and asked.method in ("GET", "HEAD") and _is_among(version, asked.if_none_match):
        return Answer(304, None, headers)
    names = {key: value for key, value in asked.query.items() if key in ("attributes", "excludedAttributes")}
    wanted = None
    if names:
        wanted = (SEARCH_GROUPS if isinstance(resource, Group) else SEARCH_PEOPLE).model_validate(names)
    return Answer(status, resource.model_dump(scim_ctx=context, response_parameters=wanted), headers)


def _check_match(asked: Asked, resource: Any) -> None:
    """Raises PreconditionFailedException where the client means another version than there is."""
    if asked.if_match and not _is_among(resource.meta.version, asked.if_match):
        raise PreconditionFailedException(detail="It has changed since; read it again.")
    if asked.if_none_match and _is_among(resource.meta.version, asked.if_none_match):
        raise PreconditionFailedException(detail="It is the version you do not want.")


def _is_among(version: str, header: str) -> bool:
    """Weak comparison (RFC 9110, 8.8.3.2): Okta and Entra send tags back as they got them, or without W/."""
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or version.removeprefix("W/") in tags
