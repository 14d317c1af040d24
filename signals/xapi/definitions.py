"""What is known of an activity: everything that statements said about it, put together (Communication 2.5).

Nearly all statements repeat what was said before, so each process remembers what it has seen and only new definitions
reach the database.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
from django.db import transaction

from signals.models import Activity
from signals.reading import Reading
from signals.xapi.keys import activity_key

MOST_REMEMBERED = 50_000
# Texts in several languages, and extensions, are put together; of everything else the newest word counts.
_PUT_TOGETHER = frozenset({"name", "description", "extensions"})
_seen: set[int] = set()
_encode = msgspec.json.Encoder().encode


def complete(iri: str) -> dict[str, Any]:
    """The activity with all that is known of it; one nobody spoke of has only its id."""
    activity: dict[str, Any] = {"objectType": "Activity", "id": iri}
    definition = known([iri]).get(iri)
    if definition is not None:
        activity["definition"] = definition
    return activity


def known(iris: Iterable[str]) -> dict[str, dict[str, Any]]:
    """IRI → definition, of those activities of which something is known."""
    names = {activity_key(iri): iri for iri in iris}
    return {names[row.key]: row.definition for row in Activity.objects.filter(key__in=[*names])}


def learn(readings: Sequence[Reading], *, now: datetime) -> None:
    """Takes up what these statements say about activities. Inside the transaction that stores them."""
    new: dict[int, list[dict[str, Any]]] = {}
    marks: list[int] = []
    for reading in readings:
        for activity in activities_in(reading.statement):
            definition = activity.get("definition")
            if not definition:
                continue
            mark = hash((activity["id"], _encode(definition)))
            if mark not in _seen:
                marks.append(mark)
                new.setdefault(activity_key(activity["id"]), []).append(definition)
    if not new:
        return
    _take_up(new, now)
    transaction.on_commit(partial(_remember, marks))


def forget() -> None:
    """Makes this process look everything up again."""
    _seen.clear()


def _remember(marks: Sequence[int]) -> None:
    if len(_seen) + len(marks) > MOST_REMEMBERED:
        _seen.clear()
    _seen.update(marks)


def activities_in(statement: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every activity a (valid) statement names, those of its sub-statement too."""
    target = statement["object"]
    kind = target.get("objectType", "Activity")
    if kind == "Activity":
        yield target
    elif kind == "SubStatement":
        yield from activities_in(target)
    context = statement.get("context")
    activities = context.get("contextActivities") if context is not None else None
    if activities is not None:
        for entry in activities.values():
            yield from entry if type(entry) is list else (entry,)


def _take_up(new: dict[int, list[dict[str, Any]]], now: datetime) -> None:
    keys = sorted(new)  # one order for all writers, so that none waits for another in a circle
    Activity.objects.bulk_create(
        [Activity(key=key, definition={}, updated_at=now) for key in keys], ignore_conflicts=True
    )
    changed = []
    for row in Activity.objects.select_for_update().filter(key__in=keys).order_by("key"):
        known = row.definition
        for definition in new[row.key]:
            known = _together(known, definition)
        if known != row.definition:
            row.definition, row.updated_at = known, now
            changed.append(row)
    Activity.objects.bulk_update(changed, ["definition", "updated_at"])


def _together(known: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    out = {**known, **said}
    for name in _PUT_TOGETHER & known.keys() & said.keys():
        out[name] = {**known[name], **said[name]}
    return out
