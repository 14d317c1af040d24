"""From a reason to what it rests on: its features with value, window and version, and the events behind them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from learners.models import Enrolment
from signals.features.definitions import BY_KEY, Computed, Source
from signals.features.rollup import COMPLETING
from signals.models import Activity, ArchiveFile, AssessmentResult, Event, FeatureRow, Verb
from signals.models.events import OBSERVED
from signals.risk.groups import Signal, fact_of, may_be_named, signal_of

MOST_EVENTS = 50
BEFORE_THE_START = timedelta(days=90)  # what was done before a course began is looked at so far back
_NUMBER = re.compile(r"^(\d+) days$")


class Rows(StrEnum):
    """Which rows a feature is computed from."""

    EVENTS = "events"
    RESULTS = "results"
    DONE = "done"  # what finishes a step of the plan
    WATCHED = "watched"  # events with progress
    RATINGS = "ratings"
    NOTHING = "nothing"  # no events of this course: frameworks, other courses


# By the source that a feature's definition names; what is derived from other features has its signal's rows.
_OF_SOURCE = {
    Source.DAYS: Rows.EVENTS,
    Source.MATERIALS: Rows.EVENTS,
    Source.WATCHED: Rows.WATCHED,
    Source.RESULTS: Rows.RESULTS,
    Source.ANSWERS: Rows.RESULTS,
    Source.CONCEPTS: Rows.RESULTS,
    Source.MASTERY: Rows.RESULTS,
    Source.STEPS: Rows.DONE,
    Source.RATINGS: Rows.RATINGS,
    Source.GAPS: Rows.NOTHING,
    Source.HISTORY: Rows.NOTHING,
}
_OF_SIGNAL = {
    Signal.ACTIVITY: Rows.EVENTS,
    Signal.HABITS: Rows.EVENTS,
    Signal.MATERIALS: Rows.EVENTS,
    Signal.RESULTS: Rows.RESULTS,
    Signal.PLAN: Rows.DONE,
    Signal.SKILLS: Rows.RESULTS,
    Signal.BACKGROUND: Rows.NOTHING,
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A feature as people read it."""

    key: str
    name: str
    value: str
    window: str
    version: int


@dataclass(frozen=True, slots=True)
class Happened:
    """One event or result behind a feature, and the statement it was made from."""

    at: datetime
    what: str
    about: str  # what the activity is called, where statements said so
    detail: str
    statement_id: UUID


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a signal rests on, and of one of its features the events."""

    signal: Signal
    features: list[Shown]
    chosen: Shown | None
    events: list[Happened]
    is_cut: bool  # there are more events than are shown
    as_of: datetime | None
    # Months of the window whose events only the cold store holds: counted, but not listed here.
    cold: tuple[date, ...] = ()


def signals_of(reasons: Sequence[Mapping[str, Any]]) -> list[Signal]:
    """The signals of which these reasons know something, in their order, without what is never told."""
    found = [
        Signal(reason["signal"]) if "signal" in reason else signal_of(reason["feature"])
        for reason in sorted(reasons, key=lambda reason: -reason["contribution"])
        if reason["known"]
    ]
    return [signal for signal in dict.fromkeys(found) if signal is not Signal.BACKGROUND]


def of(enrolment: Enrolment, signal: Signal, *, feature: str = "") -> Evidence:
    """The features of a signal as they are now, and the events of the one asked for (else of the first)."""
    row = FeatureRow.objects.filter(pk=enrolment.pk).first()
    values = row.values if row else {}
    features = [
        Shown(key, one.name, _shown(values.get(key), one.unit, is_time=one.is_time), one.window, one.version)
        for key, one in BY_KEY.items()
        # A place among others is told to nobody.
        if may_be_named(key) and signal_of(key) is signal and fact_of(key) == key
    ]
    chosen = next((one for one in features if one.key == feature), features[0] if features else None)
    as_of = row.as_of if row else None
    if chosen is None or as_of is None:
        return Evidence(signal, features, chosen, [], False, as_of)
    found = events_of(chosen.key, enrolment, as_of=as_of)
    is_cut = len(found) > MOST_EVENTS
    # Where the list is cut, what was before it is not shown anyway.
    cold = () if is_cut else cold_months(chosen.key, enrolment, as_of=as_of)
    return Evidence(signal, features, chosen, found[:MOST_EVENTS], is_cut, as_of, cold)


def rows_of(key: str) -> Rows:
    """Which rows a feature is computed from."""
    feature = BY_KEY.get(key)
    rows = _OF_SOURCE.get(feature.source) if isinstance(feature, Computed) else None
    return rows or _OF_SIGNAL[signal_of(key)]


def cold_months(key: str, enrolment: Enrolment, *, as_of: datetime) -> tuple[date, ...]:
    """The months of a feature's window whose events have left for the cold store; results stay at hand."""
    if rows_of(key) in (Rows.NOTHING, Rows.RESULTS):
        return ()
    first = _window_opens(key, enrolment, as_of).date().replace(day=1)
    last = as_of.astimezone(UTC).date()
    return tuple(month for month in sorted(ArchiveFile.cold_event_months()) if first <= month <= last)


