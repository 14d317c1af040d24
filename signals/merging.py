"""What signals has about people whom nobody knows, and what it moves when two learners' records become one.

Found by learners.merging.registry and called in its transaction.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connection
from django.db.models import Q

from learners.identity import hashes_of, holder, spans
from learners.merging.journal import SHIFT, Journal, Watched
from learners.models import Enrolment
from signals import certificates, store, waking
from signals.archive import cooling
from signals.archive import people as archived
from signals.models import (
    Certificate,
    DailyRollup,
    EnrolmentMark,
    Event,
    FeatureRow,
    Mastery,
    Risk,
    SecondLook,
    ShadowRisk,
)
from signals.reading import StoredRow, read_stored

if TYPE_CHECKING:
    from learners.merging.merge import Plan
    from learners.merging.undo import Undoing

_UNKNOWN = """
SELECT DISTINCT ON (s.actor) s.actor, s.id, s.stored, s.body
FROM signals_statement s
WHERE s.parked AND s.voided_at IS NULL
  AND NOT EXISTS (SELECT FROM learners_linkrecord r WHERE r.actor = s.actor)
  AND NOT EXISTS (SELECT FROM learners_identifier i WHERE i.hash = s.actor)
  AND NOT EXISTS (SELECT FROM learners_identifier i WHERE i.given_hash = s.actor)
ORDER BY s.actor, s.stored DESC, s.id
LIMIT %s
"""


def unknown_actors(*, limit: int) -> dict[bytes, dict[str, Any]]:
    """Actors of parked statements that are new to linking, by hash, as their last statement names them."""
    with connection.cursor() as cursor:
        cursor.execute(_UNKNOWN, [limit])
        rows = [
            (bytes(actor), StoredRow(key, stored, bytes(body), False)) for actor, key, stored, body in cursor
        ]
    return {actor: read_stored(row).statement["actor"] for actor, row in rows}


# --- merging ------------------------------------------------------------------------------------------------------


def watched(both: tuple[UUID, UUID]) -> list[Watched]:
    """What is computed about the two; their events are noted as they move."""
    mine = Q(enrolment__learner__in=both)
    computed = [
        Watched(model, mine)
        for model in (EnrolmentMark, DailyRollup, FeatureRow, Risk, SecondLook, ShadowRisk)
    ]
    return [*computed, Watched(Mastery, Q(learner__in=both))]


def lock(people: Sequence[UUID]) -> None:
    """The marks: whoever takes in statements about these people, or computes about them, comes before us or after."""
    store.lock_marks(Enrolment.objects.filter(learner__in=people).values_list("pk", flat=True))
    cooling.thaw_people(people)  # what moves must be here; archiving its months again lets it prevail there


_MOVE = """
UPDATE {table} SET learner_id = %s WHERE learner_id = %s AND (enrolment_id IS NULL OR NOT enrolment_id = ANY(%s))
RETURNING {keys}
"""
_MOVE_TWIN = """
UPDATE {table} SET learner_id = %s, enrolment_id = %s, known_seq = known_seq + %s, voided_seq = voided_seq + %s
WHERE enrolment_id = %s RETURNING {keys}
"""
_TABLES = {
    "signals_event": ("statement_id", "occurred_at"),
    "signals_assessmentresult": ("statement_id",),
    "signals_certificate": ("statement_id",),
}


def merge(plan: "Plan", journal: Journal) -> None:
    """Events and results become the other's. Of an enrolment that both have, what is known continues the one kept."""
    for table, names in _TABLES.items():
        keys = _changed(
            _MOVE.format(table=table, keys=", ".join(names)),
            [plan.into, plan.duplicate, list(plan.staying)],
            names,
        )
        journal.moved(table, keys, {"learner_id": str(plan.duplicate)}, {"learner_id": str(plan.into)})
    marks = EnrolmentMark.objects.in_bulk(plan.enrolments)
    for mine, kept in sorted(plan.staying.items()):
        days = _days_of(mine)
        base = marks[kept].known_seq  # what both know, one after the other: no number is used twice
        for table, names in _TABLES.items():
            keys = _changed(
                _MOVE_TWIN.format(table=table, keys=", ".join(names)),
                [plan.into, kept, base, base, mine],
                names,
            )
            journal.moved(
                table,
                keys,
                {"learner_id": str(plan.duplicate), "enrolment_id": mine},
                {
                    "learner_id": str(plan.into),
                    "enrolment_id": kept,
                    SHIFT: {"known_seq": base, "voided_seq": base},
                },
            )
        marks[kept].known_seq = base + marks[mine].known_seq
        _touch(marks[kept], days, plan.now)
        marks[kept].save(update_fields=["known_seq", "dirty_days", "dirty_since"])
    if Certificate.objects.filter(learner_id=plan.into).exists():
        # What either has earned may count in any of their courses.
        woken = {one for own in waking.enrolments_of(plan.both).values() for one in own}
        waking.wake(woken - plan.staying.keys(), now=plan.now)
    # Nothing is computed about an enrolment that has been told twice.
    twins = list(plan.staying)
    for model in (DailyRollup, FeatureRow, Risk, ShadowRisk):
        model._default_manager.filter(enrolment__in=twins).delete()
    # Answers of both are one person's now; the next refresh reads them together.
    Mastery.objects.filter(learner__in=plan.both).delete()
    SecondLook.objects.open().filter(enrolment__in=twins).delete()
    EnrolmentMark.objects.filter(pk__in=twins).update(dirty_days=[], dirty_since=None)
    EnrolmentMark.objects.filter(pk__in=plan.moved, dirty_since__isnull=True).update(dirty_since=plan.now)


