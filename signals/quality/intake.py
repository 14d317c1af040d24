"""How good what we receive is: what waits, what nobody has mapped, what nobody has placed."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection

from signals import quarantine
from signals.models import UnknownVerb

LATE_HOURS = 24


class Quality(NamedTuple):
    """The state of intake as of a moment, over the days before it."""

    statements: int
    parked: int  # actors nobody has named yet
    parked_actors: int
    quarantined: dict[str, int]  # waiting, by reason
    unknown_verbs: dict[str, int]  # IRI and how often it came, ever
    outside_courses: float | None  # share of events of known people in no course they are enrolled in
    late: float | None  # share of events known more than a day after they happened
    matched: float | None  # share of statements about individuals whose actor is known


def measure(*, now: datetime, days: int = 30) -> Quality:
    """What came in over the last days, and what of it could be used."""
    since = now - timedelta(days=days)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(*) FILTER (WHERE parked) FROM signals_statement WHERE stored > %s AND stored <= %s",
            [since, now],
        )
        statements, parked_lately = cursor.fetchone()
        cursor.execute("SELECT count(*), count(DISTINCT actor) FROM signals_statement WHERE parked")
        parked, parked_actors = cursor.fetchone()
        cursor.execute(
            "SELECT count(*), count(*) FILTER (WHERE enrolment_id IS NULL),"
            " count(*) FILTER (WHERE known_at > occurred_at + make_interval(hours => %s))"
            " FROM signals_event WHERE occurred_at > %s AND occurred_at <= %s",
            [LATE_HOURS, since, now],
        )
        events, outside, late = cursor.fetchone()
    return Quality(
        statements=statements,
        parked=parked,
        parked_actors=parked_actors,
        quarantined=quarantine.waiting(),
        unknown_verbs=dict(UnknownVerb.objects.unmapped().values_list("iri", "seen")[:50]),
        outside_courses=outside / events if events else None,
        late=late / events if events else None,
        matched=1 - parked_lately / statements if statements else None,
    )
