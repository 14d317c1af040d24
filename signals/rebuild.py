"""Everything that is derived, made again from what was sent: events, then rollups, features and risks.

What it finds already right it leaves untouched, so a second run changes nothing. It never lets time pass: a row
is compared as of the moment it was computed for, and written only if it comes out differently.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from learners.models import Enrolment
from signals import clock, normalize, partitions, quarantine, store
from signals.features import compile as compiled
from signals.features import rollup
from signals.features.definitions import FEATURE_SET
from signals.features.refresh import computable, store_features
from signals.ingest import in_time
from signals.models import (
    AssessmentResult,
    Credential,
    DailyRollup,
    EnrolmentMark,
    Event,
    FeatureRow,
    Risk,
    Statement,
)
from signals.reading import Reading, StoredRow, read_stored
from signals.risk.score import Known, score

BATCH = 1000


@dataclass(slots=True)
class Rebuilt:
    """How many rows were looked at, and how many were not as they should be."""

    statements: int = 0
    enrolments: int = 0
    events: int = 0
    rollups: int = 0
    features: int = 0
    risks: int = 0

    @property
    def changed(self) -> int:
        return self.events + self.rollups + self.features + self.risks


def rebuild(
    *, now: datetime, since: date | None = None, progress: Callable[[int], None] = lambda rows: None
) -> Rebuilt:
    """What changed. With `since`, statements stored and days from that date on. One transaction per batch."""
    done = Rebuilt()
    for rows in _statements(since):
        done.statements += len(rows)
        done.events += _events(rows, now=now)
        progress(len(rows))
    for ids in _enrolments():
        done.enrolments += len(ids)
        _knowledge(ids, done, since=since, now=now)
        progress(len(ids))
    return done


def work_ahead(*, since: date | None = None) -> int:
    """How many rows a rebuild will walk, for a progress bar."""
    return _from(since).count() + EnrolmentMark.objects.count()


# --- events from statements -----------------------------------------------------------------------------------


def _from(since: date | None) -> Any:
    """Statements that may have an event. Voided ones keep theirs as it was: it is dated as void."""
    statements = Statement.objects.filter(parked=False, voided_at__isnull=True, voids__isnull=True)
    return statements.filter(stored__gte=_midnight(since)) if since else statements


def _statements(since: date | None) -> Iterator[list[Statement]]:
    after: tuple[datetime, UUID] | None = None
    while True:
        rows = _from(since).order_by("stored", "id")
        if after is not None:
            rows = rows.extra(where=["(stored, id) > (%s, %s)"], params=after)
        batch = list(rows[:BATCH])
        if not batch:
            return
        yield batch
        after = (batch[-1].stored, batch[-1].pk)


def _events(rows: Sequence[Statement], *, now: datetime) -> int:
    """How many of these statements now have another event than before, or have one at last."""
    credentials = Credential.objects.in_bulk({row.credential_id for row in rows})
    changed = 0
    with transaction.atomic():
        read = {row.pk: read_stored(StoredRow(row.pk, row.stored, bytes(row.body), False)) for row in rows}
        clock.recall(list(read.values()))
        held = quarantine.held_back(read)
        for backfill in (False, True):
            readings = []
            known_at: dict[UUID, datetime] = {}
            for row in rows:
                credential = credentials[row.credential_id]
                if (Credential.Permission.BACKFILL in credential.permissions) is not backfill:
                    continue
                reading = read[row.pk]
                # Not "waiting": an old registration must not enrol somebody again who has left since.
                reading.waits = False
                # What quarantine holds back stays held back until a person says otherwise.
                if row.pk not in held and in_time(reading.occurred_at, credential, now=now):
                    readings.append(reading)
                    known_at[row.pk] = reading.occurred_at if backfill else row.stored
            changed += _derive(readings, known_at, backfill=backfill, now=now)
    return changed


def _derive(
    readings: Sequence[Reading], known_at: dict[UUID, datetime], *, backfill: bool, now: datetime
) -> int:
    if not readings:
        return 0
    partitions.ensure({partitions.month_of(reading.occurred_at) for reading in readings})
    meant = normalize.interpret(readings, now=now, backfill=backfill)
    before = _stored_events(readings)
    wrong: list[tuple[Reading, store.NewEvent]] = []
    for reading, event in zip(readings, meant.events, strict=True):
        # Nobody it can be about today (an identifier was closed, consent withdrawn): what was known then stands.
        if event is None:
            continue
        old = before.get(reading.id)
        # Somebody else answers to this identifier today. It was about the person it named then.
        if old is not None and old["learner_id"] != event.learner_id:
            continue
        if old is None or _differs(old, event):
            wrong.append((reading, event._replace(known_at=old["known_at"] if old else known_at[reading.id])))
    if not wrong:
        return 0
    ids = [reading.id for reading, _ in wrong]
    touched = {event.enrolment_id for _, event in wrong if event.enrolment_id is not None}
    left = {
        old["enrolment_id"] for key in ids if (old := before.get(key)) and old["enrolment_id"] is not None
    }
    store.lock_marks(touched | left)
    for reading, _ in wrong:
        if (old := before.get(reading.id)) and old["enrolment_id"] is not None:
            _touch(old["enrolment_id"], reading.occurred_at.astimezone(UTC).date(), now=now)
    _delete_events([(reading.occurred_at, reading.id) for reading, _ in wrong])
    store.park(ids)
    won = store.write_unparked(ids, [event for _, event in wrong], now=now)
    normalize.settle(meant, won, now=now)
    return len(won)


_COMPARED = (
    "enrolment_id",
    "verb",
    "activity",
    "activity_type",
    "amount",
    "scaled",
    "success",
    "duration_s",
    "progress",
    "value",
    "session",
    "background_s",
    "device",
    "network",
    "is_result",
)


def _differs(old: dict[str, Any], event: store.NewEvent) -> bool:
    # Whether it is one question is kept with results alone.
    return any(old[name] != getattr(event, name) for name in _COMPARED) or (
        event.is_result and old["is_item"] != event.is_item
    )


def _stored_events(readings: Sequence[Reading]) -> dict[UUID, dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.statement_id, e.learner_id, e.enrolment_id, e.known_at, e.verb, e.activity, e.activity_type,"
            " e.amount, e.scaled, e.success, e.duration_s, e.progress, e.value, e.session, e.background_s, e.device,"
            " e.network, r.statement_id IS NOT NULL AS is_result,"
            " r.is_item"
            " FROM unnest(%s::timestamptz[], %s::uuid[]) n (at, id)"
            " JOIN signals_event e ON e.occurred_at = n.at AND e.statement_id = n.id"
            " LEFT JOIN signals_assessmentresult r ON r.statement_id = n.id",
            [[reading.occurred_at for reading in readings], [reading.id for reading in readings]],
        )
        names = [column.name for column in cursor.description or ()]
        return {row[0]: dict(zip(names, row, strict=True)) for row in cursor.fetchall()}


def _delete_events(keys: Sequence[tuple[datetime, UUID]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM signals_event e USING unnest(%s::timestamptz[], %s::uuid[]) n (at, id)"
            " WHERE e.occurred_at = n.at AND e.statement_id = n.id",
            [[at for at, _ in keys], [key for _, key in keys]],
        )
    AssessmentResult.objects.filter(pk__in=[key for _, key in keys]).delete()


def _touch(enrolment_id: int, day: date, *, now: datetime) -> None:
    """The day an event leaves is stale too. Rare, so a query for each is fine."""
    mark = EnrolmentMark.objects.get(pk=enrolment_id)
    mark.dirty_days = sorted({*mark.dirty_days, day})
    mark.dirty_since = mark.dirty_since or now
    mark.save(update_fields=["dirty_days", "dirty_since"])


# --- rollups, features and risks from events --------------------------------------------------------------------


def _enrolments() -> Iterator[list[int]]:
    last = 0
    while ids := list(
        EnrolmentMark.objects.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]
    ):
        yield ids
        last = ids[-1]


def _knowledge(ids: Sequence[int], done: Rebuilt, *, since: date | None, now: datetime) -> None:
    with transaction.atomic():
        marks = {
            mark.pk: mark
            for mark in EnrolmentMark.objects.select_for_update().filter(pk__in=ids).order_by("pk")
        }
        enrolments = Enrolment.objects.select_related("course", "learner").in_bulk(marks)
        allowed = computable(enrolments.values())
        kept = [pk for pk in sorted(marks) if enrolments[pk].learner_id in allowed]
        refused = [pk for pk in marks if pk not in set(kept)]
        done.rollups += rollup.recompute(_days(kept, since))
        before = FeatureRow.objects.in_bulk(kept)
        moments = {pk: _as_of(before.get(pk), marks[pk], now) for pk in kept}
        features = compiled.compute([(pk, moments[pk]) for pk in kept])
        known = [
            Known(
                pk,
                features[pk],
                enrolments[pk].course.name,
                as_of=moments[pk],
                known_seq=marks[pk].known_seq,
            )
            for pk in kept
        ]
        changed = [row for row in known if not _is_same(before.get(row.enrolment_id), row)]
        store_features(changed)
        done.features += len(changed)
        active = [row for row in known if enrolments[row.enrolment_id].state == Enrolment.State.ACTIVE]
        done.risks += score(active, now=now, only_changed=True)
        over = [pk for pk in kept if enrolments[pk].state != Enrolment.State.ACTIVE]
        done.risks += Risk.objects.filter(pk__in=over + refused).delete()[0]
        done.features += FeatureRow.objects.filter(pk__in=refused).delete()[0]
        EnrolmentMark.objects.filter(pk__in=kept).update(dirty_since=None, dirty_days=[])


def _days(ids: Sequence[int], since: date | None) -> set[tuple[int, date]]:
    """Every day of these enrolments that has events, or a rollup that should perhaps not be there."""
    events = Event.objects.filter(enrolment_id__in=ids, voided_seq__isnull=True).order_by()
    rollups = DailyRollup.objects.filter(enrolment__in=ids).order_by()
    if since:
        events = events.filter(occurred_at__gte=_midnight(since))
        rollups = rollups.filter(day__gte=since)
    days = events.values_list("enrolment_id", "occurred_at__date").distinct()
    return {(pk, day) for pk, day in days if pk is not None} | set(rollups.values_list("enrolment_id", "day"))


def _as_of(before: FeatureRow | None, mark: EnrolmentMark, now: datetime) -> datetime:
    """The moment a row speaks of, unless more has become known since."""
    if before is None or mark.dirty_since is not None or mark.known_seq != before.known_seq:
        return now
    return before.as_of


def _is_same(before: FeatureRow | None, row: Known) -> bool:
    return (
        before is not None
        and (before.feature_set, before.as_of, before.known_seq) == (FEATURE_SET, row.as_of, row.known_seq)
        and before.values == dict(row.features)
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)
