"""The tables that signals.features.definitions reads, for many points at once.

Each point is a row of `enrolment` with a number of its own in place of the enrolment's: so the definitions, which know
one row an enrolment, compute any number of moments of the same enrolment together.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from learners.models import Enrolment, JobRole, PlanStep
from signals.features import serving
from signals.features.bulk import person
from signals.features.bulk.export import put
from signals.features.bulk.times import day_number, microseconds
from signals.mastery import estimate as mastery
from signals.models import ItemDifficulty
from signals.xapi.keys import activity_key

US = 1_000_000
DAY_S = 86_400

Point = tuple[int, datetime]  # enrolment and moment


def put_points(duck: Any, points: Sequence[Point], *, at_once: int) -> int:
    """Makes the tables `asked`, with a number for each point in the order given, and `point`; in how many parts.

    A part is some enrolments with all their points, about ``at_once`` of them.
    """
    moments: dict[int, set[int]] = {}
    for enrolment_id, as_of in points:
        moments.setdefault(enrolment_id, set()).add(microseconds(as_of))
    numbers = {
        enrolment_id: {moment: n for n, moment in enumerate(sorted(found))}
        for enrolment_id, found in moments.items()
    }
    exact = [microseconds(as_of) for _, as_of in points]
    parts, so_far = {}, 0
    for enrolment_id, count in sorted(Counter(enrolment_id for enrolment_id, _ in points).items()):
        parts[enrolment_id] = so_far // at_once
        so_far += count
    put(
        duck,
        "asked",
        {
            "point": ("int64", list(range(len(points)))),
            "enrolment_id": ("int64", [enrolment_id for enrolment_id, _ in points]),
            "n": (
                "int32",
                [numbers[row[0]][moment] for row, moment in zip(points, exact, strict=True)],
            ),
            "as_of": ("int64", exact),
            "part": ("int32", [parts[enrolment_id] for enrolment_id, _ in points]),
        },
    )
    # The same moment may be asked about twice; what was known then is laid out once.
    duck.execute("CREATE OR REPLACE TABLE point AS SELECT DISTINCT enrolment_id, n, as_of FROM asked")
    return max(parts.values()) + 1


def put_facts(duck: Any, enrolment_ids: Sequence[int], *, until: datetime) -> None:
    """Makes the tables `fact`, `plan`, `concept`, `item` and the person's: what is known besides enrolments' events."""
    rows = list(
        Enrolment.objects.filter(pk__in=list(enrolment_ids))
        .order_by("pk")
        .values(
            "pk",
            "course_id",
            "starts_on",
            "due_on",
            "course__pass_mark",
            "course__length_days",
            "enrolled_at",
            "earlier_attempts",
            "study_load",
            "learner_id",
            "learner__started_on",
            "learner__job_role_id",
            "learner__job_role__impact",
        )
    )
    learners = {key: number for number, key in enumerate({row["learner_id"] for row in rows})}
    impacts = {str(impact): number for number, impact in enumerate(JobRole.Impact.values)}
    facts: dict[str, tuple[str, list[Any]]] = {
        "enrolment_id": ("int64", [row["pk"] for row in rows]),
        "course_id": ("int64", [row["course_id"] for row in rows]),
        "start_day": ("int32", [day_number(row["starts_on"]) for row in rows]),
        "due_day": ("int32", [day_number(row["due_on"]) for row in rows]),
        "pass_mark": ("float64", [row["course__pass_mark"] for row in rows]),
        "length_days": ("int32", [row["course__length_days"] for row in rows]),
        "enrolled_day": ("int32", [day_number(row["enrolled_at"].astimezone(UTC).date()) for row in rows]),
        "earlier_attempts": ("int32", [row["earlier_attempts"] for row in rows]),
        "study_load": ("float64", [row["study_load"] for row in rows]),
        "hired_day": ("int32", [day_number(row["learner__started_on"]) for row in rows]),
        "role_impact": ("int32", [impacts.get(row["learner__job_role__impact"]) for row in rows]),
        "learner": ("int32", [learners[row["learner_id"]] for row in rows]),
        "role": ("int64", [row["learner__job_role_id"] for row in rows]),
    }
    put(duck, "fact", facts)
    _put_plan(duck, {row["course_id"] for row in rows})
    roles = {row["learner__job_role_id"] for row in rows} - {None}
    _put_difficulties(duck)
    person.put_people(duck, learners, sorted(roles), until=until)


def put_mastery(duck: Any, points: Sequence[Point], *, mark_lag_days: int = 0) -> None:
    """Makes the table `mastered`: what answers said of competencies at each point, by the newest fit's parameters."""
    found = mastery.as_of(points, mark_lag_days=mark_lag_days)
    put(
        duck,
        "mastered",
        {
            "enrolment_id": ("int64", [row.enrolment_id for row in found]),
            "as_of": ("int64", [microseconds(row.as_of) for row in found]),
            "weakest": ("float64", [row.weakest for row in found]),
            "mean": ("float64", [row.mean for row in found]),
            "known": ("int32", [row.known for row in found]),
        },
    )


