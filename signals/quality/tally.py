"""Counting what each source sends: a stage that follows ingest, span by span, so that ingest itself pays nothing.

Every new statement is counted from its columns (source, verb, parked). Of each source and span a sample of bodies is
read again (``sample``), for what only the text knows. A source that sends little is so read whole; of one big delivery
a share is good to four points, of steady traffic to much less.
"""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Sum

from signals.models import IntakeNote, Refusal, SourceDay, SourceTerm, TallyMark
from signals.quality import checks
from signals.quality.counts import FROM_NOTES, NUMBERS, Counts, Key, add, day_of, midnight
from signals.quality.sample import read_sample
from signals.quality.terms import Terms, note_terms, see
from signals.xapi import bodies
from signals.xapi.consistency import consistent_through
from signals.xapi.primitives import moment

STATEMENTS_AT_ONCE = 20_000
MISDATED_SAMPLE = 50
RECOUNT_EVERY = timedelta(days=1)
RECOUNT_DAYS = 63


def tally(*, now: datetime, limit: int = STATEMENTS_AT_ONCE) -> int:
    """How many statements and notes were counted that had not been. Whoever comes second waits and finds none."""
    with transaction.atomic():
        mark = locked_mark()
        until = consistent_through(now=now)
        since = mark.through or _beginning()
        counts: dict[Key, Counts] = defaultdict(Counts)
        done = _count_notes(counts)
        _count_refused(counts, mark.through)
        if since is not None and until > since:
            until = _cut(since, until, limit)
            done += _count(since, until, counts)
            TallyMark.objects.filter(pk=mark.pk).update(through=until)
        add(counts)
    return done


def recount(*, now: datetime) -> int:
    """How many days were counted anew because more was stored on them than had been counted. Once a day.

    Statements that were stored with a moment already passed (a restored archive, a simulated clock) are found so.
    Erasure and retention only take away, and a count of what came stays true then.
    """
    with transaction.atomic():
        mark = locked_mark()
        if mark.through is None or (mark.recounted_at and now < mark.recounted_at + RECOUNT_EVERY):
            return 0
        first = midnight((now - timedelta(days=RECOUNT_DAYS)).astimezone(UTC).date())
        days = _undercounted(first, mark.through)
        for day in days:
            _recount_day(day, mark.through)
        TallyMark.objects.filter(pk=mark.pk).update(recounted_at=now)
    return len(days)


def locked_mark() -> TallyMark:
    """The mark, locked until the transaction ends: one counts or judges at a time."""
    mark = TallyMark.objects.select_for_update().first()
    if mark is None:
        TallyMark.objects.bulk_create([TallyMark(pk=1)], ignore_conflicts=True)
        mark = TallyMark.objects.select_for_update().get()
    return mark


def _beginning() -> datetime | None:
    """When the first thing came."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT least((SELECT min(stored) FROM signals_statement),"
            " (SELECT min(received_at) FROM signals_quarantined))"
        )
        found: datetime | None = cursor.fetchone()[0]
    return found


def _cut(since: datetime, until: datetime, limit: int) -> datetime:
    """Where a span ends that holds about this many statements: read off the index by stored."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT stored FROM signals_statement WHERE stored >= %s AND stored < %s"
            " ORDER BY stored OFFSET %s LIMIT 1",
            [since, until, limit],
        )
        row = cursor.fetchone()
        if row is None:
            return until
        if row[0] > since:
            return row[0]
        # More than the limit share one moment (a simulated clock): they are counted together.
        cursor.execute(
            "SELECT min(stored) FROM signals_statement WHERE stored > %s AND stored < %s", [since, until]
        )
        return cursor.fetchone()[0] or until


def _count(since: datetime, until: datetime, counts: dict[Key, Counts]) -> int:
    terms: Terms = {}
    done = _count_statements(since, until, counts, terms)
    if done:
        read_sample(since, until, counts, terms)
        note_terms(since, until, terms)
    _count_quarantined(since, until, counts)
    return done


