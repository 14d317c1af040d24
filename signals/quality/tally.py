"""Counting what each source sends: a stage that follows ingest, span by span, so that ingest itself pays nothing.

Every new statement is counted from its columns (source, verb, parked). Of each source and span at most SAMPLE bodies
are read again, for what only the text knows: timestamps, scores, durations, courses. A source that sends little is
so read whole; of one big delivery a share is good to four points, of steady traffic to much less.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max, Sum

from learners.models import Course, PlanStep
from signals import clock
from signals.models import Credential, IntakeNote, Refusal, SourceDay, SourceTerm, TallyMark, VerbSynonym
from signals.quality import checks
from signals.reading import Reading, StoredRow, read_stored
from signals.xapi import bodies
from signals.xapi.consistency import consistent_through
from signals.xapi.keys import activity_type_key, verb_key
from signals.xapi.primitives import moment

STATEMENTS_AT_ONCE = 20_000
SAMPLE = 500  # bodies read per source and span
MISDATED_SAMPLE = 50
MOST_TERMS = 1000  # per source and kind: a source that makes up verbs must not fill the table
LONGEST_IRI = 500
RECOUNT_EVERY = timedelta(days=1)
RECOUNT_DAYS = 63

Key = tuple[UUID, date]  # source and UTC day


@dataclass(slots=True)
class Counts:
    """What one span adds to a source's day. The fields are SourceDay's."""

    statements: int = 0
    parked: int = 0
    resent: int = 0
    refused: int = 0
    quarantined: int = 0
    misdated: int = 0
    read: int = 0
    undated: int = 0
    midnight: int = 0
    ahead: int = 0
    old: int = 0
    results: int = 0
    unscored: int = 0
    endings: int = 0
    untimed: int = 0
    deriving: int = 0
    outside: int = 0
    unregistered: int = 0
    events: int = 0
    twins: int = 0
    lags: dict[str, int] = field(default_factory=dict)
    last_at: datetime | None = None

    def heard(self, at: datetime) -> None:
        self.last_at = at if self.last_at is None else max(self.last_at, at)


NUMBERS = tuple(one.name for one in fields(Counts) if one.name not in ("lags", "last_at"))
FROM_NOTES = ("resent", "refused")  # not counted from statements, so not counted anew


@dataclass(slots=True)
class Term:
    """A verb or type as one span saw it."""

    iri: str | None
    seen: int
    first: datetime
    last: datetime


Terms = dict[tuple[UUID, str, int], Term]  # by source, kind and hash


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
        _add(counts)
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
        first = _midnight((now - timedelta(days=RECOUNT_DAYS)).astimezone(UTC).date())
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
        _read_sample(since, until, counts, terms)
        _note_terms(since, until, terms)
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
        count = counts[source, _day(at)]
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
        told = told.filter(day__gte=_day(since) - timedelta(days=1))
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
        _see(terms, (source, SourceTerm.Kind.VERB, verb), None, number, first, last)
    return sum(row[3] for row in rows)


def _see(
    terms: Terms, key: tuple[UUID, str, int], iri: str | None, seen: int, first: datetime, last: datetime
) -> None:
    term = terms.get(key)
    if term is None:
        terms[key] = Term(iri, seen, first, last)
        return
    term.iri = term.iri or iri
    term.seen += seen
    term.first, term.last = min(term.first, first), max(term.last, last)


# --- reading a sample ------------------------------------------------------------------------------------------


def _read_sample(since: datetime, until: datetime, counts: dict[Key, Counts], terms: Terms) -> None:
    readings = _sampled(since, until)
    meanings: dict[str, int] = dict(VerbSynonym.objects.values_list("iri", "verb"))
    known = _known_places({place for _, reading in readings for place in reading.places})
    for source, reading in readings:
        count = counts[source, _day(reading.stored)]
        _look_at(reading, meanings.get(reading.verb), known, count)
        verb_term = terms.get((source, SourceTerm.Kind.VERB, verb_key(reading.verb)))
        if verb_term is not None:
            verb_term.iri = reading.verb
        definition = reading.statement["object"].get("definition") or {}
        kind = definition.get("type") if reading.derives else None
        if kind is not None:
            key = (source, SourceTerm.Kind.TYPE, activity_type_key(kind))
            _see(terms, key, kind, 1, reading.stored, reading.stored)
    _find_twins(readings, counts)


def _sampled(since: datetime, until: datetime) -> list[tuple[UUID, Reading]]:
    """At most SAMPLE statements of each source, drawn by a hash of their ids: no hour or client is preferred."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH drawn AS (SELECT id, row_number() OVER (PARTITION BY credential_id"
            " ORDER BY uuid_hash_extended(id, 0)) AS place"
            " FROM signals_statement WHERE stored >= %s AND stored < %s)"
            " SELECT s.credential_id, s.id, s.stored, s.body FROM drawn JOIN signals_statement s ON s.id = drawn.id"
            " WHERE drawn.place <= %s ORDER BY s.stored, s.id",
            [since, until, SAMPLE],
        )
        found = [
            (source, read_stored(StoredRow(key, stored, bytes(body), False)))
            for source, key, stored, body in cursor.fetchall()
        ]
    # A clock that is corrected by rule is judged as it is taken.
    clock.recall([reading for _, reading in found])
    return found


