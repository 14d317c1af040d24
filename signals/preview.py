"""What taking quarantined statements in would change, found by doing it and undoing it.

Events, features, risks and decisions are compared.
Decisions are made above this app. Whoever makes them registers here how to foresee them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import DatabaseError, connection, transaction

from consent.actors import Party
from learners.models import Enrolment, Learner
from signals import quarantine, voiding
from signals.features.definitions import FEATURES
from signals.features.refresh import refresh_enrolments
from signals.models import Event, FeatureRow, Quarantined, Risk, Statement, Verb
from signals.quarantine import Mend, Tried

MOST = 100  # rows at once: others wait for the learners it touches
PATIENCE_MS = 300


class Foreseen(NamedTuple):
    """What would be decided about an enrolment, in words."""

    action: str
    why: str


Foresight = Callable[..., Mapping[int, Foreseen]]
_foresights: list[Foresight] = []


class Busy(Exception):
    """Somebody is writing about the same learners just now; nothing was tried."""


@dataclass(frozen=True)
class NewEvent:
    """An event that would be there."""

    statement_id: UUID
    learner: str
    course: str
    verb: str
    at: datetime


@dataclass(frozen=True)
class Knowledge:
    """What is known of one enrolment, and what would be decided."""

    features: Mapping[str, Any] = field(default_factory=dict)
    risk: float | None = None
    coverage: float = 0.0
    decision: Foreseen | None = None


@dataclass(frozen=True)
class Difference:
    """What would be different for one enrolment. ``features``: name, before, after, for people."""

    learner: str
    course: str
    is_new: bool
    features: list[tuple[str, str, str]]
    risk: tuple[float | None, float | None]
    decision: tuple[Foreseen | None, Foreseen | None]

    @property
    def changes_risk(self) -> bool:
        return self.risk[0] != self.risk[1]

    @property
    def changes_decision(self) -> bool:
        return self.decision[0] != self.decision[1]


@dataclass(frozen=True)
class Preview:
    """What would become of some quarantined statements, and what would follow."""

    tried: list[Tried]
    events: list[NewEvent]
    differences: list[Difference]
    parked: int  # would be stored and wait until somebody says who their actor is

    @property
    def taken_in(self) -> int:
        return sum(1 for one in self.tried if one.requeued is not None and one.requeued.taken_in)


def foresee_with(foresight: Foresight) -> None:
    """Registers a function ``(enrolment_ids, *, now) -> {id: Foreseen}``. It must write nothing."""
    if foresight not in _foresights:
        _foresights.append(foresight)


def preview(
    rows: Sequence[Quarantined], *, now: datetime, by: Party, mend: Mend = quarantine.NO_MEND
) -> Preview:
    """What requeuing these would change. Nothing of it stays. Raises Busy."""
    try:
        with transaction.atomic():
            _be_impatient()
            with transaction.atomic():
                concerned = _enrolments_of(_taken(quarantine.requeue_many(rows, now=now, by=by, mend=mend)))
                transaction.set_rollback(True)
            # As of this very moment, so that what differs is due to the statements and not to time gone by.
            there = set(Enrolment.objects.filter(pk__in=concerned).values_list("pk", flat=True))
            refresh_enrolments(there, now=now)
            before = _knowledge(there, now=now)
            tried = quarantine.requeue_many(rows, now=now, by=by, mend=mend)
            ids = _taken(tried)
            concerned = sorted(
                there | set(_enrolments_of(ids))
            )  # a new enrolment has another number each time
            refresh_enrolments(concerned, now=now)
            found = Preview(
                tried=tried,
                events=_events(ids),
                differences=_differences(concerned, before, _knowledge(concerned, now=now)),
                parked=Statement.objects.filter(pk__in=ids, parked=True).count(),
            )
            transaction.set_rollback(True)
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", "") in (
            "55P03",
            "40P01",
        ):  # a lock not got, or a circle of them
            raise Busy from error
        raise
    return found


def _be_impatient() -> None:
    """Gives up before those who take statements in have to."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{PATIENCE_MS}ms"])


def _taken(tried: Sequence[Tried]) -> list[UUID]:
    return [key for one in tried if one.requeued is not None for key in one.requeued.statement_ids]


def _enrolments_of(ids: Collection[UUID]) -> list[int]:
    return sorted({event.enrolment_id for event in voiding.events_of(ids) if event.enrolment_id is not None})


def _events(ids: Collection[UUID]) -> list[NewEvent]:
    keys = {event.statement_id: event.occurred_at for event in voiding.events_of(ids)}
    events = [
        event
        for event in Event.objects.filter(statement_id__in=keys, occurred_at__in=keys.values())
        if keys[event.statement_id] == event.occurred_at
    ]
    people = Learner.objects.in_bulk({event.learner_id for event in events})
    courses = _courses({event.enrolment_id for event in events if event.enrolment_id is not None})
    return [
        NewEvent(
            event.statement_id,
            people[event.learner_id].pseudonym,
            courses.get(event.enrolment_id or 0, ""),
            Verb(event.verb).label,
            event.occurred_at,
        )
        for event in events
    ]


def _courses(ids: Collection[int]) -> dict[int, str]:
    return dict(Enrolment.objects.filter(pk__in=ids).values_list("pk", "course__name"))


def _knowledge(ids: Collection[int], *, now: datetime) -> dict[int, Knowledge]:
    features = FeatureRow.objects.in_bulk(ids)
    risks = Risk.objects.in_bulk(ids)
    decisions: dict[int, Foreseen] = {}
    for foresight in _foresights:
        decisions |= foresight(sorted(ids), now=now)
    return {
        pk: Knowledge(
            features[pk].values if pk in features else {},
            risks[pk].value if pk in risks else None,
            risks[pk].coverage if pk in risks else 0.0,
            decisions.get(pk),
        )
        for pk in ids
    }


def _differences(
    ids: Collection[int], before: Mapping[int, Knowledge], after: Mapping[int, Knowledge]
) -> list[Difference]:
    nothing = Knowledge()
    found = []
    for enrolment in Enrolment.objects.filter(pk__in=ids).select_related("learner", "course").order_by("pk"):
        was, will = before.get(enrolment.pk, nothing), after[enrolment.pk]
        found.append(
            Difference(
                learner=enrolment.learner.pseudonym,
                course=enrolment.course.name,
                is_new=enrolment.pk not in before,
                features=[
                    (
                        # Two of them differ only in how many days they look back.
                        f"{feature.name} ({feature.window})" if feature.window[0].isdigit() else feature.name,
                        _shown(was.features.get(feature.key), is_time=feature.is_time),
                        _shown(will.features.get(feature.key), is_time=feature.is_time),
                    )
                    for feature in FEATURES
                    if was.features.get(feature.key) != will.features.get(feature.key)
                ],
                risk=(was.risk, will.risk),
                decision=(was.decision, will.decision),
            )
        )
    return found


def _shown(value: Any, *, is_time: bool) -> str:
    if value is None:
        return "not known"
    if is_time:
        return f"{datetime.fromisoformat(value):%Y-%m-%d %H:%M}"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
