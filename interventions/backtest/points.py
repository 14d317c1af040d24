"""The recorded evaluation points: every decision with the snapshot it rested on, person by person, in chunks.

Rows come by learner in the order of their random uuids: whoever stops early has a random sample of the people.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.db import connection

from interventions.snapshot import Snapshot

# Decisions that a person made and the rules did not: they keep the snapshot of the one they replace.
BY_A_PERSON = frozenset({"changed_by_a_person", "manager_asked_for_a_coach"})
DECISIONS_IN_CHUNK = 4000


class Point(NamedTuple):
    """One evaluation as it was recorded."""

    decision_id: UUID
    learner_id: UUID
    enrolment_id: int
    policy_id: int
    at: datetime
    snapshot: Snapshot | None  # None: erased, past its period, or of a shape this release cannot read
    action: str
    reasons: tuple[str, ...]
    eligible: list[dict[str, Any]]
    propensity: float
    expected_value: float | None
    lesson: str

    @property
    def by_a_person(self) -> bool:
        return bool(self.reasons) and self.reasons[0] in BY_A_PERSON


class People(NamedTuple):
    """How many learners have points in a span, and how many points there are."""

    learners: list[tuple[UUID, int]]

    @property
    def points(self) -> int:
        return sum(count for _, count in self.learners)

    def chunks(self, size: int = DECISIONS_IN_CHUNK) -> Iterator[list[UUID]]:
        """The learners in groups with about so many points each; nobody is split."""
        group: list[UUID] = []
        points = 0
        for learner_id, count in self.learners:
            if group and points + count > size:
                yield group
                group, points = [], 0
            group.append(learner_id)
            points += count
        if group:
            yield group


def people(*, start: datetime, end: datetime) -> People:
    """Whoever was evaluated from ``start`` until before ``end``."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT enrolment.learner_id, sum(points)::bigint
            FROM (SELECT enrolment_id, count(*) AS points FROM interventions_decision
                  WHERE at >= %s AND at < %s GROUP BY enrolment_id) AS counted
            JOIN learners_enrolment enrolment ON enrolment.id = counted.enrolment_id
            GROUP BY enrolment.learner_id ORDER BY enrolment.learner_id
            """,
            [start, end],
        )
        return People(cursor.fetchall())


def moments(*, start: datetime, end: datetime) -> list[datetime]:
    """When evaluations ran in a span, in order: those of one run share their moment."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT at FROM interventions_decision WHERE at >= %s AND at < %s ORDER BY at",
            [start, end],
        )
        return [at for (at,) in cursor.fetchall()]


# Deciding looks at no reason of the model, and they are most of a snapshot.
_POINTS = """
    SELECT decision.id, enrolment.learner_id, decision.enrolment_id, decision.policy_id, decision.at,
           (decision.snapshot - 'reasons')::text, decision.action, decision.reasons::text, decision.eligible::text,
           decision.propensity, decision.expected_value, coalesce(lesson.key, '')
    FROM learners_enrolment enrolment
    JOIN interventions_decision decision ON decision.enrolment_id = enrolment.id
    LEFT JOIN interventions_lesson lesson ON lesson.id = decision.lesson_id
    WHERE enrolment.learner_id = ANY(%s) AND decision.at >= %s AND decision.at < %s
    ORDER BY enrolment.learner_id, decision.at, decision.enrolment_id, decision.id
"""
_snapshot = msgspec.json.Decoder(Snapshot)
_texts = msgspec.json.Decoder(tuple[str, ...])
_dicts = msgspec.json.Decoder(list[dict[str, Any]])


def points_of(learner_ids: Sequence[UUID], *, start: datetime, end: datetime) -> list[Point]:
    """The points of these learners by learner and time, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(_POINTS, [list(learner_ids), start, end])
        return [
            Point(
                decision_id,
                learner_id,
                enrolment_id,
                policy_id,
                at,
                _restored(snapshot),
                action,
                _texts.decode(reasons),
                _dicts.decode(eligible),
                propensity,
                expected_value,
                lesson,
            )
            for (
                decision_id,
                learner_id,
                enrolment_id,
                policy_id,
                at,
                snapshot,
                action,
                reasons,
                eligible,
                propensity,
                expected_value,
                lesson,
            ) in cursor.fetchall()
        ]


def _restored(snapshot: str | None) -> Snapshot | None:
    try:
        return None if snapshot is None else _snapshot.decode(snapshot)
    except msgspec.ValidationError:
        return None  # counted as such: one odd row must not hide all others
