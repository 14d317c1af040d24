"""Moodle's own messages, by its web services: to one person, with links that lead where the mail's links lead.

Moodle does not know a message it had before. So where nobody can say whether one arrived it is not repeated, and
nothing is sent in its place.
"""

from datetime import datetime

from django.template.loader import render_to_string

from interventions.channels import letter
from interventions.channels.base import ChannelError, unsure
from interventions.channels.chat import Chat
from interventions.channels.letter import Letter
from interventions.channels.moodle_site import WRITE, ask, look_up, person_of
from interventions.channels.phrases import phrases
from interventions.models import ChatConnection, Delivery

HTML = 1  # Moodle's FORMAT_HTML


class Moodle(Chat):
    kind = ChatConnection.Kind.MOODLE

    def tell(self, connection: ChatConnection, delivery: Delivery, *, now: datetime) -> str:
        person = person_of(connection, delivery.learner)
        return _send(connection, person, letter.write(delivery, now=now), key=str(delivery.pk))

    def say(self, connection: ChatConnection, said: Letter, *, to: str, key: str) -> str:
        return _send(connection, look_up(connection, ChatConnection.KnownBy.EMAIL, to), said, key=key)


def html(said: Letter) -> str:
    """A letter as Moodle shows it."""
    return render_to_string("mail/moodle.html", {"letter": said, "words": phrases(said.language)})


def _send(connection: ChatConnection, person: int, said: Letter, *, key: str) -> str:
    told = ask(
        connection,
        WRITE,
        {
            "messages[0][touserid]": person,
            "messages[0][text]": html(said),
            "messages[0][textformat]": HTML,
            "messages[0][clientmsgid]": key,
        },
        repeatable=False,
    )
    first = told[0] if isinstance(told, list) and told and isinstance(told[0], dict) else {}
    number = first.get("msgid")
    if type(number) is not int:
        raise unsure("Moodle answered otherwise than it documents")
    if number <= 0:
        # The reason comes in words that hold the person's name: only that there is one is kept.
        raise ChannelError("Moodle does not let us write to this person", permanent=True)
    return f"taken by Moodle: {number}"