def _count_notes(counts: dict[Key, Counts]) -> int:
    """Takes the notes that ingest left. Each is deleted by the transaction that counts it, so none counts twice."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {IntakeNote._meta.db_table} WHERE id IN (SELECT id FROM {IntakeNote._meta.db_table}"
            " ORDER BY id LIMIT 50000 FOR UPDATE SKIP LOCKED) RETURNING source_id, at, resent"
        )
        rows = cursor.fetchall()
    for source, at, resent in rows:
        count = counts[source, day_of(at)]
        count.resent += resent
        count.heard(at)
    return len(rows)


def _count_refused(counts: dict[Key, Counts], since: datetime | None) -> None:
    """Follows the refusals' own counts, which go on rising while their day lasts."""
    told = (
        Refusal.objects.order_by()
        .values("credential", "day")
        .annotate(number=Sum("statements"), at=Max("last_at"))
    )
    if since is not None:
        told = told.filter(day__gte=day_of(since) - timedelta(days=1))
    rows = {(row["credential"], row["day"]): row for row in told if row["number"]}
    if not rows:
        return
    kept = SourceDay.objects.filter(day__in={day for _, day in rows}).order_by()
    before = {(source, day): number for source, day, number in kept.values_list("source", "day", "refused")}
    for key, row in rows.items():
        if row["number"] != before.get(key, 0):
            counts[key].refused += row["number"] - before.get(key, 0)
            counts[key].heard(row["at"])


def _count_statements(since: datetime, until: datetime, counts: dict[Key, Counts], terms: Terms) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT credential_id, (stored AT TIME ZONE 'UTC')::date AS day, verb, count(*),"
            " count(*) FILTER (WHERE parked), min(stored), max(stored)"
            " FROM signals_statement WHERE stored >= %s AND stored < %s GROUP BY 1, 2, 3",
            [since, until],
        )
        rows = cursor.fetchall()
    for source, day, verb, number, parked, first, last in rows:
        count = counts[source, day]
        count.statements += number
        count.parked += parked
        count.heard(last)
        see(terms, (source, SourceTerm.Kind.VERB, verb), None, number, first, last)
    return sum(row[3] for row in rows)


# --- quarantine ------------------------------------------------------------------------------------------------


def _count_quarantined(since: datetime, until: datetime, counts: dict[Key, Counts]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT credential_id, (received_at AT TIME ZONE 'UTC')::date, count(*),"
            " count(*) FILTER (WHERE reason = 'timestamp'), max(received_at)"
            " FROM signals_quarantined WHERE received_at >= %s AND received_at < %s GROUP BY 1, 2",
            [since, until],
        )
        rows = cursor.fetchall()
        for source, day, number, misdated, last in rows:
            count = counts[source, day]
            count.quarantined += number
            count.misdated += misdated
            count.heard(last)
        if not any(row[3] for row in rows):
            return
        # By how much their clock is off, only the bodies can tell.
        cursor.execute(
            "SELECT credential_id, received_at, body FROM signals_quarantined"
            " WHERE received_at >= %s AND received_at < %s AND reason = 'timestamp' ORDER BY id LIMIT %s",
            [since, until, MISDATED_SAMPLE],
        )
        for source, received_at, body in cursor.fetchall():
            occurred_at = moment(str(bodies.decode(bytes(body)).get("timestamp")))
            if occurred_at is not None:
                lags = counts[source, day_of(received_at)].lags
                lag = checks.lag_of(received_at - occurred_at)
                lags[lag] = lags.get(lag, 0) + 1


# --- counting a day anew ---------------------------------------------------------------------------------------


def _undercounted(first: datetime, through: datetime) -> list[date]:
    """Days on which more is stored than was counted: one walk over the index by stored, no row is read."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n.day FROM (SELECT (stored AT TIME ZONE 'UTC')::date AS day, count(*) AS number"
            "   FROM signals_statement WHERE stored >= %s AND stored < %s GROUP BY 1) n"
            " LEFT JOIN (SELECT day, sum(statements) AS number FROM signals_sourceday GROUP BY day) k USING (day)"
            " WHERE n.number > coalesce(k.number, 0) ORDER BY n.day",
            [first, through],
        )
        return [row[0] for row in cursor.fetchall()]


def _recount_day(day: date, through: datetime) -> None:
    since, until = midnight(day), min(midnight(day + timedelta(days=1)), through)
    nothing: dict[str, Any] = {name: 0 for name in NUMBERS if name not in FROM_NOTES}
    SourceDay.objects.filter(day=day).update(**nothing, lags={})
    counts: dict[Key, Counts] = defaultdict(Counts)
    terms: Terms = {}
    _count_statements(since, until, counts, terms)
    read_sample(since, until, counts, terms)
    note_terms(since, until, terms, anew=True)
    _count_quarantined(since, until, counts)
    add(counts)