def _changed(sql: str, values: list[Any], names: Sequence[str]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [
            {
                name: value.isoformat() if isinstance(value, datetime) else str(value)
                for name, value in zip(names, row, strict=True)
            }
            for row in cursor.fetchall()
        ]


def _days_of(enrolment: int) -> set[date]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT (occurred_at AT TIME ZONE 'UTC')::date FROM signals_event WHERE enrolment_id = %s",
            [enrolment],
        )
        return {row[0] for row in cursor.fetchall()}


def _touch(mark: EnrolmentMark, days: set[date], now: datetime) -> None:
    mark.dirty_days = sorted({*mark.dirty_days, *days})
    mark.dirty_since = mark.dirty_since or now


def straggling(duplicate: UUID) -> bool:
    """Whether something was on its way in about the duplicate while it was merged."""
    return Event.objects.filter(learner_id=duplicate).exists()


# --- undoing ------------------------------------------------------------------------------------------------------

_SINCE = """
SELECT e.statement_id, e.occurred_at, e.enrolment_id, s.actor
FROM signals_event e JOIN signals_statement s ON s.id = e.statement_id
WHERE e.learner_id = %s AND (e.enrolment_id = ANY(%s) OR s.actor = ANY(%s))
ORDER BY e.enrolment_id, e.known_seq, e.occurred_at, e.statement_id
"""


def before_undo(undoing: "Undoing") -> None:
    """Sees what was computed since the merge: it left these marks dirty, and computing makes them clean.

    One that is dirty by what came later has been clean in between.
    """
    left = {
        key["enrolment_id"]: datetime.fromisoformat(step.after["dirty_since"])
        for step in undoing.steps
        if step.table == EnrolmentMark._meta.db_table and step.after and step.after.get("dirty_since")
        for key in step.keys
    }
    marks = EnrolmentMark.objects.filter(pk__in=[*undoing.moved, *undoing.staying.values()])
    undoing.computed = {
        mark.pk
        for mark in marks
        if mark.dirty_since is None
        or (mark.dirty_since > undoing.merge.at and mark.dirty_since != left.get(mark.pk))
    }


def undo(undoing: "Undoing") -> None:
    """Sorts what came in since, and has computed again what it changes."""
    back = _came_since(undoing)
    for mark in EnrolmentMark.objects.filter(pk__in={*undoing.computed, *back}).order_by("pk"):
        gone = DailyRollup.objects.filter(enrolment=mark.pk).values_list("day", flat=True)
        _touch(mark, _days_of(mark.pk) | {*gone} | back.get(mark.pk, set()), undoing.now)
        mark.save(update_fields=["dirty_days", "dirty_since"])


