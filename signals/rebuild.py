"""Everything that is derived, made again from what was sent: events, then rollups, features and risks.

What it finds already right it leaves untouched, so a second run changes nothing. It never lets time pass: a row
is compared as of the moment it was computed for, and written only if it comes out differently.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from consent.arrays import fetch, moments, uuids
from learners.models import Enrolment
from signals import certificates, clock, normalize, partitions, quarantine, store
from signals.archive import cooling
from signals.expiry import ended_before, given_up_before, given_up_months
from signals.features import rollup, serving
from signals.features.allowed import computable
from signals.features.definitions import FEATURE_SET
from signals.features.refresh import store_features
from signals.ingest import in_time
from signals.mastery import estimate as mastery
from signals.models import (
    ArchiveFile,
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
from signals.rebuilt import Rebuilt
from signals.risk.score import Known, score
from signals.table_hashes import TableHash, event_hash, hashes_of, table_hashes

BATCH = 1000
# A look into a cold month reads the month's file: the fewer looks the better.
COLD_BATCH = 5000


class Mode(StrEnum):
    """What becomes of what a rebuild finds."""

    KEEP = "keep"  # it is put right; a transaction for each batch
    PREVIEW = "preview"  # it is put right, looked at and rolled back, all in one transaction
    VERIFY = "verify"  # batch by batch, rolled back: nobody is held up, and nothing may differ


@dataclass(slots=True)
class _Run:
    """One rebuild on its way."""

    mode: Mode
    since: date | None
    now: datetime
    given_up: set[date]  # months past their retention: what happened in them is not made again
    forgotten: datetime | None  # nothing is computed any more about enrolments that were over by then
    done: Rebuilt
    touched: set[int] = field(default_factory=set)  # enrolments of events that changed

    def long_over(self, ids: Iterable[int]) -> set[int]:
        """Those of the enrolments whose features were given up."""
        if self.forgotten is None:
            return set()
        return set(ended_before(self.forgotten).filter(pk__in=list(ids)).values_list("pk", flat=True))

    @contextmanager
    def batch(self) -> Iterator[None]:
        """The transaction of one batch."""
        with transaction.atomic():
            yield
            if self.mode is Mode.VERIFY:
                transaction.set_rollback(True)


def rebuild(
    *,
    now: datetime,
    since: date | None = None,
    mode: Mode = Mode.KEEP,
    progress: Callable[[int], Any] = lambda rows: None,
) -> Rebuilt:
    """What changed, or would. With `since`, statements stored and days from that date on.

    A preview holds up writers of the enrolments it would change, and no others, until it ends.
    """
    run = _Run(mode, since, now, given_up_months(), given_up_before(), Rebuilt())
    run.done.before = table_hashes()
    if mode is Mode.PREVIEW:
        with transaction.atomic():
            _walk(run, progress)
            transaction.set_rollback(True)
    else:
        _walk(run, progress)
    if mode is Mode.KEEP:
        run.done.after = table_hashes()
    else:
        run.done.after = {name: value.plus(run.done.added[name]) for name, value in run.done.before.items()}
    return run.done


def work_ahead(*, since: date | None = None) -> int:
    """How many rows a rebuild will walk, for a progress bar."""
    return _from(since).count() + EnrolmentMark.objects.count()


def _walk(run: _Run, progress: Callable[[int], Any]) -> None:
    for rows in _statements(run.since):
        run.done.statements += len(rows)
        _events(rows, run)
        progress(len(rows))
    if run.since is None:
        _orphans(run)
        _lost_certificates(run)
    for ids in _enrolments():
        # A preview shows what follows from the events that change; everybody else is left alone.
        wanted = ids if run.mode is not Mode.PREVIEW else [pk for pk in ids if pk in run.touched]
        if wanted:
            _knowledge(wanted, run)
        progress(len(ids))


# --- events from statements -----------------------------------------------------------------------------------


def _from(since: date | None) -> Any:
    """Statements that may have an event. Voided ones keep theirs as it was: it is dated as void."""
    statements = Statement.objects.filter(parked=False, voided_at__isnull=True, voids__isnull=True)
    return statements.filter(stored__gte=_midnight(since)) if since else statements


def _statements(since: date | None) -> Iterator[list[Statement]]:
    after: tuple[datetime, UUID] | None = None
    size = COLD_BATCH if ArchiveFile.cold_event_months() else BATCH
    while True:
        rows = _from(since).order_by("stored", "id")
        if after is not None:
            rows = rows.extra(where=["(stored, id) > (%s, %s)"], params=after)
        batch = list(rows[:size])
        if not batch:
            return
        yield batch
        after = (batch[-1].stored, batch[-1].pk)


def _events(rows: Sequence[Statement], run: _Run) -> None:
    """Puts right the events of these statements that are not as they should be."""
    credentials = Credential.objects.in_bulk({row.credential_id for row in rows})
    with run.batch():
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
                in_order = row.pk not in held and in_time(reading.occurred_at, credential, now=run.now)
                if in_order and partitions.month_of(reading.occurred_at) not in run.given_up:
                    readings.append(reading)
                    known_at[row.pk] = reading.occurred_at if backfill else row.stored
            _derive(readings, known_at, run, backfill=backfill)


def _derive(
    readings: Sequence[Reading], known_at: dict[UUID, datetime], run: _Run, *, backfill: bool
) -> None:
    if not readings:
        return
    partitions.ensure({partitions.month_of(reading.occurred_at) for reading in readings})
    meant = normalize.interpret(readings, now=run.now, backfill=backfill)
    before = _stored_events(readings)
    earned, kept = certificates.told(meant.earned), certificates.kept([r.id for r in readings])
    wrong: list[tuple[Reading, store.NewEvent]] = []
    for reading, event in zip(readings, meant.events, strict=True):
        # Nobody it can be about today (an identifier was closed, consent withdrawn): what was known then stands.
        if event is None:
            continue
        old = before.get(reading.id)
        # Somebody else answers to this identifier today. It was about the person it named then.
        if old is not None and old["learner_id"] != event.learner_id:
            continue
        if old is None or _differs(old, event) or earned.get(reading.id) != kept.get(reading.id):
            wrong.append((reading, event._replace(known_at=old["known_at"] if old else known_at[reading.id])))
            run.done.note_kind(old["verb"] if old else None, event.verb)
    if not wrong:
        return
    ids = [reading.id for reading, _ in wrong]
    touched = {event.enrolment_id for _, event in wrong if event.enrolment_id is not None}
    left = {
        old["enrolment_id"] for key in ids if (old := before.get(key)) and old["enrolment_id"] is not None
    }
    run.touched |= touched | left
    places = [(reading.occurred_at, reading.id) for reading, _ in wrong]
    hashes = _event_hashes(places)
    store.lock_marks(touched | left | meant.waking())
    for reading, _ in wrong:
        if (old := before.get(reading.id)) and old["enrolment_id"] is not None:
            _touch(old["enrolment_id"], reading.occurred_at.astimezone(UTC).date(), now=run.now)
    _delete_events(places)
    store.park(ids)
    won = store.write_unparked(ids, [event for _, event in wrong], now=run.now)
    normalize.settle(meant, won, now=run.now)
    run.done.events += len(won)
    run.done.add_hashes(hashes, _event_hashes(places))


def _event_hashes(places: Sequence[tuple[datetime, UUID]]) -> dict[str, TableHash]:
    return {"events": event_hash(places)} | hashes_of(("results", "certificates"), [key for _, key in places])


def _orphans(run: _Run) -> None:
    """Takes away events that no stored statement accounts for."""
    with run.batch(), connection.cursor() as cursor:
        while True:
            cursor.execute(
                "SELECT v.occurred_at, v.statement_id, v.enrolment_id, v.verb FROM signals_event v WHERE NOT EXISTS"
                " (SELECT FROM signals_statement s WHERE s.id = v.statement_id)"
                " ORDER BY v.enrolment_id, v.occurred_at LIMIT %s",
                [BATCH],
            )
            rows = cursor.fetchall()
            if not rows:
                return
            places = [(at, key) for at, key, _, _ in rows]
            hashes = _event_hashes(places)
            enrolments = {enrolment for _, _, enrolment, _ in rows if enrolment is not None}
            store.lock_marks(enrolments)
            run.touched |= enrolments
            for at, _, enrolment, verb in rows:
                run.done.note_kind(verb, None)
                if enrolment is not None:
                    _touch(enrolment, at.astimezone(UTC).date(), now=run.now)
            _delete_events(places)
            run.done.orphans += len(rows)
            run.done.add_hashes(hashes, _event_hashes(places))


def _lost_certificates(run: _Run) -> None:
    """Takes away certificates that no stored statement accounts for."""
    with run.batch():
        lost = certificates.without_statement(given_up=run.given_up)
        hashes = hashes_of(("certificates",), lost)
        certificates.forget(lost)
        run.done.orphans += len(lost)
        run.done.add_hashes(hashes, hashes_of(("certificates",), lost))


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
    places = [reading.occurred_at for reading in readings]
    rows = fetch(_STORED, [moments(places), uuids([r.id for r in readings]), min(places), max(places)])
    found = {row[0]: dict(zip(_STORED_COLUMNS, row, strict=True)) for row in rows}
    missing = [(reading.occurred_at, reading.id) for reading in readings if reading.id not in found]
    for key, row in cooling.stored_in_cold(missing).items():
        found[key] = row | {"learner_id": UUID(bytes=row["learner_id"])}
    return found


_STORED_COLUMNS = ("statement_id", "learner_id", "known_at", *_COMPARED, "is_item")
_STORED = """
SELECT e.statement_id, e.learner_id, e.known_at, e.enrolment_id, e.verb, e.activity, e.activity_type, e.amount,
       e.scaled, e.success, e.duration_s, e.progress, e.value, e.session, e.background_s, e.device, e.network,
       r.statement_id IS NOT NULL, r.is_item
