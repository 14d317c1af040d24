"""Whom something concerns that happened outside of their courses: the marks of all their active enrolments.

What is decided about a person may hang on it (a certificate, an onboarding that was completed), so their enrolments
are computed and looked at again, as if something had happened in them. Cost follows change: who did nothing is not
woken. Every caller locks these marks together with those it writes under, so that no two wait for each other.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from consent.arrays import fetch, uuids
from signals.models import Verb

FINISHING = frozenset({Verb.COMPLETED, Verb.PASSED, Verb.EARNED})
LATELY = timedelta(days=31)  # what was completed longer ago is asked about by nobody


def concerns(verb: int, enrolment_id: int | None, occurred_at: datetime, *, now: datetime) -> bool:
    """Is this about the person rather than about one course?"""
    return enrolment_id is None and verb in FINISHING and occurred_at > now - LATELY


def enrolments_of(learners: Collection[UUID]) -> dict[UUID, list[int]]:
    """Learner → their active enrolments; one query, or none for nobody."""
    found: dict[UUID, list[int]] = {}
    if learners:
        rows = fetch(
            "SELECT learner_id, id FROM learners_enrolment WHERE learner_id = ANY($1) AND state = 'active'"
            " ORDER BY id",
            [uuids(list(learners))],
        )
        for learner, enrolment in rows:
            found.setdefault(learner, []).append(enrolment)
    return found


def wake(enrolment_ids: Collection[int], *, now: datetime) -> None:
    """Has these enrolments looked at again. Under the locks on their marks."""
    if enrolment_ids:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE signals_enrolmentmark SET dirty_since = coalesce(dirty_since, %s) WHERE enrolment_id = ANY(%s)",
                [now, sorted(enrolment_ids)],
            )
