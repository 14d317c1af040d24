"""Slack and Microsoft Teams: the message to one person, with buttons that lead where the mail's links lead.

A room's webhook would show one person's message to a whole room, so neither is used: Slack is spoken to as an app
that writes to one member, Teams through a workflow that posts to the person it is told. Moodle's messages are a chat
too (interventions.channels.moodle).
"""

import json
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from interventions import chats, outgoing
from interventions.channels import letter
from interventions.channels.base import Channel, ChannelError, unsure
from interventions.channels.letter import Letter
from interventions.channels.phrases import phrases
from interventions.models import ChatConnection, Delivery

SLACK = "https://slack.com/api"
# What Slack says where the person, and not our app, is the reason.
_NOBODY_THERE = {
    "users_not_found",
    "channel_not_found",
    "user_disabled",
    "cannot_dm_bot",
    "messages_tab_disabled",
    "is_archived",
}


class Chat(Channel):
    """What they have in common: a connection of ours, and a person known there."""

    kind: str

    def send(self, delivery: Delivery, *, now: datetime) -> str:
        connection = ChatConnection.objects.filter(kind=self.kind, is_active=True, writes=True).first()
        if connection is None:
            raise ChannelError("this chat is not configured any more", permanent=True)
        try:
            answer = self.tell(connection, delivery, now=now)
        except ChannelError as fault:
            if not fault.permanent or fault.in_doubt:
                chats.note_fault(connection, str(fault), now=now)
            raise
        chats.note_success(connection)
        return answer

    def tell(self, connection: ChatConnection, delivery: Delivery, *, now: datetime) -> str:
        """Sends one delivery by this connection. Raises ChannelError."""
        if not delivery.learner.email:
            raise ChannelError("the learner has no address any more", permanent=True)
        return self.say(
            connection,
            letter.write(delivery, now=now),
            to=delivery.learner.email,
            key=str(delivery.pk),
        )

    def say(self, connection: ChatConnection, said: Letter, *, to: str, key: str) -> str:
        """Sends a letter to the person with this address; ``key`` marks a repeat. Raises ChannelError."""
        raise NotImplementedError


class Slack(Chat):
    kind = ChatConnection.Kind.SLACK
    repeatable = True  # a repeat carries the same client_msg_id, and Slack drops it

    def say(self, connection: ChatConnection, said: Letter, *, to: str, key: str) -> str:
        base = connection.address or SLACK
        headers = {"Authorization": f"Bearer {connection.token}"}
        query = urlencode({"email": to})
        found = _asked(_get(f"{base}/users.lookupByEmail?{query}", headers)).get("user")
        if not isinstance(found, dict) or not found.get("id"):
            raise ChannelError("Slack answered nothing readable", permanent=False)
        body = {
            "channel": found["id"],
            "text": _escaped(f"{said.subject}\n{said.body}"),  # what a notification and a screen reader say
            "blocks": _blocks(said),
            "client_msg_id": key,
            "unfurl_links": False,  # Slack would open the links to draw them
            "unfurl_media": False,
        }
        told = _asked(
            _post(
                f"{base}/chat.postMessage",
                body,
                headers | {"Content-Type": "application/json; charset=utf-8"},
            )
        )
        return f"taken by Slack: {told.get('ts', '')}"


class Teams(Chat):
    kind = ChatConnection.Kind.TEAMS

    def say(self, connection: ChatConnection, said: Letter, *, to: str, key: str) -> str:
        # The workflow posts the card to "recipient" and may drop a "key" that it knows.
        body = {
            "type": "message",
            "recipient": to,
            "key": key,
            "attachments": [
                {"contentType": "application/vnd.microsoft.card.adaptive", "content": _card(said)}
            ],
        }
        answer = _post(
            connection.address,
            body,
            {"Content-Type": "application/json", "Idempotency-Key": key},
            repeatable=False,
        )
        if not 200 <= answer.status < 300:
            raise ChannelError(
                f"Teams answered {answer.status}",
                permanent=answer.is_permanent and answer.status not in (401, 403, 404),
                wait_seconds=answer.wait_seconds,
            )
        return f"taken by Teams: {answer.status}"


