"""Which statements say that somebody earned something, until when, and how that is kept."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db import connection

from consent.arrays import fetch, texts
from signals.models import Certificate, Verb
from signals.xapi.primitives import moment

if TYPE_CHECKING:
    from signals.reading import Reading
    from signals.store import NewEvent

# A date or a moment, in the context's or the result's extensions or in those of the object's definition.
EXPIRES = "https://w3id.org/rekindle/xapi/expires"
# Whoever earns something has it; what was completed or passed is a certificate where it says until when it holds.
VERBS = frozenset({Verb.EARNED, Verb.COMPLETED, Verb.PASSED})
_A_SECOND = timedelta(seconds=1)


class End(NamedTuple):
    """The last moment of a certificate; of a whole day the last second, in UTC."""

    at: datetime
    whole_day: bool


class NewCertificate(NamedTuple):
    """A certificate before it is known that its statement is new."""

    statement_id: UUID
    learner_id: UUID
    enrolment_id: int | None
    occurred_at: datetime
    activity: int
    course_id: int | None
    competency_id: int | None
    expires_at: datetime | None
    whole_day: bool
    places: tuple[str, ...] = ()  # the IRIs by which its competency may be found


def of(reading: "Reading", event: "NewEvent", course_id: int | None) -> NewCertificate | None:
    """The certificate that this statement speaks of; None where it speaks of none."""
    if event.verb not in VERBS or event.success is False:
        return None
    end = end_in(reading.statement, earned_at=event.occurred_at)
    if end is None and event.verb != Verb.EARNED:
        return None
    return NewCertificate(
        statement_id=reading.id,
        learner_id=event.learner_id,
        enrolment_id=event.enrolment_id,
        occurred_at=event.occurred_at,
        activity=event.activity,
        course_id=course_id,
        competency_id=None,
        expires_at=end.at if end else None,
        whole_day=end.whole_day if end else False,
        places=tuple(reading.places),
    )


def end_in(statement: Mapping[str, Any], *, earned_at: datetime) -> End | None:
    """Until when it holds, by the first place that says so; None where none does, or says what cannot be."""
    definition = statement["object"].get("definition") or {}
    for part in (statement.get("context") or {}, statement.get("result") or {}, definition):
        said = (part.get("extensions") or {}).get(EXPIRES)
        if isinstance(said, str):
            end = _end(said)
            return end if end is not None and end.at >= earned_at else None
    return None


def _end(said: str) -> End | None:
    said = said.strip()
    if len(said) == len("2026-03-31"):
        try:
            day = date.fromisoformat(said)
            return End(datetime.combine(day + timedelta(days=1), time(), UTC) - _A_SECOND, True)
        except (ValueError, OverflowError):
            return None
    at = moment(said)
    return End(at, False) if at is not None else None


def with_competencies(found: Sequence[NewCertificate]) -> list[NewCertificate]:
    """The same with the competency that the framework says each is of, where it names one; a query or two."""
    if not found:
        return []
    iris = {iri for one in found for iri in one.places}
    known = dict(
        fetch(
            "SELECT iri, competency_id FROM learners_competencyitem WHERE iri = ANY($1)"
            " UNION ALL SELECT iri, competency_id FROM learners_competencylesson WHERE iri = ANY($1)",
            [texts(sorted(iris))],
        )
    )
    return [
        one._replace(competency_id=next((known[iri] for iri in one.places if iri in known), None))
        for one in found
    ]


def keep(found: Iterable[NewCertificate]) -> None:
    """Keeps those whose event was just written, with the event's place in the order of knowing."""
    rows = sorted(found, key=lambda one: one.statement_id)
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO signals_certificate (statement_id, learner_id, enrolment_id, occurred_at, known_at,"
            " known_seq, activity, course_id, competency_id, expires_at, whole_day)"
            " SELECT e.statement_id, e.learner_id, e.enrolment_id, e.occurred_at, e.known_at, e.known_seq, e.activity,"
            " n.course, n.competency, n.expires_at, n.whole_day"
            " FROM unnest(%s::uuid[], %s::timestamptz[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::boolean[])"
            "   n(id, at, course, competency, expires_at, whole_day)"
            # OFFSET keeps this a look-up per statement: as a join it would walk through every month.
            " CROSS JOIN LATERAL (SELECT * FROM signals_event v WHERE v.occurred_at = n.at AND v.statement_id = n.id"
            "   AND v.voided_seq IS NULL OFFSET 0) e"
            " ON CONFLICT (statement_id) DO NOTHING",
            [
                [one.statement_id for one in rows],
                [one.occurred_at for one in rows],
                [one.course_id for one in rows],
                [one.competency_id for one in rows],
                [one.expires_at for one in rows],
                [one.whole_day for one in rows],
            ],
        )


_TOLD = NewCertificate._fields[1:-1]  # what follows from a statement: all but its id and where to look


def told(found: Iterable[NewCertificate]) -> dict[UUID, tuple[Any, ...]]:
    """What each of these statements says, to compare with what is kept."""
    return {one.statement_id: tuple(getattr(one, name) for name in _TOLD) for one in found}


def kept(statement_ids: Collection[UUID]) -> dict[UUID, tuple[Any, ...]]:
    """The same of what is kept of these statements, void or not."""
    rows = Certificate.objects.filter(pk__in=list(statement_ids)).order_by()
    return {key: tuple(values) for key, *values in rows.values_list("statement_id", *_TOLD)}


def forget(statement_ids: Collection[UUID]) -> None:
    """Takes away what follows from these statements."""
    Certificate.objects.filter(pk__in=list(statement_ids)).delete()


def without_statement(*, given_up: Collection[date]) -> list[UUID]:
    """Those that no stored statement accounts for, but for those of months whose records were given up."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT statement_id FROM signals_certificate c"
            " WHERE NOT EXISTS (SELECT FROM signals_statement s WHERE s.id = c.statement_id)"
            " AND NOT date_trunc('month', occurred_at AT TIME ZONE 'UTC')::date = ANY(%s::date[]) ORDER BY 1",
            [sorted(given_up)],
        )
        return [row[0] for row in cursor.fetchall()]