FROM unnest($1::timestamptz[], $2::uuid[]) n (at, id)
CROSS JOIN LATERAL (
    SELECT * FROM signals_event v
    WHERE v.occurred_at = n.at AND v.statement_id = n.id
      AND v.occurred_at BETWEEN $3::timestamptz AND $4::timestamptz  -- leaves the other months out
    OFFSET 0  -- keeps this a look-up, whatever the planner thinks of the table
) e
LEFT JOIN signals_assessmentresult r ON r.statement_id = n.id
"""


def _delete_events(keys: Sequence[tuple[datetime, UUID]]) -> None:
    if not keys:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM signals_event e USING unnest(%s::timestamptz[], %s::uuid[]) n (at, id)"
            " WHERE e.occurred_at = n.at AND e.statement_id = n.id AND e.occurred_at BETWEEN %s AND %s",
            [[at for at, _ in keys], [key for _, key in keys], min(keys)[0], max(keys)[0]],
        )
    ids = [key for _, key in keys]
    AssessmentResult.objects.filter(pk__in=ids).delete()
    certificates.forget(ids)


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


def _knowledge(ids: Sequence[int], run: _Run) -> None:
    done, now = run.done, run.now
    with run.batch():
        marks = {
            mark.pk: mark
            for mark in EnrolmentMark.objects.select_for_update().filter(pk__in=ids).order_by("pk")
        }
        if run.mode is Mode.VERIFY:
            # What a refresh has still to take up differs for now, and rightly so.
            waiting = [pk for pk, mark in marks.items() if mark.dirty_since is not None]
            done.waiting += len(waiting)
            marks = {pk: mark for pk, mark in marks.items() if pk not in set(waiting)}
        # What was computed about them was given up when their enrolment had long been over: it is not made again.
        over_long = run.long_over(marks)
        marks = {pk: mark for pk, mark in marks.items() if pk not in over_long}
        done.enrolments += len(marks)
        hashes = hashes_of(_KNOWLEDGE, list(marks))
        enrolments = Enrolment.objects.select_related("course", "learner").in_bulk(marks)
        allowed = computable(enrolments.values())
        kept = [pk for pk in sorted(marks) if enrolments[pk].learner_id in allowed]
        refused = [pk for pk in marks if pk not in set(kept)]
        done.rollups += rollup.recompute(_days(kept, run))
        before = FeatureRow.objects.in_bulk(kept)
        risks = _risks(marks)
        moments = {pk: _as_of(before.get(pk), marks[pk], now) for pk in kept}
        mastery.keep({enrolments[pk].learner_id for pk in kept}, now=now)
        features = serving.compute([(pk, moments[pk]) for pk in kept])
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
        for row in changed:
            old = before.get(row.enrolment_id)
            done.note_features(old.values if old else None, row.features)
        store_features(changed)
        done.features += len(changed)
        active = [row for row in known if enrolments[row.enrolment_id].state == Enrolment.State.ACTIVE]
        done.risks += score(active, now=now, only_changed=True)
        over = [pk for pk in kept if enrolments[pk].state != Enrolment.State.ACTIVE]
        done.risks += Risk.objects.filter(pk__in=over + refused).delete()[0]
        done.features += FeatureRow.objects.filter(pk__in=refused).delete()[0]
        for pk, value in _risks(marks).items():
            done.note_risk(pk, risks.get(pk), value)
        EnrolmentMark.objects.filter(pk__in=kept).update(dirty_since=None, dirty_days=[])
        done.add_hashes(hashes, hashes_of(_KNOWLEDGE, list(marks)))


_KNOWLEDGE = ("rollups", "features", "risks")


def _risks(ids: Iterable[int]) -> dict[int, float | None]:
    return dict(Risk.objects.filter(pk__in=list(ids)).order_by().values_list("pk", "value"))


def _days(ids: Sequence[int], run: _Run) -> set[tuple[int, date]]:
    """Every day of these enrolments that has events, or a rollup that should perhaps not be there."""
    events = Event.objects.filter(enrolment_id__in=ids, voided_seq__isnull=True).order_by()
    rollups = DailyRollup.objects.filter(enrolment__in=ids).order_by()
    if run.since:
        events = events.filter(occurred_at__gte=_midnight(run.since))
        rollups = rollups.filter(day__gte=run.since)
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
