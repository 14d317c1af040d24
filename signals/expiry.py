"""What signals gives up with time: whole months of records, what was computed of ended enrolments, old cold months.

Records go by the month, once its last day is past the period: a partition or a file is dropped whole, which costs the
same for any number of rows. So a row is kept for at most 31 days more than the period says.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Coalesce

from consent.models import AuditEntry
from consent.retention import EXPIRED, Step
from consent.scopes import Scope
from learners.models import Enrolment
from signals import clock, partitions
from signals.archive import contents, cooling, files, raw
from signals.archive.write import lock
from signals.models import (
    ArchiveFile,
    AssessmentResult,
    Attachment,
    Certificate,
    DailyRollup,
    EnrolmentMark,
    FeatureRow,
    Label,
    Mastery,
    Quarantined,
    Risk,
    RiskChange,
    SecondLook,
    Statement,
)

AT_ONCE = 2000
COLD_STORE = "the cold store"
LABEL, EVENTS, FEATURES = "signals", "events", "features"


# --- months that only the cold store needs to hold ---------------------------------------------------------------


def relocate(*, now: datetime) -> list[Step]:
    """Archived months older than HOT_MONTHS: their events and raw bodies leave PostgreSQL."""
    if not settings.HOT_MONTHS:
        return []
    oldest = partitions.month_of(now)
    for _ in range(settings.HOT_MONTHS):
        oldest = _month_before(oldest)
    steps = []
    for file in ArchiveFile.objects.filter(month__lt=oldest, verified_at__isnull=False):
        if file.kind == ArchiveFile.Kind.EVENT:
            # Only what the file holds as PostgreSQL has it; anything else waits for the next archiving.
            rows = cooling.leaving(file.month)
            if not rows or contents.source_hash(file.kind, file.month)[1] != file.source_hash:
                continue
            remove: Callable[[], Any] = partial(cooling.cool, file.month, now=now)
        else:
            rows = 0 if file.is_cold else raw.held(file.month)
            if not rows:
                continue
            remove = partial(raw.release, file.month, now=now)
        steps.append(
            Step(
                f"{file.kind}s {file.month:%Y-%m}",
                rows,
                remove,
                bytes=contents.size(file.kind, file.month),
                partitions=int(file.kind == ArchiveFile.Kind.EVENT),
                stays=COLD_STORE,
            )
        )
    return steps


# --- what is past its period ----------------------------------------------------------------------------------


def expire(scope: Scope, before: datetime, *, now: datetime) -> list[Step]:
    """What of this purpose is older than that moment."""
    if scope is Scope.RECORD:
        # In this order: an event never outlives its statement, or a rebuild would take it for an orphan.
        floor = partitions.month_of(before.astimezone(UTC))
        return [
            *_event_months(floor),
            *_derived(floor, now=now),
            *_statement_months(floor),
            *_quarantined(before),
        ]
    if scope is Scope.PROFILE:
        return _computed(before)
    return []


def given_up_months() -> set[date]:
    """The months whose events were given up. The audit log is what remembers them, as nothing else is left."""
    stores = AuditEntry.objects.filter(action=EXPIRED, detail__store__startswith=f"{LABEL}.{EVENTS} ")
    return {
        date.fromisoformat(f"{store[-7:]}-01")
        for store in stores.order_by().values_list("detail__store", flat=True)
    }


def given_up_before() -> datetime | None:
    """Features of enrolments that were over before this moment were given up (None: none ever were)."""
    entries = AuditEntry.objects.filter(action=EXPIRED, detail__store=f"{LABEL}.{FEATURES}")
    latest = entries.order_by("-pk").values_list("detail__before", flat=True).first()
    return datetime.fromisoformat(latest) if latest else None


def _event_months(floor: date) -> list[Step]:
    there = partitions.existing()
    kept = {file.month: file for file in ArchiveFile.objects.filter(kind=ArchiveFile.Kind.EVENT)}
    steps = []
    for month in sorted(month for month in there | kept.keys() if month < floor):
        file = kept.get(month)
        rows, people = _events_in(month)
        if file is None and not rows and month in partitions.newest(there):
            continue  # emptied before; the partition itself stays
        steps.append(
            Step(
                f"{EVENTS} {month:%Y-%m}",
                max(rows, file.rows if file else 0),
                partial(_drop_events, month),
                bytes=contents.size(ArchiveFile.Kind.EVENT, month) + (file.bytes if file else 0),
                partitions=int(month in there) + int(file is not None),
                people=max(people, len(_people_in(file)) if file else 0),
            )
        )
    return steps


def _events_in(month: date) -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(DISTINCT learner_id) FROM signals_event"
            " WHERE occurred_at >= %s AND occurred_at < %s",
            contents.span(month),
        )
        rows, people = cursor.fetchone()
    return rows, people


def _people_in(file: ArchiveFile) -> set[bytes]:
    """Whom a file of events is about. Reads that one column."""
    import pyarrow.compute as pc

    if not file.rows:
        return set()
    try:
        with files.reading(file.name):
            table = files.dataset(file).to_table(columns=["learner_id"], use_threads=False)
    except files.ArchiveUnreadable:
        return set()  # a file that is gone must not keep what is left of its month
    return set(pc.unique(table.column("learner_id")).to_pylist())


def _drop_events(month: date) -> None:
    lock()
    partitions.drop(month)
    _forget_file(ArchiveFile.Kind.EVENT, month)


def _forget_file(kind: ArchiveFile.Kind, month: date) -> None:
    """The key goes with the row; the file itself as soon as that is certain."""
    for file in ArchiveFile.objects.select_for_update().filter(kind=kind, month=month):
        files.remove(file.name)
        file.delete()


def _derived(floor: date, *, now: datetime) -> list[Step]:
    moment = contents.span(floor)[0]
    results = AssessmentResult.objects.filter(occurred_at__lt=moment).order_by()
    rollups = DailyRollup.objects.filter(day__lt=floor).order_by()
    steps = []
    if rows := results.count():
        people = results.values("learner_id").distinct().count()
        steps.append(Step("results", rows, partial(_forget, results, now=now), people=people))
    # One that still holds is not old, however long ago it was earned.
    over = Coalesce("expires_at", "occurred_at")
    earned = Certificate.objects.alias(over=over).filter(over__lt=moment, occurred_at__lt=moment).order_by()
    if rows := earned.count():
        people = earned.values("learner_id").distinct().count()
        steps.append(Step("certificates", rows, earned.delete, people=people))
    if rows := rollups.count():
        people = rollups.values("enrolment__learner").distinct().count()
        steps.append(Step("rollups", rows, partial(_forget, rollups, now=now), people=people))
    return steps


def _forget(rows: Any, *, now: datetime) -> None:
    """Features that are kept follow from what is left."""
    touched = set(rows.values_list("enrolment_id", flat=True).distinct())
    rows.delete()
    kept = FeatureRow.objects.filter(pk__in=touched).values("pk")
    EnrolmentMark.objects.filter(pk__in=kept, dirty_since__isnull=True).update(dirty_since=now)


def _statement_months(floor: date) -> list[Step]:
    kept = {file.month: file for file in ArchiveFile.objects.filter(kind=ArchiveFile.Kind.STATEMENT)}
    steps = []
    for month in contents.months_held(ArchiveFile.Kind.STATEMENT, before=floor):
        start, end = contents.span(month)
        of_month = Statement.objects.filter(stored__gte=start, stored__lt=end).order_by()
        file = kept.pop(month, None)
        steps.append(
            Step(
                f"statements {month:%Y-%m}",
                of_month.count(),
                partial(_drop_statements, month),
                bytes=contents.size(ArchiveFile.Kind.STATEMENT, month) + (file.bytes if file else 0),
                partitions=int(file is not None),
                people=of_month.values("actor").distinct().count(),
            )
        )
    for month, file in sorted(kept.items()):
        if month < floor:
            steps.append(
                Step(
                    f"statements {month:%Y-%m}",
                    file.rows,
                    partial(_drop_statements, month),
                    bytes=file.bytes,
                    partitions=1,
                )
            )
    return steps


def _drop_statements(month: date) -> None:
    lock()
    start, end = contents.span(month)
    with connection.cursor() as cursor:
        # The database refuses to delete a statement unless the transaction says why.
        cursor.execute("SET LOCAL rekindle.erasing = 'on'")
    while ids := _some(Statement.objects.filter(stored__gte=start, stored__lt=end)):
        Statement.objects.filter(pk__in=ids).delete()
        clock.forget(ids)  # where they came from stays noted: the same file again must not bring them back
    Attachment.objects.filter(uses__isnull=True).delete()  # files that came with them and with no other
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL rekindle.erasing = 'off'")
    _forget_file(ArchiveFile.Kind.STATEMENT, month)


def _some(rows: Any) -> list[UUID]:
    return list(rows.order_by("stored", "pk").values_list("pk", flat=True)[:AT_ONCE])


def _quarantined(before: datetime) -> list[Step]:
    old = Quarantined.objects.filter(received_at__lt=before)
    rows = old.count()
    return [Step("quarantined", rows, old.delete)] if rows else []


def _computed(before: datetime) -> list[Step]:
    """Features, risks and labels. What is current about somebody who is still enrolled is not old."""
    ended = Q(enrolment__in=ended_before(before))
    steps = []
    for store, rows in (
        (FEATURES, FeatureRow.objects.filter(ended, as_of__lt=before)),
        ("risks", Risk.objects.filter(ended, as_of__lt=before)),
        ("risk_changes", RiskChange.objects.filter(at__lt=before)),
        ("labels", Label.objects.filter(as_of__lt=before)),
        ("second_looks", SecondLook.objects.filter(asked_at__lt=before)),
    ):
        if count := rows.count():
            people = rows.order_by().values("enrolment__learner").distinct().count()
            steps.append(Step(store, count, rows.delete, people=people))
    # Of somebody who is still enrolled anywhere it is current, however long ago the last answer was given.
    enrolled = Enrolment.objects.filter(learner=OuterRef("learner"), state=Enrolment.State.ACTIVE)
    mastery = Mastery.objects.filter(~Exists(enrolled), last_answer_at__lt=before)
    if count := mastery.count():
        people = mastery.order_by().values("learner").distinct().count()
        steps.append(Step("mastery", count, mastery.delete, people=people))
    return steps


def ended_before(moment: datetime) -> Any:
    """Enrolments that were over by then: nothing is computed about them any more."""
    return Enrolment.objects.exclude(state=Enrolment.State.ACTIVE).filter(ended_at__lt=moment)


def _month_before(month: date) -> date:
    return date(month.year - (month.month == 1), (month.month - 2) % 12 + 1, 1)
