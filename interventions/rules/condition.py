"""The condition of a rule: typed clauses over what a snapshot knows, all of which must hold. Pure.

An unknown never holds: a clause about something that is not known is false, whichever way it compares.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from interventions import conditions
from interventions.policy.document import IMPACTS
from interventions.snapshot import Snapshot

BELOW: Final = "below"
AT_LEAST: Final = "at_least"
IS: Final = "is"
LATELY: Final = "lately"
Operator = Literal["below", "at_least", "is", "lately"]
MOST_CLAUSES = 4
DAY = 86_400
CERTIFICATE_DAYS: Final = "days_to_certificate"


class WhenFault(ValueError):
    """The condition cannot be used; says which clause and why."""


class Clause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One comparison: ``mastery below 0.7``, ``impact is critical``, ``completed (what) lately (value days)``."""

    fact: str
    op: Operator
    value: float | str
    what: str = ""  # of "completed": the IRI of the activity or course


class When(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of these."""

    clauses: tuple[Clause, ...]


class Fact(msgspec.Struct, frozen=True):
    """Something a clause can ask. ``unit``: share, days, count, choice or event."""

    key: str
    name: str
    unit: str
    read: Callable[[Snapshot], float | str | None]
    least: float = 0
    most: float = 1
    choices: tuple[str, ...] = ()
    of_person: bool = False  # true of a person in all their courses at once
    by_time: bool = False  # grows by itself: a clause can come true without any event
    falls: bool = False  # or falls by itself
    proxy: str = ""  # why it goes with a protected attribute


def _days_since(moment: datetime | None, snapshot: Snapshot) -> float | None:
    if moment is None or moment > snapshot.now:
        return None
    return (snapshot.now - moment).total_seconds() / DAY


def _days_to_due(snapshot: Snapshot) -> float | None:
    due_at = snapshot.seen.due_at
    if due_at is None or due_at < snapshot.now:
        return None
    return (due_at - snapshot.now).total_seconds() / DAY


def _days_to_certificate(snapshot: Snapshot) -> float | None:
    ending = conditions.next_to_end(snapshot)
    return None if ending is None else (ending.ends_at - snapshot.now).total_seconds() / DAY


def _failures(snapshot: Snapshot) -> float | None:
    seen = snapshot.seen
    if seen.open_concepts is None:
        return None
    return float(seen.repeated_failures or 0) if seen.open_concepts else 0.0


def _engagement(snapshot: Snapshot) -> float | None:
    recent = conditions.active_days(snapshot, first=0, last=conditions.WEEK - 1)
    usual = conditions.usual_week(snapshot)
    return None if recent is None or not usual else recent / usual


FACTS: dict[str, Fact] = {
    fact.key: fact
    for fact in (
        Fact("mastery", "Mastery of the weakest competency", "share", lambda s: s.seen.mastery),
        Fact("failures_on_one", "Failures on one concept, not passed since", "count", _failures, 0, 20),
        Fact(
            "failures_in_a_row",
            "Failures in a row",
            "count",
            lambda s: float(s.seen.failures_in_a_row),
            0,
            20,
        ),
        Fact(
            "days_inactive", "Days without activity", "days", lambda s: s.days_inactive, 0, 365, by_time=True
        ),
        Fact(
            "engagement",
            "Active days of the last week, against the own usual week",
            "share",
            _engagement,
            0,
            5,
            proxy="How steadily somebody can learn goes with part-time work, care for others and health.",
        ),
        Fact("pace", "Steps done, against those due by now", "share", conditions.pace, 0, 3),
        Fact("progress", "Share of the plan done", "share", conditions.progress),
        Fact(
            "days_to_due",
            "Days until the course is due",
            "days",
            _days_to_due,
            0,
            365,
            by_time=True,
            falls=True,
        ),
        Fact(
            CERTIFICATE_DAYS,
            "Days until a certificate ends",
            "days",
            _days_to_certificate,
            0,
            365,
            by_time=True,
            falls=True,
        ),
        Fact("video_share", "Share seen of the video left last", "share", lambda s: s.seen.video_share),
        Fact(
            "days_since_video",
            "Days since a video was left",
            "days",
            lambda s: _days_since(s.seen.video_at, s),
            0,
            30,
            by_time=True,
        ),
        Fact(
            "days_since_recovery",
            "Days since things went well again",
            "days",
            lambda s: _days_since(s.recovered_at, s),
            0,
            90,
        ),
        Fact(
            "days_in_role",
            "Days in the job role",
            "days",
            lambda s: _days_since(s.seen.role_since or s.seen.joined_at, s),
            0,
            3650,
            of_person=True,
            proxy="How long somebody has had a role goes with age, and with leave for children or care.",
        ),
        Fact(
            "days_since_joining",
            "Days since starting to work here",
            "days",
            lambda s: _days_since(s.seen.joined_at, s),
            0,
            3650,
            of_person=True,
            proxy="How long somebody has been here goes with age.",
        ),
        Fact(
            "impact",
            "Impact of the job role",
            "choice",
            lambda s: s.impact,
            choices=IMPACTS,
            of_person=True,
            proxy="Who works in which role goes with sex and origin in most organisations.",
        ),
        Fact("course", "Course", "choice", lambda s: s.course or None),
        Fact("completed", "Completed lately", "event", lambda s: None, 1, 30, of_person=True),
    )
}


def load(stored: Mapping[str, Any]) -> When:
    """The typed condition. Raises WhenFault."""
    try:
        when = msgspec.convert(stored, When)
    except msgspec.ValidationError as fault:
        raise WhenFault(f"The condition cannot be read: {fault}.") from fault
    check(when)
    return when


def dump(when: When) -> dict[str, Any]:
    """The condition as JSON-ready values."""
    built: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(when))
    return built


def check(when: When) -> None:
    """Raises WhenFault where a clause asks for what does not exist or cannot be compared so."""
    if not 1 <= len(when.clauses) <= MOST_CLAUSES:
        raise WhenFault(f"A rule has one to {MOST_CLAUSES} conditions.")
    for number, clause in enumerate(when.clauses, 1):
        fault = _fault(clause)
        if fault:
            raise WhenFault(f"Condition {number}: {fault}")


def _fault(clause: Clause) -> str:
    fact = FACTS.get(clause.fact)
    if fact is None:
        return f"nothing is known under “{clause.fact}”."
    if fact.unit == "event":
        if clause.op != LATELY or not clause.what:
            return "say what was completed, and within how many days."
    elif fact.unit == "choice":
        if clause.op != IS or not isinstance(clause.value, str) or not clause.value:
            return "choose one of the values."
        if fact.choices and clause.value not in fact.choices:
            return f"“{clause.value}” is none of {', '.join(fact.choices)}."
        return ""
    elif clause.op not in (BELOW, AT_LEAST):
        return "compare a number by “below” or “at least”."
    if isinstance(clause.value, str):
        return "write a number."
    if not fact.least <= clause.value <= fact.most:
        return f"the number must lie between {fact.least:g} and {fact.most:g}."
    return ""


def holds(when: When, snapshot: Snapshot) -> bool:
    """Is every clause true of this snapshot?"""
    return all(_holds(clause, snapshot) for clause in when.clauses)


def _holds(clause: Clause, snapshot: Snapshot) -> bool:
    fact = FACTS[clause.fact]
    if fact.unit == "event":
        since = snapshot.now - timedelta(days=float(clause.value))
        return any(did.what == clause.what and since <= did.at <= snapshot.now for did in snapshot.did)
    known = fact.read(snapshot)
    if known is None:
        return False
    if clause.op == IS:
        return known == clause.value
    number, bound = float(known), float(clause.value)
    return number < bound if clause.op == BELOW else number >= bound


def next_at(when: When, snapshot: Snapshot) -> datetime | None:
    """When time alone could next make it true: the last of the clauses that wait for time, if the others hold now."""
    moments = []
    for clause in when.clauses:
        if _holds(clause, snapshot):
            continue
        fact = FACTS[clause.fact]
        known = fact.read(snapshot) if fact.by_time else None
        if known is None or isinstance(clause.value, str):
            return None
        if fact.falls is not (clause.op == BELOW):
            return None  # time leads away from it
        moments.append(snapshot.now + timedelta(days=abs(float(known) - clause.value), seconds=1))
    return max(moments, default=None)


def begins_at(when: When, snapshot: Snapshot) -> datetime | None:
    """When the next of several certificates comes near its end, whatever is true of the first of them now."""
    bounds = [
        timedelta(days=clause.value)
        for clause in when.clauses
        if clause.fact == CERTIFICATE_DAYS and clause.op == BELOW and not isinstance(clause.value, str)
    ]
    ahead = (
        one.ends_at - bound + timedelta(seconds=1) for bound in bounds for one in snapshot.seen.certificates
    )
    return min((at for at in ahead if at > snapshot.now), default=None)


def is_about_person(when: When) -> bool:
    """Does it ask only what is true of a person in all their courses at once?"""
    return all(FACTS[clause.fact].of_person for clause in when.clauses)


def asks_about(whens: Sequence[When]) -> set[str]:
    """The IRIs whose completion these conditions ask about."""
    return {clause.what for when in whens for clause in when.clauses if clause.what}


def sentence(when: When) -> str:
    """The condition in words."""
    return " and ".join(_words(clause) for clause in when.clauses)


def _words(clause: Clause) -> str:
    fact = FACTS[clause.fact]
    name = fact.name[:1].lower() + fact.name[1:]
    if fact.unit == "event":
        return f"completed {clause.what} within {clause.value:g} days"
    if fact.unit == "choice":
        return f"{name} is {clause.value}"
    assert not isinstance(clause.value, str)
    number = f"{clause.value * 100:g} %" if fact.unit == "share" else f"{clause.value:g}"
    return f"{name} {'below' if clause.op == BELOW else 'at least'} {number}"
