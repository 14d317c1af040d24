"""Taking statements back: the voided one's event is marked with when that became known, and its day is dirty."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from signals import clock, store, waking
from signals.archive import cooling
from signals.endings import take_back
from signals.models import Certificate
from signals.reading import StoredRow, read_stored


class Voidable(NamedTuple):
    statement_id: UUID
    occurred_at: datetime
    enrolment_id: int | None
    learner_id: UUID


def events_of(statement_ids: Collection[UUID]) -> list[Voidable]:
    """The events of these stored statements that are not void yet."""
    if not statement_ids:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, stored, body FROM signals_statement WHERE id = ANY(%s) AND voids IS NULL ORDER BY id",
            [list(statement_ids)],
        )
        # Events are found by their month, which only the statement's own text knows.
        readings = [
            read_stored(StoredRow(key, stored, body, False)) for key, stored, body in cursor.fetchall()
        ]
        if not readings:
            return []
        clock.recall(readings)
        cursor.execute(
            "SELECT e.statement_id, e.occurred_at, e.enrolment_id, e.learner_id"
            " FROM unnest(%s::timestamptz[], %s::uuid[]) n(at, id)"
            # OFFSET keeps this a look-up per statement: as a join it would walk through every month.
            " CROSS JOIN LATERAL (SELECT * FROM signals_event WHERE occurred_at = n.at AND statement_id = n.id"
            "   AND voided_seq IS NULL OFFSET 0) e ORDER BY e.enrolment_id, e.occurred_at, e.statement_id",
            [[reading.occurred_at for reading in readings], [reading.id for reading in readings]],
        )
        found = [Voidable(*row) for row in cursor.fetchall()]
    here = {event.statement_id for event in found}
    cold = cooling.stored_in_cold([(r.occurred_at, r.id) for r in readings if r.id not in here])
    return found + [
        Voidable(key, row["occurred_at"], row["enrolment_id"], UUID(bytes=row["learner_id"]))
        for key, row in sorted(cold.items())
        if row["voided_seq"] is None
    ]


def claim(statement_ids: Collection[UUID]) -> set[int]:
    """The enrolments that voiding these would say something new about; the statements are locked.

    Like every other writer: first statements, then (all at once) marks.
    """
    if not statement_ids:
        return set()
    _lock(statement_ids)
    return _concerned(events_of(statement_ids))


def _concerned(events: Collection[Voidable]) -> set[int]:
    """The enrolments these events are in, and those of people about whom they say something anywhere."""
    return {event.enrolment_id for event in events if event.enrolment_id is not None} | _woken(events)


def _woken(events: Collection[Voidable]) -> set[int]:
    """The enrolments that are to be looked at when a certificate, or something outside of courses, is taken back."""
    ids = [event.statement_id for event in events]
    earned = set(Certificate.objects.filter(pk__in=ids).values_list("pk", flat=True)) if ids else set()
    people = {
        event.learner_id for event in events if event.enrolment_id is None or event.statement_id in earned
    }
    return {one for enrolments in waking.enrolments_of(people).values() for one in enrolments}


def _lock(statement_ids: Collection[UUID]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM signals_statement WHERE id = ANY(%s) AND voids IS NULL ORDER BY id FOR NO KEY UPDATE",
            [sorted(statement_ids)],
        )


def void(statement_ids: Collection[UUID], *, now: datetime) -> int:
    """How many of these statements are void now and were not. Inside the transaction that stores the voiding."""
    if not statement_ids:
        return 0
    _lock(statement_ids)
    voidable = events_of(statement_ids)
    known = store.lock_marks(_concerned(voidable))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE signals_statement SET voided_at = %s WHERE id = ANY(%s) AND voids IS NULL AND voided_at IS NULL"
            " RETURNING id",
            [now, list(statement_ids)],
        )
        voided = {row[0] for row in cursor.fetchall()}
        taken_back = [event for event in voidable if event.statement_id in voided]
        _mark_events(cursor, taken_back, known, now)
    waking.wake(_woken(taken_back), now=now)
    take_back(
        {
            event.enrolment_id
            for event in voidable
            if event.enrolment_id is not None and event.statement_id in voided
        }
    )
    return len(voided)


def _mark_events(cursor: Any, events: Sequence[Voidable], known: dict[int, int], now: datetime) -> None:
    if not events:
        return
    cooling.thaw_events([(event.occurred_at, event.statement_id) for event in events])
    numbers: list[int] = []
    days: dict[int, set[Any]] = {}
    for event in events:
        if event.enrolment_id is None:
            numbers.append(0)
            continue
        known[event.enrolment_id] += 1
        numbers.append(known[event.enrolment_id])
        days.setdefault(event.enrolment_id, set()).add(event.occurred_at.astimezone(UTC).date())
    arrays: list[list[Any]] = [
        [event.occurred_at for event in events],
        [event.statement_id for event in events],
        numbers,
    ]
    cursor.execute(
        "UPDATE signals_event e SET voided_seq = n.seq"
        " FROM unnest(%s::timestamptz[], %s::uuid[], %s::bigint[]) n(at, id, seq)"
        " WHERE e.occurred_at = n.at AND e.statement_id = n.id"
        # The same as constants, so that the planner leaves the other months out.
        " AND e.occurred_at BETWEEN %s AND %s",
        [*arrays, min(arrays[0]), max(arrays[0])],
    )
    for table in ("signals_assessmentresult", "signals_certificate"):
        cursor.execute(
            f"UPDATE {table} r SET voided_seq = n.seq FROM unnest(%s::uuid[], %s::bigint[]) n(id, seq)"
            " WHERE r.statement_id = n.id",
            arrays[1:],
        )
    for enrolment_id in sorted(days):
        cursor.execute(
            "UPDATE signals_enrolmentmark SET known_seq = %s, dirty_since = coalesce(dirty_since, %s),"
            " dirty_days = (SELECT array_agg(DISTINCT d ORDER BY d) FROM unnest(dirty_days || %s::date[]) d)"
            " WHERE enrolment_id = %s",
            [known[enrolment_id], now, sorted(days[enrolment_id]), enrolment_id],
        )


def settle_late(*, now: datetime, limit: int = 500) -> int:
    """How many statements were voided that met their voiding while both were on their way in.

    Two transactions that commit at the same moment do not see each other; the beat does, a little later.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT t.id FROM signals_statement v JOIN signals_statement t ON t.id = v.voids"
                " WHERE v.voids IS NOT NULL AND t.voids IS NULL AND t.voided_at IS NULL AND v.stored >= %s"
                " ORDER BY t.id LIMIT %s",
                [now - timedelta(days=1), limit],
            )
            late = [row[0] for row in cursor.fetchall()]
        return void(late, now=now)
