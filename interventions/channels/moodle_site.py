"""A Moodle site by its web services: who somebody is there, putting them into a course, and what its answers mean.

Moodle answers most faults with status 200 and an exception in the body.
"""

import json
from typing import Any
from urllib.parse import urlencode

from interventions import outgoing
from interventions.channels.base import ChannelError, unsure
from interventions.models import ChatConnection
from interventions.places import same_site
from learners.models import Identifier, Learner

FIND, WRITE, ENROL = (
    "core_user_get_users_by_field",
    "core_message_send_instant_messages",
    "enrol_manual_enrol_users",
)
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


def person_of(connection: ChatConnection, learner: Learner) -> int:
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
    return look_up(connection, known_by, value)


def _account_name(learner: Learner, site: str) -> str:
    """The learner's name on this site, from what the roster or a steward says names them there."""
    accounts = learner.identifiers.filter(kind=Identifier.Kind.ACCOUNT, valid_to__isnull=True).order_by("pk")
    for value in accounts.values_list("value", flat=True):
        home_page, _, name = value.partition("|")
        if same_site(home_page, site):
            return str(name)
    return ""


def look_up(connection: ChatConnection, field: str, value: str) -> int:
    found = ask(connection, FIND, {"field": str(field), "values[0]": value}, repeatable=True)
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


def enrol(connection: ChatConnection, learner: Learner, course: int) -> None:
    """Puts a learner into a course; one who is in it stays in it. Raises ChannelError."""
    wanted = {
        "enrolments[0][roleid]": connection.enrol_role,
        "enrolments[0][userid]": person_of(connection, learner),
        "enrolments[0][courseid]": course,
    }
    ask(connection, ENROL, wanted, repeatable=True)


def ask(connection: ChatConnection, function: str, parameters: dict[str, Any], *, repeatable: bool) -> Any:
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
