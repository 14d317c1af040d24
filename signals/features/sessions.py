"""Learning sessions of a person: stretches without a gap of 30 minutes, over all courses and across midnight.

Rollups count learning sessions within one enrolment's UTC day, because a day must be able to be computed anew by
itself. Somebody who works on two courses from 23:50 to 00:20 has two there, and one here.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from consent import gate
from consent.scopes import Scope
from signals.features.rollup import SESSION_GAP_S


class LearningSession(NamedTuple):
    """One stretch of learning, of events without a longer gap; moments are UTC."""

    learner_id: UUID
    started_at: datetime
    ended_at: datetime  # of its last event
    events: int
    enrolments: int  # courses worked on; events outside any known course count for none


_SESSIONS = """
WITH spent AS (
    SELECT learner_id, enrolment_id, occurred_at,
           occurred_at - lag(occurred_at) OVER w > make_interval(secs => %(gap)s) AS apart
    FROM signals_event
    WHERE learner_id = ANY(%(learners)s) AND occurred_at >= %(since)s AND occurred_at < %(until)s
      AND voided_seq IS NULL
    WINDOW w AS (PARTITION BY learner_id ORDER BY occurred_at, statement_id)
), numbered AS (
    SELECT *, count(*) FILTER (WHERE apart) OVER (PARTITION BY learner_id ORDER BY occurred_at) AS number FROM spent
)
SELECT learner_id, min(occurred_at), max(occurred_at), count(*), count(DISTINCT enrolment_id)
FROM numbered GROUP BY learner_id, number ORDER BY learner_id, min(occurred_at)
"""


def learning_sessions(learners: Iterable[UUID], *, since: datetime, until: datetime) -> list[LearningSession]:
    """The learning sessions of these people in a span, in order; one query. Whoever refuses the use of their learning
    records or to be computed about has none. A session that reaches over an end of the span is cut there.
    """
    wanted = set(learners)
    wanted = gate.filter_allowed(wanted, Scope.RECORD) & gate.filter_allowed(wanted, Scope.PROFILE)
    if not wanted:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            _SESSIONS,
            {"learners": sorted(wanted), "since": since, "until": until, "gap": SESSION_GAP_S},
        )
        return [LearningSession(*row) for row in cursor.fetchall()]