def _look_at(reading: Reading, verb: int | None, known: set[str], count: Counts) -> None:
    seen = checks.look(reading, verb)
    count.read += 1
    count.undated += seen.undated
    count.midnight += seen.midnight
    count.ahead += seen.ahead
    count.old += seen.old
    if not seen.undated:
        count.lags[seen.lag] = count.lags.get(seen.lag, 0) + 1
    if seen.has_score is not None:
        count.results += 1
        count.unscored += not seen.has_score
    if seen.has_duration is not None:
        count.endings += 1
        count.untimed += not seen.has_duration
    if reading.derives:
        count.deriving += 1
        count.outside += known.isdisjoint(reading.places)
        count.unregistered += not seen.has_registration


def _known_places(iris: set[str]) -> set[str]:
    """Those of these activities that are a course, or planned in one."""
    if not iris:
        return set()
    courses = Course.objects.filter(iri__in=iris).order_by().values_list("iri", flat=True)
    steps = PlanStep.objects.filter(activity_iri__in=iris).order_by().values_list("activity_iri", flat=True)
    return set(courses) | set(steps)


def _find_twins(readings: Sequence[tuple[UUID, Reading]], counts: dict[Key, Counts]) -> None:
    """Counts events, and those of them that say again, under another id, what was known already.

    Events of midnight sharp are left out: who knows only the day can well have done the same thing twice on it.
    """
    dated = [
        (source, reading)
        for source, reading in readings
        if reading.derives
        and not (
            "timestamp" in reading.statement
            and checks.at_midnight(reading.statement["timestamp"], reading.occurred_at)
        )
    ]
    if not dated:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.statement_id, EXISTS ("
            "  SELECT FROM signals_event t WHERE t.learner_id = e.learner_id AND t.occurred_at = e.occurred_at"
            "  AND t.verb = e.verb AND t.activity = e.activity AND t.statement_id <> e.statement_id"
            "  AND (t.amount, t.scaled, t.success, t.duration_s, t.progress)"
            "      IS NOT DISTINCT FROM (e.amount, e.scaled, e.success, e.duration_s, e.progress)"
            "  AND t.voided_seq IS NULL AND (t.known_at, t.statement_id) < (e.known_at, e.statement_id))"
            " FROM unnest(%s::timestamptz[], %s::uuid[]) n (at, id) CROSS JOIN LATERAL ("
            "  SELECT * FROM signals_event WHERE occurred_at = n.at AND statement_id = n.id AND voided_seq IS NULL"
            # Keeps this a look-up in one month, however few or many rows the planner believes there are.
            "  OFFSET 0) e",
            [[reading.occurred_at for _, reading in dated], [reading.id for _, reading in dated]],
        )
        is_twin: dict[UUID, bool] = dict(cursor.fetchall())
    for source, reading in dated:
        if reading.id in is_twin:
            count = counts[source, _day(reading.stored)]
            count.events += 1
            count.twins += is_twin[reading.id]


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
                lags = counts[source, _day(received_at)].lags
                lag = checks.lag_of(received_at - occurred_at)
                lags[lag] = lags.get(lag, 0) + 1


# --- keeping ---------------------------------------------------------------------------------------------------