def events_of(key: str, enrolment: Enrolment, *, as_of: datetime) -> list[Happened]:
    """The latest events or results in a feature's window, one more than are shown."""
    rows = rows_of(key)
    if rows is Rows.NOTHING:
        return []
    since = _window_opens(key, enrolment, as_of)
    if rows is Rows.RESULTS:
        results = AssessmentResult.objects.filter(
            enrolment_id=enrolment.pk,
            occurred_at__gte=since,
            occurred_at__lte=as_of,
            voided_seq__isnull=True,
        ).order_by("-occurred_at", "statement_id")[: MOST_EVENTS + 1]
        return _told(list(results))
    events: QuerySet[Event] = Event.objects.filter(
        enrolment_id=enrolment.pk, occurred_at__gte=since, occurred_at__lte=as_of, voided_seq__isnull=True
    )
    match rows:
        case Rows.DONE:
            events = events.filter(
                Q(verb__in=COMPLETING) | Q(scaled__isnull=False) | Q(success__isnull=False)
            )
        case Rows.WATCHED:
            events = events.filter(progress__isnull=False)
        case Rows.RATINGS:
            events = events.filter(verb=Verb.WAS_RATED)
        case _:
            events = events.exclude(verb__in=OBSERVED)
    return _told(list(events.order_by("-occurred_at", "statement_id")[: MOST_EVENTS + 1]))


def _window_opens(key: str, enrolment: Enrolment, as_of: datetime) -> datetime:
    """From when on a feature looks. Windows count whole days (UTC), today being one of them."""
    days = _NUMBER.match(BY_KEY[key].window) if key in BY_KEY else None
    if days:
        first = as_of.astimezone(UTC).date() - timedelta(days=int(days.group(1)) - 1)
        return datetime.combine(first, time(), UTC)
    return datetime.combine(enrolment.starts_on, time(), UTC) - BEFORE_THE_START


def _told(rows: Sequence[Event | AssessmentResult]) -> list[Happened]:
    names = {
        row.key: _name(row.definition)
        for row in Activity.objects.filter(key__in={row.activity for row in rows}).order_by("pk")
    }
    return [
        Happened(
            at=row.occurred_at,
            what=Verb(row.verb).label
            if isinstance(row, Event)
            else ("answered" if row.is_item else "result"),
            about=names.get(row.activity, ""),
            detail=_detail(row),
            statement_id=row.statement_id,
        )
        for row in rows
    ]


def _name(definition: Mapping[str, Any]) -> str:
    names = definition.get("name") or {}
    return str(names.get("en") or names.get("en-GB") or names.get("en-US") or next(iter(names.values()), ""))


def _detail(row: Event | AssessmentResult) -> str:
    parts = []
    if row.scaled is not None:
        parts.append(f"{round(row.scaled * 100)} of 100 points")
    if row.success is not None:
        parts.append("passed" if row.success else "not passed")
    if isinstance(row, Event):
        if row.progress is not None:
            parts.append(f"{round(row.progress * 100)} % done")
        if row.amount > 1:
            parts.append(f"{row.amount} times")
    return ", ".join(parts)


def _shown(value: Any, unit: str, *, is_time: bool) -> str:
    if value is None:
        return "not known"
    if is_time:
        return f"{datetime.fromisoformat(value):%-d %b %Y, %H:%M} UTC"
    if isinstance(value, float) and not value.is_integer():
        return f"{round(value * 100)} %" if unit == "share" else f"{value:.1f}"
    if unit == "share":
        return f"{round(value * 100)} %"
    return str(int(value)) if isinstance(value, int | float) else str(value)
