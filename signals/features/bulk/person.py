"""What the definitions ask about the person behind an enrolment: ratings, skill gaps, courses ended before."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from learners.models import BaselineSkill, Enrolment, RoleCompetency
from signals.archive import files
from signals.features.bulk.export import put
from signals.features.bulk.times import day_number, microseconds
from signals.models import ArchiveFile
from signals.models.events import Verb

US = 1_000_000
DAY_US = 86_400 * US

# Reads `part` (point, enrolment_id, n, as_of), `fact` (with learner and role) and the tables made here.
TABLES: Mapping[str, str] = {
    "rating": f"""
        SELECT p.point AS enrolment_id, r.moment / {US} AS moment, r.scaled
        FROM part p JOIN fact f USING (enrolment_id) JOIN rated r USING (learner)
        WHERE r.moment <= p.as_of AND r.known_at <= p.as_of AND (r.voided_at IS NULL OR r.voided_at > p.as_of)""",
    "gap": f"""
        SELECT p.point AS enrolment_id, p.as_of / {US} AS as_of,
               greatest(first(c.level) - arg_max(s.level, (s.day, s.id)), 0)::DOUBLE AS gap
        FROM part p JOIN fact f USING (enrolment_id) JOIN required c USING (role)
        JOIN shown s ON s.learner = f.learner AND s.competency = c.competency AND s.day <= p.as_of // {DAY_US}
        GROUP BY p.point, p.as_of, c.competency""",
    "history": f"""
        SELECT p.point AS enrolment_id, p.as_of / {US} AS as_of, count(*)::INTEGER AS ended,
               (count(*) FILTER (WHERE o.is_passed))::INTEGER AS passed
        FROM part p JOIN fact f USING (enrolment_id)
        JOIN over o ON o.learner = f.learner AND o.enrolment_id <> p.enrolment_id AND o.ended_at <= p.as_of
        GROUP BY ALL""",
}


def put_people(duck: Any, learners: Mapping[UUID, int], roles: Sequence[int], *, until: datetime) -> None:
    """Makes `rated`, `required`, `shown` and `over` for these people, who have numbers, and their job roles."""
    rated = _ratings(learners, until)
    put(
        duck,
        "rated",
        {
            "learner": ("int32", [learners[row[0]] for row in rated]),
            "moment": ("int64", [microseconds(row[1]) for row in rated]),
            "known_at": ("int64", [microseconds(row[2]) for row in rated]),
            "scaled": ("float64", [row[3] for row in rated]),
            "voided_at": ("int64", [None if row[4] is None else microseconds(row[4]) for row in rated]),
        },
    )
    required = list(
        RoleCompetency.objects.filter(job_role__in=list(roles), level__isnull=False)
        .order_by("pk")
        .values_list("job_role_id", "competency_id", "level")
    )
    put(
        duck,
        "required",
        {
            name: ("int64", [row[place] for row in required])
            for place, name in enumerate(("role", "competency", "level"))
        },
    )
    shown = [
        (learners[learner], competency, level, day_number(day), pk)
        for learner, competency, level, day, pk in _of(BaselineSkill.objects.order_by("pk"), learners)
        .filter(as_of__lte=until.date())
        .values_list("learner_id", "competency_id", "level", "as_of", "pk")
        if learner in learners
    ]
    put(
        duck,
        "shown",
        {
            name: ("int64", [row[place] for row in shown])
            for place, name in enumerate(("learner", "competency", "level", "day", "id"))
        },
    )
    over = [
        row
        for row in _of(Enrolment.objects.order_by("pk"), learners)
        .filter(ended_at__lte=until)
        .values_list("learner_id", "pk", "ended_at", "state")
        if row[0] in learners
    ]
    put(
        duck,
        "over",
        {
            "learner": ("int32", [learners[row[0]] for row in over]),
            "enrolment_id": ("int64", [row[1] for row in over]),
            "ended_at": ("int64", [microseconds(row[2]) for row in over]),
            "is_passed": ("bool", [row[3] == Enrolment.State.COMPLETED for row in over]),
        },
    )


def _of(rows: Any, learners: Mapping[UUID, int]) -> Any:
    return rows.filter(learner__in=list(learners))


def _ratings(learners: Mapping[UUID, int], until: datetime) -> list[tuple[Any, ...]]:
    """(learner, when, known when, share, voided when) of what others said about these people."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT statement_id, learner_id, occurred_at, known_at, scaled, voided_seq IS NOT NULL FROM signals_event"
            " WHERE learner_id = ANY(%s) AND verb = %s AND scaled IS NOT NULL AND occurred_at <= %s",
            [list(learners), int(Verb.WAS_RATED), until],
        )
        found: dict[UUID, tuple[Any, ...]] = {row[0]: row[1:] for row in cursor.fetchall()}
        for file in ArchiveFile.objects.filter(
            kind=ArchiveFile.Kind.EVENT, cooled_at__isnull=False, month__lte=until.date()
        ):
            # PostgreSQL's own row is the newer one.
            found = _cold_ratings(file, learners, until) | found
        cursor.execute(
            "SELECT id, voided_at FROM signals_statement WHERE id = ANY(%s)",
            [[key for key, row in found.items() if row[-1]]],
        )
        voided_at = dict(cursor.fetchall())
    # What is void since nobody knows when counts at no time.
    return [
        (*row[:-1], voided_at.get(key))
        for key, row in found.items()
        if not row[-1] or voided_at.get(key) is not None
    ]


def _cold_ratings(
    file: ArchiveFile, learners: Mapping[UUID, int], until: datetime
) -> dict[UUID, tuple[Any, ...]]:
    import pyarrow as pa
    import pyarrow.dataset as ds

    wanted = (
        (ds.field("verb") == int(Verb.WAS_RATED))
        & ds.field("scaled").is_valid()
        & (ds.field("occurred_at") <= pa.scalar(until, pa.timestamp("us", tz="UTC")))
        & ds.field("learner_id").isin(pa.array([key.bytes for key in learners], pa.binary(16)))
    )
    columns = ["statement_id", "learner_id", "occurred_at", "known_at", "scaled", "voided_seq"]
    with files.reading(file.name):
        rows = files.dataset(file).to_table(columns=columns, filter=wanted).to_pylist()
    return {
        UUID(bytes=row["statement_id"]): (
            UUID(bytes=row["learner_id"]),
            row["occurred_at"],
            row["known_at"],
            row["scaled"],
            row["voided_seq"] is not None,
        )
        for row in rows
    }
