"""/xapi/activities and /xapi/agents: what is known of one activity, and who an agent is."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse

from signals.models import Credential
from signals.xapi import definitions
from signals.xapi.agents import IDENTIFIERS
from signals.xapi.credentials import demand
from signals.xapi.parameters import agent_of, check_known, iri_of
from signals.xapi.views.resource import resource
from signals.xapi.wire import json_response


@resource(["GET", "HEAD"])
def activities(request: HttpRequest, credential: Credential, now: datetime) -> HttpResponse:
    """The whole activity, as all statements together define it (xAPI 1.0.3 Communication 2.5)."""
    demand(credential, "read", "read/mine", "define", "profile", "state")
    given = request.GET.dict()
    check_known(given, frozenset({"activityId"}))
    return json_response(definitions.complete(iri_of(given, "activityId")))


@resource(["GET", "HEAD"])
def agents(request: HttpRequest, credential: Credential, now: datetime) -> HttpResponse:
    """The agent asked for, as a person (Communication 2.4).

    Only what the client knows already comes back: the record store does not trade one identifier for another.
    """
    demand(credential, "read", "read/mine", "define", "profile", "state")
    given = request.GET.dict()
    check_known(given, frozenset({"agent"}))
    agent = agent_of(given)
    person: dict[str, Any] = {"objectType": "Person"}
    for name in ("name", *IDENTIFIERS):
        if name in agent:
            person[name] = [agent[name]]
    return json_response(person)
