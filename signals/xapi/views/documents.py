"""/xapi/activities/state, /xapi/activities/profile and /xapi/agents/profile: documents of clients."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date

from signals.models import Credential, Document
from signals.unit_scope import outsiders
from signals.xapi import documents
from signals.xapi.credentials import MayNot, demand
from signals.xapi.documents import Where
from signals.xapi.keys import activity_key, identity
from signals.xapi.parameters import agent_of, check_known, iri_of, moment_of, needed, uuid_in
from signals.xapi.views.resource import resource
from signals.xapi.wire import NEWEST_1, VERSION_HEADER, BadRequest, body_of, json_response, major_of

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")


class _Asked(NamedTuple):
    """What a request is about."""

    where: Where
    name: str | None  # None: all documents of that place
    since: datetime | None
    any_registration: bool


@resource(METHODS)
def state(request: HttpRequest, credential: Credential, now: datetime) -> HttpResponse:
    """What an activity keeps about one learner (xAPI 1.0.3 Communication 2.3)."""
    _demand(request, credential, "state")
    given = _parameters(request, frozenset({"activityId", "agent", "registration", "stateId"}))
    where = Where(
        Document.Kind.STATE,
        activity=activity_key(iri_of(given, "activityId")),
        agent=_agent(given, credential),
        registration=uuid_in(given, "registration"),
    )
    asked = _Asked(where, _name(request, given, "stateId"), moment_of(given, "since"), where[3] is None)
    # Only xAPI 2.0 protects a learner's state against being overwritten unseen.
    strict = major_of(request) == 2
    return _answer(request, asked, now, must_have_seen=strict, must_say=False)


@resource(METHODS)
def activity_profile(request: HttpRequest, credential: Credential, now: datetime) -> HttpResponse:
    """What is kept about an activity (Communication 2.7)."""
    _demand(request, credential, "profile")
    given = _parameters(request, frozenset({"activityId", "profileId"}))
    where = Where(Document.Kind.ACTIVITY_PROFILE, activity=activity_key(iri_of(given, "activityId")))
    asked = _Asked(where, _name(request, given, "profileId"), moment_of(given, "since"), False)
    return _answer(request, asked, now, must_have_seen=True, must_say=_must_say(request))


@resource(METHODS)
def agent_profile(request: HttpRequest, credential: Credential, now: datetime) -> HttpResponse:
    """What is kept about an agent (Communication 2.6)."""
    _demand(request, credential, "profile")
    given = _parameters(request, frozenset({"agent", "profileId"}))
    where = Where(Document.Kind.AGENT_PROFILE, agent=_agent(given, credential))
    asked = _Asked(where, _name(request, given, "profileId"), moment_of(given, "since"), False)
    return _answer(request, asked, now, must_have_seen=True, must_say=_must_say(request))


def _must_say(request: HttpRequest) -> bool:
    """Whether a profile may not be created without a precondition.

    The conformance suite of 1.0.3 wants that refused (XAPI-00273). Clients of earlier versions, such as tincan for
    Python, send none when they create one, and xAPI 2.0 allows it again.
    """
    return request.headers.get(VERSION_HEADER, "") == NEWEST_1


def _demand(request: HttpRequest, credential: Credential, permission: str) -> None:
    if request.method in ("GET", "HEAD"):
        demand(credential, permission, "read")
    else:
        demand(credential, permission)


def _parameters(request: HttpRequest, known: frozenset[str]) -> Mapping[str, str]:
    given = {name: values[-1] for name, values in request.GET.lists()}
    check_known(given, known | {"since"} if request.method in ("GET", "HEAD") else known)
    return given


def _agent(given: Mapping[str, str], credential: Credential) -> bytes:
    found = identity(agent_of(given))
    if found is None:
        raise BadRequest("agent", "has no identifier", "Send an agent or an identified group.")
    if credential.unit_id is not None and outsiders([found[0]], credential.unit_id):
        raise MayNot("This credential is bound to a unit to which the agent does not belong.")
    return found[0]


def _name(request: HttpRequest, given: Mapping[str, str], parameter: str) -> str | None:
    """The document's name; only reading, and removing a learner's state, may leave it out."""
    if request.method in ("GET", "HEAD") or (request.method == "DELETE" and parameter == "stateId"):
        return given.get(parameter)
    return needed(given, parameter)


def _answer(
    request: HttpRequest, asked: _Asked, now: datetime, *, must_have_seen: bool, must_say: bool
) -> HttpResponse:
    if request.method in ("GET", "HEAD"):
        return _get(request, asked)
    wanted = documents.preconditions(
        request.headers.get("If-Match", ""), request.headers.get("If-None-Match", "")
    )
    if asked.name is None:
        documents.delete_all(asked.where, any_registration=asked.any_registration)
    elif request.method == "DELETE":
        documents.delete(asked.where, asked.name, wanted)
    else:
        # A document without a type is one of bytes.
        kind = request.headers.get("Content-Type") or "application/octet-stream"
        body = body_of(request)
        if request.method == "PUT":
            documents.put(
                asked.where,
                asked.name,
                body,
                kind,
                wanted,
                must_have_seen=must_have_seen,
                must_say=must_say,
                now=now,
            )
        else:
            documents.merge(asked.where, asked.name, body, kind, wanted, now=now)
    return HttpResponse(status=204)


def _get(request: HttpRequest, asked: _Asked) -> HttpResponse:
    if asked.name is None:
        return json_response(
            documents.names(asked.where, since=asked.since, any_registration=asked.any_registration)
        )
    found = documents.read(asked.where, asked.name)
    if found is None:
        raise BadRequest("document", "is not there", "Check its name, activity, agent and registration.", 404)
    known = documents.preconditions("", request.headers.get("If-None-Match", "")).if_none_match
    response = (
        HttpResponse(status=304)
        if known & {found.etag, "*"}
        else HttpResponse(found.body, content_type=found.content_type)
    )
    response["ETag"] = f'"{found.etag}"'
    response["Last-Modified"] = http_date(found.updated_at.timestamp())
    return response
