"""Tells other systems what happens, in signed requests (Standard Webhooks 1.0: standardwebhooks.com) or, to a record
store, in xAPI statements (interventions.statements).

Each request carries ``webhook-id`` (the same at every try), ``webhook-timestamp`` and ``webhook-signature``:
``v1,`` and base64 of HMAC-SHA256 over ``id.timestamp.body`` under the endpoint's secret.
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction

from consent import audit, gate
from consent.actors import Party
from consent.scopes import Scope
from interventions import outgoing, statements
from interventions.models import WebhookEndpoint, WebhookMessage
from interventions.pauses import pause
from interventions.wake import work_left

PREFIX = "whsec_"
MAX_TRIES = 9  # with pauses that double, over about seventeen hours
IN_DOUBT_AFTER = timedelta(minutes=5)
TEST = "test"
_ANSWER_KEPT = 200
State = WebhookMessage.State


class NewEndpoint(NamedTuple):
    """An endpoint whose secret was just made. It is shown here once; the database holds it encrypted."""

    endpoint: WebhookEndpoint
    secret: str


def new_secret() -> str:
    """A secret of 32 random bytes, as the standard writes it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(secret: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of ``webhook-signature``. Raises ValueError where the secret is not one of the standard's."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as fault:
        raise ValueError("A webhook's secret is whsec_ and base64.") from fault
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def announce(*, event: str, learner_id: UUID, said: Mapping[str, Any], now: datetime) -> int:
    """Queues word of an event for each endpoint that wants it, in the caller's transaction; returns how many.

    Ids and codes only; nobody hears of somebody who refuses suggestions.
    """
    return announce_each(event=event, told=[(learner_id, said)], now=now)


def announce_each(*, event: str, told: Sequence[tuple[UUID, Mapping[str, Any]]], now: datetime) -> int:
    """As ``announce``, of many people at once: (learner, what is said) each."""
    wanting = list(
        WebhookEndpoint.objects.filter(is_active=True, events__contains=[event]).values_list("pk", flat=True)
    )
    if not wanting:
        return 0
    willing = gate.filter_allowed({learner_id for learner_id, _ in told}, Scope.NUDGE)
    messages = WebhookMessage.objects.bulk_create(
        WebhookMessage(
            endpoint_id=pk,
            event=event,
            subject=learner_id,
            body={"type": event, "timestamp": _iso(now), "data": {"learner": str(learner_id), **said}},
            created_at=now,
            due_at=now,
        )
        for learner_id, said in told
        if learner_id in willing
        for pk in wanting
    )
    if messages:
        transaction.on_commit(lambda: work_left.send(sender=None, stage="webhooks"))
    return len(messages)


def send_due(*, now: datetime, limit: int = 100) -> int:
    """Sends up to ``limit`` messages that are due; returns how many it looked at. A stage.

    An interrupted send is repeated: the receiver knows it by its id.
    """
    WebhookMessage.objects.filter(state=State.SENDING, claimed_at__lte=now - IN_DOUBT_AFTER).update(
        state=State.QUEUED
    )
    due = (
        WebhookMessage.objects.filter(state=State.QUEUED, due_at__lte=now, endpoint__is_active=True)
        .order_by("due_at", "pk")
        .values_list("pk", flat=True)[:limit]
    )
    ids = list(due)
    for pk in ids:
        message = _claim(pk, now)
        if message is not None:
            send(message, now=now)
    return len(ids)


def send(message: WebhookMessage, *, now: datetime) -> bool:
    """Sends one message that was claimed, and keeps the answer; True where it was taken."""
    try:
        is_statement = message.endpoint.form == WebhookEndpoint.Form.XAPI
        answer = statements.send(message) if is_statement else _post(message, now)
    except statements.NobodyThere:
        said = "not told: nothing is known by which that system would know the learner"
        _settle(message, said, taken=False, permanent=True, wait_seconds=0, now=now)
        return False
    except outgoing.NotSent as fault:
        _settle(message, str(fault), taken=False, permanent=fault.permanent, wait_seconds=0, now=now)
        return False
    taken = 200 <= answer.status < 300
    said = f"{answer.status} {answer.text[:_ANSWER_KEPT]}".strip()
    _settle(
        message, said, taken=taken, permanent=answer.is_permanent, wait_seconds=answer.wait_seconds, now=now
    )
    return taken


def _post(message: WebhookMessage, now: datetime) -> outgoing.Answer:
    """What a signed request is answered. Raises outgoing.NotSent."""
    body = json.dumps(message.body, separators=(",", ":"), ensure_ascii=False).encode()
    timestamp = int(now.timestamp())
    headers = {
        "content-type": "application/json",
        "webhook-id": str(message.pk),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(
            message.endpoint.secret, message_id=str(message.pk), timestamp=timestamp, body=body
        ),
    }
    answer = outgoing.post(message.endpoint.address, body=body, headers=headers)
    return answer if message.subject is None else answer.without_words()


def test(endpoint: WebhookEndpoint, *, by: Party, now: datetime) -> WebhookMessage:
    """Sends a made-up event at once; the row says what came back."""
    message = WebhookMessage.objects.create(
        endpoint=endpoint,
        event=TEST,
        body={"type": TEST, "timestamp": _iso(now), "data": {"hello": "from Rekindle"}},
        state=State.SENDING,
        created_at=now,
        due_at=now,
        claimed_at=now,
        tries=MAX_TRIES,  # a person looks at the answer; nothing repeats it
    )
    audit.record(actor=by, action="webhook.tested", target=Party("webhook", endpoint.pk), now=now)
    send(message, now=now)
    message.refresh_from_db()
    return message


def try_again(message_id: UUID, *, now: datetime) -> bool:
    """Queues a message that was given up, with all its tries; False where it was not."""
    moved = WebhookMessage.objects.filter(pk=message_id, state=State.FAILED).update(
        state=State.QUEUED, tries=0, due_at=now
    )
    transaction.on_commit(lambda: work_left.send(sender=None, stage="webhooks"))
    return bool(moved)


def silence(subject: UUID) -> int:
    """Calls off what is still queued about this person; returns how many."""
    return WebhookMessage.objects.filter(subject=subject, state=State.QUEUED).update(state=State.CANCELLED)


def _claim(pk: UUID, now: datetime) -> WebhookMessage | None:
    """The message, moved to sending unless somebody else has it or its person refuses by now."""
    subject = WebhookMessage.objects.values_list("subject", flat=True).filter(pk=pk).first()
    with transaction.atomic():
        # The consent row before the message's, as a withdrawal locks them.
        willing = subject is None or (
            gate.lock_and_allows(subject, Scope.NUDGE) and gate.allows(subject, Scope.RECORD)
        )
        message = (
            WebhookMessage.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("endpoint")
            .filter(pk=pk, state=State.QUEUED)
            .first()
        )
        if message is None:
            return None
        if not willing:
            WebhookMessage.objects.filter(pk=pk).update(state=State.CANCELLED)
            return None
        message.tries += 1
        WebhookMessage.objects.filter(pk=pk).update(state=State.SENDING, claimed_at=now, tries=message.tries)
        return message


def _settle(
    message: WebhookMessage, said: str, *, taken: bool, permanent: bool, wait_seconds: int, now: datetime
) -> None:
    changes: dict[str, Any] = {"answer": said[:300]}
    if taken:
        changes |= {"state": State.SENT, "sent_at": now}
    elif permanent or message.tries >= MAX_TRIES:
        changes |= {"state": State.FAILED}
    else:
        wait = max(pause(message.pk, message.tries), timedelta(seconds=wait_seconds))
        changes |= {"state": State.QUEUED, "due_at": now + wait}
    WebhookMessage.objects.filter(pk=message.pk, state=State.SENDING).update(**changes)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
