"""How facts are put into statements: people, things, moments. The words every source shares."""

import hashlib
import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from signals.sources.base import Unusable

OWN = "https://w3id.org/rekindle/xapi/"
VERBS = OWN + "verbs/"
# How employee numbers name people in statements.
EMPLOYEES = "https://w3id.org/rekindle/employee"
LONGEST_NAME = 200
ORDERS = ("mdy", "dmy", "ymd")  # of day, month and year in dates

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PERIOD = re.compile(r"(\d{4})(?:-(?:Q([1-4])|W(\d{2})|(\d{2})(?:-(\d{2}))?))?")


def person(text: str) -> dict[str, Any]:
    """The agent that an e-mail address or an employee number names. Raises Unusable."""
    text = text.strip()
    if not text:
        raise Unusable("person is empty", "Give an e-mail address or an employee number.")
    if "@" in text:
        if not _ADDRESS.fullmatch(text):
            raise Unusable("person is no e-mail address", "Write it as name@example.com.")
        return {"mbox": f"mailto:{text.casefold()}"}
    if len(text) > LONGEST_NAME:
        raise Unusable("person is too long", "Give an e-mail address or an employee number.")
    return account(EMPLOYEES, text.casefold())


def account(home_page: str, name: str) -> dict[str, Any]:
    """The agent known by this name on a system."""
    return {"account": {"homePage": home_page, "name": name}}


def name_of(agent: dict[str, Any]) -> str:
    """One text that tells agents apart, for natural keys."""
    if "account" in agent:
        return f"{agent['account']['homePage']}|{agent['account']['name']}"
    return str(next(iter(agent.values())))


def slug(text: str) -> str:
    """A name as part of an IRI: letters and digits of any script, joined by hyphens.

    Where other signs are left out, a few digits tell names apart that would become one ("C++" and "C#").
    """
    plain = " ".join(text.casefold().split())
    joined = "-".join(re.findall(r"\w+", plain))[:LONGEST_NAME]
    if not joined or (len(plain) <= LONGEST_NAME and not re.search(r"[^\w\s-]", plain)):
        return joined
    return f"{joined}-{hashlib.sha256(plain.encode()).hexdigest()[:8]}"


def thing(kind: str, name: str, type_iri: str) -> dict[str, Any]:
    """The activity of this kind and name: an IRI stays one, a name becomes one of ours. Raises Unusable."""
    name = name.strip()
    if name.startswith(("http://", "https://", "urn:")) and " " not in name:
        return {"id": name, "definition": {"type": type_iri}}
    if not slug(name):
        raise Unusable(f"{kind} is empty", "Give it a name, or the address of its page.")
    return {
        "id": f"https://w3id.org/rekindle/{kind}/{slug(name)}",
        "definition": {"type": type_iri, "name": {"und": name[:LONGEST_NAME]}},
    }


def within(course: str) -> dict[str, Any]:
    """What puts a fact into a course, by its IRI; nothing for none."""
    course = course.strip()
    if not course:
        return {}
    if ":" not in course or " " in course:
        raise Unusable("course is no IRI", "Give the course's IRI, as in its admin page, or leave it empty.")
    return {"contextActivities": {"grouping": [{"id": course}]}}


def number(text: str, column: str) -> float:
    """A finite number, with a point or a decimal comma. Raises Unusable."""
    text = text.strip().replace(" ", "")
    if re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", text):
        # 1,234 is a thousand and more to some, and one and a quarter to others.
        raise Unusable(
            f"{column} may have thousands or decimals after its comma", "Write it as 1234 or 1.234."
        )
    if text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < 1e15:
        raise Unusable(f"{column} is no number", "Write it as 12 or 12.5.")
    return value


def day(text: str, column: str) -> date:
    """A date written as 2026-03-31. Raises Unusable."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise Unusable(f"{column} is no date", "Write it as 2026-03-31.") from None


def noon(on: date) -> datetime:
    """When something counts as done of which only the day is known: the middle of it."""
    return datetime.combine(on, time(12), tzinfo=UTC)


def stamp(moment: datetime) -> str:
    """A moment as statements write it: ISO 8601 in UTC. Raises Unusable where UTC has no such year."""
    try:
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError:
        raise Unusable("has a date at the end of the calendar", "Correct its date.") from None


def last_day(period: str) -> date:
    """The last day of 2026, 2026-Q1, 2026-03, 2026-W09 or 2026-03-31. Raises Unusable."""
    text = period.strip().upper()
    match = _PERIOD.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        year, quarter, week, month, of_month = match.groups()
        if of_month:
            return date.fromisoformat(text)
        if week:
            return date.fromisocalendar(int(year), int(week), 7)
        last = int(month) if month else int(quarter) * 3 if quarter else 12
        following = date(int(year) + last // 12, last % 12 + 1, 1)
        return following - timedelta(days=1)
    except ValueError:
        raise Unusable(
            "period is none we know", "Write 2026, 2026-Q1, 2026-03, 2026-W09 or 2026-03-31."
        ) from None


def moment(text: str, column: str, *, zone: ZoneInfo, order: str) -> datetime:
    """A moment as exports write them: ISO 8601, or a local date and time with a named order of day and month.

    Raises Unusable; a date with slashes is never guessed.
    """
    text = " ".join(text.replace("\u202f", " ").replace(",", " ").split())
    if not text:
        raise Unusable(f"{column} is empty", "Give when it was.")
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = _local(text, column, order)
    found = found if found.tzinfo is not None else found.replace(tzinfo=zone)
    stamp(found)  # at either end of the calendar there is no such moment in UTC
    return found


def _local(text: str, column: str, order: str) -> datetime:
    unknown = Unusable(f"{column} is no date and time", "Write it as 2026-03-31 09:00.")
    match = re.match(r"(\d{1,4})[/.](\d{1,2})[/.](\d{1,4})(?: (.*))?$", text)
    if match is None:
        raise unknown
    if order not in ORDERS:
        raise Unusable(
            f"{column} may have its day or its month first", "Add --set dates=mdy, dates=dmy or dates=ymd."
        )
    parts = dict(zip(order, (int(part) for part in match.groups()[:3]), strict=True))
    clock = match.group(4) or "00:00"
    year = parts["y"] + (2000 if parts["y"] < 100 else 0)
    for form in ("%I:%M:%S %p", "%I:%M %p", "%H:%M:%S", "%H:%M"):
        try:
            at = datetime.strptime(clock.upper(), form).replace(tzinfo=UTC).time()
            return datetime.combine(date(year, parts["m"], parts["d"]), at)
        except ValueError:
            continue
    raise unknown
