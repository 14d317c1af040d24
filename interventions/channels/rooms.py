"""What a room of coaches is told: one sentence and a link. Nothing about anybody."""

import json

from interventions import outgoing
from interventions.channels.base import ChannelError
from interventions.models import CoachRoom


def post(room: CoachRoom, text: str, *, link: str, label: str) -> str:
    """Says one sentence in a room and returns the answer. Raises ChannelError."""
    if room.kind == CoachRoom.Kind.SLACK:
        body: dict[str, object] = {"text": f"{text} <{link}|{label}>", "unfurl_links": False}
    else:
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": [{"type": "TextBlock", "text": text, "wrap": True}],
            "actions": [{"type": "Action.OpenUrl", "title": label, "url": link}],
        }
        content = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
        body = {"type": "message", "attachments": [content]}
    try:
        answer = outgoing.post(
            room.address, body=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
        )
    except outgoing.NotSent as fault:
        raise ChannelError(str(fault), permanent=fault.permanent, in_doubt=fault.in_doubt) from fault
    if not 200 <= answer.status < 300:
        raise ChannelError(
            f"{room.get_kind_display()} answered {answer.status}", permanent=answer.is_permanent
        )
    return f"taken: {answer.status}"