def _escaped(text: str) -> str:
    """As Slack's mark-up wants it: titles of courses and lessons come from elsewhere, call nobody and link nowhere."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _blocks(said: Letter) -> list[dict[str, Any]]:
    """Slack's Block Kit: the words, then buttons that open a link."""
    words = phrases(said.language)
    buttons: list[dict[str, Any]] = [
        {
            "type": "button",
            "action_id": kind,
            "text": {"type": "plain_text", "text": label},
            "url": address,
        }
        for kind, label, address in said.answers
    ]
    if said.lesson:
        title, address = said.lesson
        buttons.insert(
            0,
            {
                "type": "button",
                "action_id": "lesson",
                "style": "primary",
                "text": {"type": "plain_text", "text": title[:75]},  # Slack takes no longer one
                "url": address,
            },
        )
    more = [f"<{said.page}|{words['why']}>", f"<{said.unsubscribe}|{words['unsubscribe']}>"]
    if said.calendar:
        more.insert(0, f"<{said.calendar}|{words['calendar']}>")
    return [
        {"type": "header", "text": {"type": "plain_text", "text": said.subject}},
        {"type": "section", "text": {"type": "plain_text", "text": said.body}},
        {"type": "actions", "elements": buttons},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": " · ".join(more)}]},
    ]


def _card(said: Letter) -> dict[str, Any]:
    """An Adaptive Card (version 1.4) of the same."""
    words = phrases(said.language)
    # Titles of courses and lessons come from elsewhere: nothing in them becomes a link.
    subject, body = (text.replace("[", r"\[").replace("]", r"\]") for text in (said.subject, said.body))
    extra = [(words["calendar"], said.calendar)] if said.calendar else []
    lesson = [said.lesson] if said.lesson else []
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "lang": said.language,
        "body": [
            {"type": "TextBlock", "text": subject, "weight": "bolder", "wrap": True, "style": "heading"},
            {"type": "TextBlock", "text": body, "wrap": True},
            {
                "type": "TextBlock",
                "text": f"[{words['why']}]({said.page}) · [{words['unsubscribe']}]({said.unsubscribe})",
                "wrap": True,
                "size": "small",
            },
        ],
        "actions": [
            {"type": "Action.OpenUrl", "title": title, "url": address}
            for title, address in [*lesson, *((label, address) for _, label, address in said.answers), *extra]
        ],
    }


def _get(address: str, headers: dict[str, str]) -> outgoing.Answer:
    try:
        return outgoing.get(address, headers=headers)
    except outgoing.NotSent as fault:
        raise _ours(fault) from fault


def _post(
    address: str, body: dict[str, Any], headers: dict[str, str], *, repeatable: bool = True
) -> outgoing.Answer:
    """Posts JSON. ``repeatable``: a second one does no harm where nobody knows whether the first arrived."""
    try:
        return outgoing.post(address, body=json.dumps(body).encode(), headers=headers)
    except outgoing.NotSent as fault:
        if fault.in_doubt and not repeatable:
            raise unsure(str(fault)) from fault
        raise _ours(fault) from fault


def _ours(fault: outgoing.NotSent) -> ChannelError:
    """A wrong address is an administrator's to mend, and no reason to give the message up at once."""
    return ChannelError(str(fault), permanent=False)


def _asked(answer: outgoing.Answer) -> dict[str, Any]:
    """What Slack answered. Raises ChannelError: it says most faults with status 200."""
    if answer.status == 200:
        try:
            told = json.loads(answer.text)
        except ValueError:
            told = None
        if isinstance(told, dict) and told.get("ok") is True:
            return told
        error = str(told.get("error", "")) if isinstance(told, dict) else ""
        raise ChannelError(f"Slack answered {_code(error)}", permanent=error in _NOBODY_THERE)
    raise ChannelError(f"Slack answered {answer.status}", permanent=False, wait_seconds=answer.wait_seconds)


def _code(error: str) -> str:
    """Slack's errors are words with underscores; anything else may hold what should not be kept."""
    return error[:60] if error.replace("_", "").isalnum() else "nothing readable"