def _came_since(undoing: "Undoing") -> dict[int, set[date]]:
    """Gives events that came since the merge to whom their identifier names again; the days this changes."""
    theirs = hashes_of(undoing.duplicate)
    with connection.cursor() as cursor:
        cursor.execute(_SINCE, [undoing.into, undoing.moved, list(theirs)])
        rows = cursor.fetchall()
    known = spans({bytes(actor) for *_, actor in rows})
    twin_of = {kept: mine for mine, kept in undoing.staying.items()}
    changed: dict[int, set[date]] = {}
    for statement_id, at, enrolment, actor in rows:
        day = at.astimezone(UTC).date()
        is_theirs = holder(known.get(bytes(actor), ()), day) == undoing.duplicate
        if is_theirs:
            goes_to = enrolment if enrolment in undoing.moved else twin_of.get(enrolment)
        elif enrolment in undoing.moved:
            goes_to = None  # the one who is kept was never enrolled there
        else:
            continue
        _give(statement_id, at, undoing.duplicate if is_theirs else undoing.into, enrolment, goes_to)
        for one in (enrolment, goes_to):
            if one is not None:
                changed.setdefault(one, set()).add(day)
    return changed


def _give(
    statement_id: UUID, at: datetime, learner: UUID, enrolment: int | None, goes_to: int | None
) -> None:
    """One event that came since; rare, so a few queries for each are fine. Marks are locked."""
    seq = None
    if goes_to is not None and goes_to != enrolment:
        mark = EnrolmentMark.objects.get(pk=goes_to)
        seq = mark.known_seq = mark.known_seq + 1
        mark.save(update_fields=["known_seq"])
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE signals_event SET learner_id = %s, enrolment_id = %s, known_seq = coalesce(%s, known_seq)"
            " WHERE occurred_at = %s AND statement_id = %s",
            [learner, goes_to, 0 if goes_to is None else seq, at, statement_id],
        )
        cursor.execute(
            "UPDATE signals_certificate SET learner_id = %s, enrolment_id = %s, known_seq = coalesce(%s, known_seq)"
            " WHERE statement_id = %s",
            [learner, goes_to, 0 if goes_to is None else seq, statement_id],
        )
        if goes_to is None:  # a result belongs to an enrolment
            cursor.execute("DELETE FROM signals_assessmentresult WHERE statement_id = %s", [statement_id])
        else:
            cursor.execute(
                "UPDATE signals_assessmentresult SET learner_id = %s, enrolment_id = %s,"
                " known_seq = coalesce(%s, known_seq) WHERE statement_id = %s",
                [learner, goes_to, seq, statement_id],
            )


# --- an actor who was taken for somebody ------------------------------------------------------------------------------


def forget_actor(actor: bytes, learner_id: UUID, *, now: datetime) -> int:
    """How many events of this actor's statements are no longer the learner's; the statements wait as before."""
    key = int.from_bytes(actor[:8], "big", signed=True)
    cooling.thaw_people([learner_id])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.statement_id, e.occurred_at, e.enrolment_id FROM signals_statement s"
            " JOIN signals_event e ON e.statement_id = s.id"
            " WHERE s.search_keys @> ARRAY[%s]::bigint[] AND s.actor = %s AND e.learner_id = %s",
            [key, actor, learner_id],
        )
        rows = cursor.fetchall()
        store.lock_marks({enrolment for _, _, enrolment in rows if enrolment is not None})
        ids = [statement_id for statement_id, _, _ in rows]
        cursor.execute(
            "DELETE FROM signals_event e USING unnest(%s::timestamptz[], %s::uuid[]) n(at, id)"
            " WHERE e.occurred_at = n.at AND e.statement_id = n.id",
            [[at for _, at, _ in rows], ids],
        )
        cursor.execute("DELETE FROM signals_assessmentresult WHERE statement_id = ANY(%s)", [ids])
        certificates.forget(ids)
        cursor.execute("UPDATE signals_statement SET parked = true WHERE id = ANY(%s)", [ids])
    archived.forget_events(ids, now=now)
    days: dict[int, set[date]] = {}
    for _, at, enrolment in rows:
        if enrolment is not None:
            days.setdefault(enrolment, set()).add(at.astimezone(UTC).date())
    for mark in EnrolmentMark.objects.filter(pk__in=days).order_by("pk"):
        _touch(mark, days[mark.pk], now)
        mark.save(update_fields=["dirty_days", "dirty_since"])
    return len(rows)
