"""Which statements end an enrolment, and what becomes of the end when such a statement is taken back."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from signals.models import Verb
from signals.xapi.keys import activity_key

# A statement about a whole course with one of these verbs ends the enrolment in it.
ENDS: dict[int, str] = {
    Verb.COMPLETED: "completed",
    Verb.PASSED: "completed",
    Verb.FAILED: "failed",
    Verb.UNREGISTERED: "withdrawn",
}


class Ending(NamedTuple):
    """A statement about a whole course that ends the enrolment in it."""

    statement_id: UUID
    enrolment_id: int
    state: str
    at: datetime


def state_after(verb: int, success: bool | None) -> str:
    """How an enrolment ends by this verb. Raises KeyError for a verb that ends none."""
    return "failed" if verb == Verb.COMPLETED and success is False else ENDS[verb]


def end(endings: Sequence[Ending]) -> None:
    """Ends the active ones among these enrolments. A statement that was voided before it came ends nothing."""
    # Of several for one enrolment the last one sent counts.
    last = {item.enrolment_id: item for item in endings}
    items = [last[key] for key in sorted(last)]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE learners_enrolment e SET state = n.state, ended_at = n.at"
            " FROM unnest(%s::bigint[], %s::uuid[], %s::text[], %s::timestamptz[]) n(id, statement_id, state, at)"
            " WHERE e.id = n.id AND e.state = 'active' AND NOT EXISTS (SELECT 1 FROM signals_statement s"
            "   WHERE s.id = n.statement_id AND s.voided_at IS NOT NULL)",
            [
                [item.enrolment_id for item in items],
                [item.statement_id for item in items],
                [item.state for item in items],
                [item.at for item in items],
            ],
        )


def take_back(enrolment_ids: Collection[int]) -> None:
    """Sets right how these enrolments ended, after events of theirs were voided.

    One that ended by a statement now void is ended by the next statement that says so, else active again; but not
    where the learner has begun the course anew meanwhile. One that was ended otherwise (by the roster, say) stays.
    """
    if not enrolment_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.id, c.iri, e.ended_at, EXISTS (SELECT 1 FROM learners_enrolment o"
            "   WHERE o.learner_id = e.learner_id AND o.course_id = e.course_id AND o.state = 'active')"
            " FROM learners_enrolment e JOIN learners_course c ON c.id = e.course_id"
            " WHERE e.id = ANY(%s) AND e.state <> 'active' ORDER BY e.id FOR UPDATE OF e",
            [sorted(enrolment_ids)],
        )
        ended = cursor.fetchall()
        if not ended:
            return
        cursor.execute(
            "SELECT enrolment_id, activity, occurred_at, verb, success, voided_seq IS NULL FROM signals_event"
            " WHERE enrolment_id = ANY(%s) AND verb = ANY(%s) ORDER BY enrolment_id, known_seq",
            [[row[0] for row in ended], [*ENDS]],
        )
        said: dict[tuple[int, int], list[_Said]] = {}
        for enrolment_id, activity, *rest in cursor.fetchall():
            said.setdefault((enrolment_id, activity), []).append(_Said(*rest))
        changed: list[tuple[int, str, datetime | None]] = []
        for enrolment_id, iri, ended_at, is_active_elsewhere in ended:
            about_course = said.get((enrolment_id, activity_key(iri)), [])
            if not any(one.at == ended_at and not one.stands for one in about_course):
                continue  # something else ended it
            standing = next((one for one in about_course if one.stands), None)
            if standing is not None:
                changed.append((enrolment_id, state_after(standing.verb, standing.success), standing.at))
            elif not is_active_elsewhere:
                changed.append((enrolment_id, "active", None))
        if changed:
            cursor.execute(
                "UPDATE learners_enrolment e SET state = n.state, ended_at = n.at"
                " FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[]) n(id, state, at) WHERE e.id = n.id",
                [list(column) for column in zip(*changed, strict=True)],
            )


class _Said(NamedTuple):
    """A statement that ends enrolments, and whether it stands: it does until it is voided."""

    at: datetime
    verb: int
    success: bool | None
    stands: bool
