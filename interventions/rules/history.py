"""What rules would have done: their conditions, asked of the snapshots that decisions of the last weeks kept."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from interventions.models import Decision
from interventions.rules import applying, condition
from interventions.rules.condition import When
from interventions.snapshot import Snapshot, restore

WEEKS = 8
SMALLEST = 5  # people; fewer are not counted out, so that a preview tells of nobody
MOST = 50_000  # snapshots looked at, the newest


class Fired(NamedTuple):
    """When a condition held: the decisions at which it did, and how often it began to."""

    times: int
    people: frozenset[UUID]
    enrolments: frozenset[int]
    decisions: frozenset[UUID]


class Walk(NamedTuple):
    """All conditions asked of the same history."""

    looked_at: int
    enrolments: frozenset[int]
    fired: dict[str, Fired]
    is_whole: bool  # False: there were more snapshots than were looked at


def walk(whens: Mapping[str, When], *, now: datetime) -> Walk:
    """Each condition over the last eight weeks' snapshots, oldest first. Read in chunks; two queries more."""
    since = now - timedelta(weeks=WEEKS)
    rows = (
        Decision.objects.filter(at__gte=since, at__lte=now, snapshot__isnull=False)
        .order_by("-at", "-pk")
        .values_list("pk", "enrolment_id", "enrolment__learner_id", "snapshot")
    )
    iris = condition.asks_about(list(whens.values()))
    people = set(rows.values_list("enrolment__learner_id", flat=True)) if iris else set()
    done = applying.completed(people, iris, now=now, days=WEEKS * 7 + applying.LATEST)
    points: list[tuple[UUID, int, UUID, set[str]]] = []
    for pk, enrolment_id, learner_id, stored in rows[:MOST].iterator(chunk_size=1000):
        seen = _read(stored)
        if seen is None:
            continue
        if iris:
            seen = msgspec.structs.replace(seen, did=done.get(learner_id, ()))
        held = {name for name, when in whens.items() if condition.holds(when, seen)}
        points.append((pk, enrolment_id, learner_id, held))
    points.reverse()
    return Walk(
        looked_at=len(points),
        enrolments=frozenset(enrolment_id for _, enrolment_id, _, _ in points),
        fired={name: _fired(name, points) for name in whens},
        is_whole=len(points) < MOST,
    )


def _fired(name: str, points: list[tuple[UUID, int, UUID, set[str]]]) -> Fired:
    times, before = 0, dict[int, bool]()
    at = [(pk, enrolment_id, learner_id, name in held) for pk, enrolment_id, learner_id, held in points]
    for _, enrolment_id, _, holds in at:
        times += holds and not before.get(enrolment_id, False)
        before[enrolment_id] = holds
    return Fired(
        times=times,
        people=frozenset(learner_id for _, _, learner_id, holds in at if holds),
        enrolments=frozenset(enrolment_id for _, enrolment_id, _, holds in at if holds),
        decisions=frozenset(pk for pk, _, _, holds in at if holds),
    )


def _read(stored: Any) -> Snapshot | None:
    try:
        return restore(stored)
    except msgspec.ValidationError:
        return None  # kept by a version that knew less


def in_words(fired: Fired, looked: Walk) -> str:
    """How often and for how many, in a sentence; small numbers are not told."""
    span = f"the last {WEEKS} weeks" if looked.is_whole else f"the newest {looked.looked_at} looks"
    if not looked.looked_at:
        return "Nothing has been decided in the last 8 weeks, so there is nothing to try it on."
    if not fired.people:
        return f"In {span} it would have applied to nobody ({looked.looked_at} looks)."
    if len(fired.people) < SMALLEST:
        return f"In {span} it would have applied to fewer than {SMALLEST} people; so few are not counted out."
    return (
        f"In {span} it would have applied {fired.times} times, to {len(fired.people)} people"
        f" ({looked.looked_at} looks)."
    )