def _put_difficulties(duck: Any) -> None:
    items = list(ItemDifficulty.objects.order_by("pk").values_list("activity", "difficulty"))
    put(
        duck,
        "item",
        {
            "activity": ("int64", [row[0] for row in items]),
            "difficulty": ("float64", [row[1] for row in items]),
        },
    )


def _put_plan(duck: Any, course_ids: Collection[int]) -> None:
    steps = list(
        PlanStep.objects.filter(course__in=sorted(course_ids))
        .order_by("course_id", "pk")
        .values_list("course_id", "activity_iri", "due_day", "weight", "competency_id")
    )
    put(
        duck,
        "plan",
        {
            "course_id": ("int64", [row[0] for row in steps]),
            "activity": ("int64", [activity_key(row[1]) for row in steps]),
            "due_day": ("int32", [row[2] for row in steps]),
            "weight": ("float64", [row[3] for row in steps]),
        },
    )
    concepts = serving.concepts() | {activity_key(row[1]): row[4] for row in steps if row[4]}
    put(
        duck,
        "concept",
        {"activity": ("int64", list(concepts)), "concept": ("int64", list(concepts.values()))},
    )


_AT = "p.enrolment_id = v.enrolment_id AND p.n >= v.from_n AND p.n < v.until_n"
_TABLES: Mapping[str, str] = {
    "enrolment": f"""
        SELECT p.point AS enrolment_id, p.as_of / {US} AS as_of, (p.as_of // {DAY_S * US})::INTEGER AS as_of_day,
               f.* EXCLUDE (enrolment_id, learner, role)
        FROM part p JOIN fact f USING (enrolment_id)""",
    "rollup": f"""
        SELECT p.point AS enrolment_id, v.* EXCLUDE (enrolment_id, from_n, until_n)
        FROM part p JOIN day_version v ON {_AT}""",
    "material": f"""
        SELECT p.point AS enrolment_id, p.as_of / {US} AS as_of, v.activity, min(v.day) AS first_day,
               max(v.day) AS last_day, count(*)::INTEGER AS days
        FROM part p JOIN opened v ON {_AT} GROUP BY ALL""",
    "watched": f"""
        SELECT p.point AS enrolment_id, p.as_of / {US} AS as_of, v.activity, max(v.share) AS share
        FROM part p JOIN opened v ON {_AT} WHERE v.share IS NOT NULL GROUP BY ALL""",
    "result": f"""
        SELECT p.point AS enrolment_id, v.key, v.moment, v.known_from + $lag AS seen, v.scaled, v.success, v.is_item,
               v.activity, c.concept, i.difficulty
        FROM part p JOIN result_version v ON {_AT} LEFT JOIN concept c ON c.activity = v.activity
        LEFT JOIN item i ON i.activity = v.activity""",
    "completion": f"""
        SELECT p.point AS enrolment_id, v.activity, v.moment
        FROM part p JOIN completion_version v ON {_AT}""",
    "mastery": f"""
        SELECT p.point AS enrolment_id, p.as_of / {US} AS as_of, m.weakest, m.mean, m.known
        FROM part p JOIN mastered m ON m.enrolment_id = p.enrolment_id AND m.as_of = p.as_of""",
    **person.TABLES,
}


def put_part(duck: Any, part: int) -> None:
    """Makes the table `part`: the points of this part."""
    duck.execute(f"CREATE OR REPLACE TABLE part AS SELECT * EXCLUDE (part) FROM asked WHERE part = {part:d}")


def put_tables(duck: Any, *, mark_lag_days: int = 0) -> None:
    """Makes the definitions' tables for the points in `part`, whose events have been laid out."""
    for name, sql in _TABLES.items():
        values = {"lag": mark_lag_days * float(DAY_S)} if "$lag" in sql else None
        duck.execute(f"CREATE OR REPLACE TABLE {name} AS {sql}", values)
