"""Reading a sample of what came, for what only the text knows: timestamps, scores, durations, courses, twins."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection

from learners.models import Course, PlanStep
from signals import clock
from signals.models import SourceTerm, VerbSynonym
from signals.quality import checks
from signals.quality.counts import Counts, Key, day_of
from signals.quality.terms import Terms, see
from signals.reading import Reading, StoredRow, read_stored
from signals.xapi.keys import activity_type_key, verb_key

SAMPLE = 500  # bodies read per source and span


def read_sample(since: datetime, until: datetime, counts: dict[Key, Counts], terms: Terms) -> None:
    """Counts what the texts of a sample say; `terms` learns the IRIs of verbs, and the types."""
    readings = _sampled(since, until)
    meanings: dict[str, int] = dict(VerbSynonym.objects.values_list("iri", "verb"))
    known = _known_places({place for _, reading in readings for place in reading.places})
    for source, reading in readings:
        count = counts[source, day_of(reading.stored)]
        _look_at(reading, meanings.get(reading.verb), known, count)
        verb_term = terms.get((source, SourceTerm.Kind.VERB, verb_key(reading.verb)))
        if verb_term is not None:
            verb_term.iri = reading.verb
        definition = reading.statement["object"].get("definition") or {}
        kind = definition.get("type") if reading.derives else None
        if kind is not None:
            key = (source, SourceTerm.Kind.TYPE, activity_type_key(kind))
            see(terms, key, kind, 1, reading.stored, reading.stored)
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
            count = counts[source, day_of(reading.stored)]
            count.events += 1
            count.twins += is_twin[reading.id]