def _add(counts: Mapping[Key, Counts]) -> None:
    """Adds to the kept rows. The mark's lock makes us the only one who does."""
    known = set(
        Credential.objects.filter(pk__in={source for source, _ in counts}).values_list("pk", flat=True)
    )
    wanted = {key: count for key, count in counts.items() if key[0] in known}
    if not wanted:
        return
    kept = {
        (row.source_id, row.day): row
        for row in SourceDay.objects.filter(
            source__in={source for source, _ in wanted}, day__in={day for _, day in wanted}
        ).order_by("pk")
    }
    new, old = [], []
    for key, count in wanted.items():
        if count.last_at is None:
            continue
        row = kept.get(key)
        if row is None:
            row = SourceDay(source_id=key[0], day=key[1], last_at=count.last_at, lags={})
            new.append(row)
        else:
            old.append(row)
        for name in NUMBERS:
            setattr(row, name, getattr(row, name) + getattr(count, name))
        row.lags = _added(row.lags, count.lags)
        row.last_at = max(row.last_at, count.last_at)
    SourceDay.objects.bulk_create(new)
    SourceDay.objects.bulk_update(old, [*NUMBERS, "lags", "last_at"])


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}


_TERMS = """
INSERT INTO signals_sourceterm AS t (source_id, kind, key, iri, seen, first_seen_at, last_seen_at)
SELECT n.* FROM unnest(%s::uuid[], %s::text[], %s::bigint[], %s::text[], %s::bigint[], %s::timestamptz[],
                       %s::timestamptz[]) n (source, kind, key, iri, seen, first_at, last_at)
JOIN signals_credential c ON c.id = n.source
ON CONFLICT (source_id, kind, key) DO UPDATE SET seen = t.seen + excluded.seen,
    first_seen_at = least(t.first_seen_at, excluded.first_seen_at),
    last_seen_at = greatest(t.last_seen_at, excluded.last_seen_at)
"""


def _note_terms(since: datetime, until: datetime, terms: Terms, *, anew: bool = False) -> None:
    """Adds to the kept terms. Counting a day ``anew`` adds only the terms that were not there."""
    there = {
        (source, kind, key): iri
        for source, kind, key, iri in SourceTerm.objects.filter(source__in={key[0] for key in terms})
        .order_by()
        .values_list("source_id", "kind", "key", "iri")
    }
    full: dict[tuple[UUID, str], int] = defaultdict(int)
    for source, kind, _ in there:
        full[source, kind] += 1
    missing = [key for key, term in terms.items() if key not in there and term.iri is None]
    named = _verbs_named(since, until, missing) if missing else {}
    rows = []
    for key, term in sorted(terms.items(), key=lambda item: (str(item[0][0]), *item[0][1:])):
        iri = there.get(key) or term.iri or named.get(key)
        if iri is None or (key not in there and full[key[:2]] >= MOST_TERMS):
            continue
        full[key[:2]] += key not in there
        seen = 0 if anew and key in there else term.seen
        rows.append((*key, iri[:LONGEST_IRI], seen, term.first, term.last))
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(_TERMS, [list(column) for column in zip(*rows, strict=True)])


def _verbs_named(
    since: datetime, until: datetime, missing: Iterable[tuple[UUID, str, int]]
) -> dict[tuple[UUID, str, int], str]:
    """The IRIs behind verb hashes that no sampled statement explained: one body is read for each."""
    sources, _, keys = zip(*list(missing)[:MOST_TERMS], strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (s.credential_id, s.verb) s.credential_id, s.verb, s.body"
            " FROM signals_statement s JOIN unnest(%s::uuid[], %s::bigint[]) n (source, verb)"
            " ON n.source = s.credential_id AND n.verb = s.verb"
            " WHERE s.stored >= %s AND s.stored < %s ORDER BY s.credential_id, s.verb, s.stored",
            [list(sources), list(keys), since, until],
        )
        return {
            (source, SourceTerm.Kind.VERB.value, key): bodies.decode(bytes(body))["verb"]["id"]
            for source, key, body in cursor.fetchall()
        }


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
    since, until = _midnight(day), min(_midnight(day + timedelta(days=1)), through)
    nothing: dict[str, Any] = {name: 0 for name in NUMBERS if name not in FROM_NOTES}
    SourceDay.objects.filter(day=day).update(**nothing, lags={})
    counts: dict[Key, Counts] = defaultdict(Counts)
    terms: Terms = {}
    _count_statements(since, until, counts, terms)
    _read_sample(since, until, counts, terms)
    _note_terms(since, until, terms, anew=True)
    _count_quarantined(since, until, counts)
    _add(counts)


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)
