"""Moodle's own messages, by its web services: to one person, with links that lead where the mail's links lead.

Moodle answers most faults with status 200 and an exception in the body, and does not know a message it had before. So
where nobody can say whether one arrived it is not repeated, and nothing is sent in its place.
"""

import json
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.template.loader import render_to_string

from interventions import outgoing
from interventions.channels import letter
from interventions.channels.base import ChannelError
from interventions.channels.chat import Chat, unsure
from interventions.channels.letter import Letter
from interventions.channels.phrases import phrases
from interventions.models import ChatConnection, Delivery, LessonPlace
from interventions.places import same_site
from learners.models import Identifier, Learner

FUNCTIONS = ("core_user_get_users_by_field", "core_message_send_instant_messages", "enrol_manual_enrol_users")
HTML = 1  # Moodle's FORMAT_HTML
LARGEST = 200_000  # its record of a person holds whatever the site added to it
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
# Nothing an administrator or time would mend: what we ask is refused for this person, or messaging is off.
_FOR_GOOD = {
    "disabled",
    "invalidparameter",
    "invalidrecord",
    "invaliduser",
    "usernotfound",
    "guestnoeditmessage",
}
KnownBy = ChatConnection.KnownBy


class Refused(ChannelError):
    """Moodle read the request and did not do it; ``code`` is its errorcode."""

    def __init__(self, function: str, code: str) -> None:
        super().__init__(f"Moodle refused {function}: {code}", permanent=code in _FOR_GOOD)
        self.code = code


class Moodle(Chat):
    kind = ChatConnection.Kind.MOODLE

    def tell(self, connection: ChatConnection, delivery: Delivery, *, now: datetime) -> str:
        person = _person(connection, delivery.learner)
        # Enrolled first, so that the link leads somewhere; to be enrolled twice is to be enrolled.
        not_enrolled = _enrol(connection, person, delivery)
        answer = _send(connection, person, letter.write(delivery, now=now), key=str(delivery.pk))
        return f"{answer}; {not_enrolled}" if not_enrolled else answer

    def say(self, connection: ChatConnection, said: Letter, *, to: str, key: str) -> str:
        return _send(connection, _look_up(connection, KnownBy.EMAIL, to), said, key=key)


def _person(connection: ChatConnection, learner: Learner) -> int:
    """Moodle's number of this learner. Raises ChannelError where Moodle does not know them."""
    known_by = KnownBy(connection.known_by)
    match known_by:
        case KnownBy.EMAIL:
            value = learner.email
        case KnownBy.IDNUMBER:
            value = learner.employee_number
        case _:
            value = _account_name(learner, connection.address)
    if not value:
        raise ChannelError("nothing is known by which Moodle would know the learner", permanent=True)
    if known_by == KnownBy.ID:
        if not (value.isascii() and value.isdigit()):
            raise ChannelError("the learner's name in Moodle is not Moodle's number", permanent=True)
        return int(value)
    return _look_up(connection, known_by, value)


def _account_name(learner: Learner, site: str) -> str:
    """The learner's name on this site, from what the roster or a steward says names them there."""
    accounts = learner.identifiers.filter(kind=Identifier.Kind.ACCOUNT, valid_to__isnull=True).order_by("pk")
    for value in accounts.values_list("value", flat=True):
        home_page, _, name = value.partition("|")
        if same_site(home_page, site):
            return str(name)
    return ""


def _look_up(connection: ChatConnection, field: str, value: str) -> int:
    found = _ask(
        connection, "core_user_get_users_by_field", {"field": str(field), "values[0]": value}, repeatable=True
    )
    people = [one["id"] for one in found if _is_person(one)] if isinstance(found, list) else None
    if people is None:
        raise ChannelError("Moodle answered otherwise than it documents", permanent=False)
    if len(people) != 1:
        # Moodle can be set to let two accounts share an address: neither is then surely this person.
        raise ChannelError(
            "Moodle knows nobody by that" if not people else "Moodle knows several people by that",
            permanent=True,
        )
    return int(people[0])


def _is_person(one: Any) -> bool:
    return isinstance(one, dict) and type(one.get("id")) is int and not one.get("suspended")


def _enrol(connection: ChatConnection, person: int, delivery: Delivery) -> str:
    """Puts the learner into the course of the suggested lesson where that is wanted; what kept it from it, if anything.

    Every delivery is to the learner, so this never follows from a word to somebody else about them.
    """
    if not connection.enrols or delivery.decision.lesson_id is None:
        return ""
    place = LessonPlace.objects.filter(pk=delivery.decision.lesson_id, moodle_course__isnull=False).first()
    if place is None:
        return ""
    wanted = {
        "enrolments[0][roleid]": connection.enrol_role,
        "enrolments[0][userid]": person,
        "enrolments[0][courseid]": place.moodle_course,
    }
    try:
        _ask(connection, "enrol_manual_enrol_users", wanted, repeatable=True)
    except Refused as refused:
        # The message is of use without it, and says so here for whoever looks after the course.
        return f"not enrolled in course {place.moodle_course}: {refused.code}"
    return ""


def _send(connection: ChatConnection, person: int, said: Letter, *, key: str) -> str:
    told = _ask(
        connection,
        "core_message_send_instant_messages",
        {
            "messages[0][touserid]": person,
            "messages[0][text]": render_to_string(
                "mail/moodle.html", {"letter": said, "words": phrases(said.language)}
            ),
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


def _ask(connection: ChatConnection, function: str, parameters: dict[str, Any], *, repeatable: bool) -> Any:
    """What Moodle answers to one function. Raises ChannelError."""
    # The token in the body, because addresses are written to logs on the way.
    form = {
        "wstoken": connection.token,
        "wsfunction": function,
        "moodlewsrestformat": "json",
        **parameters,
    }
    try:
        answer = outgoing.post(
            f"{connection.address.rstrip('/')}/webservice/rest/server.php",
            body=urlencode(form).encode(),
            headers=_FORM,
            largest=LARGEST,
        )
    except outgoing.NotSent as fault:
        if fault.in_doubt and not repeatable:
            raise unsure(f"Moodle: {fault}") from fault
        # A wrong address is an administrator's to mend, and no reason to give the message up at once.
        raise ChannelError(f"Moodle: {fault}", permanent=False) from fault
    if answer.status != 200:
        if not repeatable and answer.status in (500, 502, 504):
            raise unsure(f"Moodle answered {answer.status}")
        raise ChannelError(
            f"Moodle answered {answer.status}", permanent=False, wait_seconds=answer.wait_seconds
        )
    try:
        told = json.loads(answer.text)
    except (ValueError, RecursionError) as fault:
        if repeatable:
            raise ChannelError("Moodle answered nothing readable", permanent=False) from fault
        raise unsure("Moodle answered nothing readable") from fault
    if isinstance(told, dict) and told.get("exception"):
        raise Refused(function, _code(told.get("errorcode")))
    return told


def _code(given: Any) -> str:
    """An errorcode is a word of Moodle's; anything else may hold what should not be kept."""
    text = str(given or "")
    return text[:60] if text.replace("_", "").isalnum() else "an unnamed fault"
