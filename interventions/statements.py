"""What happened to a suggestion, as an xAPI statement for another record store.

Told like a webhook (queued, asked for consent twice, repeated); the statement's id is the message's, so a repeat is the
same statement. It says that there was a suggestion and which answer it got: no risk, no score, no reason, no text.
"""

import base64
import json
from datetime import UTC
from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.conf import settings

from interventions import outgoing, places
from interventions.models import Decision, WebhookEndpoint, WebhookMessage
from learners.models import Identifier, Learner

RECEIVED = "http://activitystrea.ms/schema/1.0/receive"
RESPONDED = "http://adlnet.gov/expapi/verbs/responded"
OFFER = "http://activitystrea.ms/schema/1.0/offer"
ACTION = "https://w3id.org/rekindle/xapi/extensions/action"
VERSION = "1.0.3"  # which record stores of 2.0 take as well
_VERBS: dict[str, tuple[str, str]] = {
    WebhookEndpoint.Event.SENT: (RECEIVED, "received"),
    WebhookEndpoint.Event.ANSWERED: (RESPONDED, "responded"),
}


class NobodyThere(Exception):
    """Nothing is known by which that system would know the learner."""


def send(message: WebhookMessage) -> outgoing.Answer:
    """Puts the statement and returns what came back. Raises NobodyThere, outgoing.NotSent."""
    endpoint = message.endpoint
    statement = of_test(message) if message.subject is None else of(message)
    signed_in = base64.b64encode(f"{endpoint.key}:{endpoint.secret}".encode()).decode()
    answer = outgoing.put(
        f"{resource(endpoint.address)}?statementId={quote(str(message.pk))}",
        body=json.dumps(statement, separators=(",", ":"), ensure_ascii=False).encode(),
        headers={
            "Authorization": f"Basic {signed_in}",
            "Content-Type": "application/json",
            "X-Experience-API-Version": VERSION,
        },
    )
    if message.subject is not None:
        answer = answer.without_words()  # record stores like to repeat what they refuse, with whom it names
    if answer.status == 409:
        # The id is ours alone: it took the statement at an earlier try, when it perhaps named the learner otherwise.
        return answer._replace(status=200, text="already there")
    if answer.status in (401, 403):
        # Our own key: nothing is wrong with the statement, and somebody will mend it.
        return answer._replace(status=503, text=f"{answer.status}: the record store does not let us in")
    return answer


def resource(address: str) -> str:
    """Where statements go, given a record store's address with or without that last part."""
    base = address.rstrip("/")
    return base if base.endswith("/statements") else f"{base}/statements"


def of(message: WebhookMessage) -> dict[str, Any]:
    """The statement that a message says. Raises NobodyThere."""
    said = message.body["data"]
    assert message.subject is not None  # only tests have none
    decision = (
        Decision.objects.filter(pk=said["decision"], enrolment__learner=message.subject)
        .select_related("enrolment__course", "enrolment__learner")
        .first()
    )
    if decision is None:
        raise NobodyThere
    # Among the others, not the parents: nobody was active in the course because we wrote to them.
    around = [{"id": decision.enrolment.course.iri}]
    if living := places.link_of(decision.lesson_id, decision.enrolment.learner.language):
        around.append({"id": living[1]})
    return _statement(
        message,
        actor=_actor(decision.enrolment.learner, message.endpoint.home_page),
        verb=_VERBS[message.event],
        about=decision.pk,
        action=decision.action,
        around=around,
        response=str(said.get("answer", "")),
    )


def of_test(message: WebhookMessage) -> dict[str, Any]:
    """A statement about nobody, by which an administrator sees whether the record store takes any."""
    actor = {
        "objectType": "Agent",
        "account": {"homePage": settings.PUBLIC_URL, "name": "a-test-about-nobody"},
    }
    return _statement(
        message, actor=actor, verb=(RECEIVED, "received"), about=message.pk, action="test", around=[]
    )


def _statement(
    message: WebhookMessage,
    *,
    actor: dict[str, Any],
    verb: tuple[str, str],
    about: UUID,
    action: str,
    around: list[dict[str, str]],
    response: str = "",
) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "id": str(message.pk),
        "actor": actor,
        "verb": {"id": verb[0], "display": {"en": verb[1]}},
        "object": {
            "objectType": "Activity",
            "id": f"{settings.PUBLIC_URL}/suggestions/{about}",
            "definition": {
                "type": OFFER,
                "name": {"en": "A suggestion", "de": "Ein Vorschlag"},
                "extensions": {ACTION: action},
            },
        },
        "context": {"platform": "Rekindle"},
        "timestamp": message.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }
    if around:
        statement["context"]["contextActivities"] = {"other": around}
    if response:
        statement["result"] = {"response": response}
    return statement


def _actor(learner: Learner, home_page: str) -> dict[str, Any]:
    """The learner by the name that system knows. Raises NobodyThere."""
    if not home_page:
        if not learner.email:
            raise NobodyThere
        return {"objectType": "Agent", "mbox": f"mailto:{learner.email}"}
    accounts = learner.identifiers.filter(kind=Identifier.Kind.ACCOUNT, valid_to__isnull=True).order_by("pk")
    for value in accounts.values_list("value", flat=True):
        page, _, name = value.partition("|")
        if name and places.same_site(page, home_page):
            return {"objectType": "Agent", "account": {"homePage": page, "name": name}}
    raise NobodyThere
