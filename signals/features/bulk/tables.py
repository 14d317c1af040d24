"""The tables that signals.features.definitions reads, for many points at once.

Each point is a row of `enrolment` with a number of its own in place of the enrolment's: so the definitions, which know
one row an enrolment, compute any number of moments of the same enrolment together.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from learners.models import Enrolment, PlanStep
from signals.features.bulk.export import put
from signals.xapi.keys import activity_key

US = 1_000_000
DAY_S = 86_400

Point = tuple[int, datetime]  # enrolment and moment

# What is known of an enrolment besides events, in the words of the table `enrolment`.
_FACTS: dict[str, str] = {
    "course_id": "int64",
    "start_day": "int32",
    "due_day": "int32",
    "pass_mark": "float64",
    "length_days": "int32",
    "enrolled_day": "int32",
    "earlier_attempts": "int32",
    "study_load": "float64",
    "hired_day": "int32",
    "role_impact": "string",
}


def put_points(duck: Any, points: Sequence[Point]) -> None:
    """Makes the table `point`: a number for each point, in the order given."""
    moments: dict[int, set[int]] = {}
    for enrolment_id, as_of in points:
        moments.setdefault(enrolment_id, set()).add(microseconds(as_of))
    numbers = {
        enrolment_id: {moment: n for n, moment in enumerate(sorted(found))}
        for enrolment_id, found in moments.items()
    }
    exact = [microseconds(as_of) for _, as_of in points]
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
        },
    )
    # The same moment may be asked about twice; what was known then is laid out once.
    duck.execute("CREATE OR REPLACE TABLE point AS SELECT DISTINCT enrolment_id, n, as_of FROM asked")


def put_facts(duck: Any, enrolment_ids: Sequence[int]) -> None:
    """Makes the tables `fact` and `plan`: what is known of these enrolments and their courses besides events."""
    rows = list(
        Enrolment.objects.filter(pk__in=list(enrolment_ids))
        .order_by("pk")
        .values_list(
            "pk",
            "course_id",
            "starts_on",
            "due_on",
            "course__pass_mark",
            "course__length_days",
            "enrolled_at",
            "earlier_attempts",
            "study_load",
            "learner__started_on",
            "learner__job_role__impact",
        )
    )
    columns: dict[str, list[Any]] = {
        name: list(values)
        for name, values in zip(
            ("enrolment_id", *_FACTS), zip(*rows, strict=True) if rows else [()] * 11, strict=True
        )
    }
    for name in ("start_day", "due_day", "hired_day"):
        columns[name] = [day_number(value) for value in columns[name]]
    columns["enrolled_day"] = [
        None if value is None else day_number(value.astimezone(UTC).date())
        for value in columns["enrolled_day"]
    ]
    kinds = {"enrolment_id": "int64", **_FACTS}
    put(duck, "fact", {name: (kind, columns[name]) for name, kind in kinds.items()})
    steps = list(
        PlanStep.objects.filter(course__in=sorted(set(columns["course_id"])))
        .order_by("course_id", "pk")
        .values_list("course_id", "activity_iri", "due_day", "weight")
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


_AT = "p.enrolment_id = v.enrolment_id AND p.n >= v.from_n AND p.n < v.until_n"
_TABLES: Mapping[str, str] = {
    "enrolment": f"""
        SELECT p.point AS enrolment_id, p.as_of / {US} AS as_of, (p.as_of // {DAY_S * US})::INTEGER AS as_of_day,
               f.* EXCLUDE (enrolment_id)
        FROM part p JOIN fact f USING (enrolment_id)""",
    "rollup": f"""
        SELECT p.point AS enrolment_id, v.* EXCLUDE (enrolment_id, from_n, until_n)
        FROM part p JOIN day_version v ON {_AT}""",
    "material": f"""
        SELECT p.point AS enrolment_id, p.as_of / {US} AS as_of, v.activity, min(v.day) AS first_day,
               count(*) AS days, sum(v.amount)::BIGINT AS amount
        FROM part p JOIN opened v ON {_AT} GROUP BY ALL""",
    "watched": f"""
        SELECT p.point AS enrolment_id, p.as_of / {US} AS as_of, v.activity, max(v.share) AS share
        FROM part p JOIN watched_version v ON {_AT} GROUP BY ALL""",
    "result": f"""
        SELECT p.point AS enrolment_id, v.key, v.moment, v.known_from + $lag AS seen, v.scaled, v.success, v.is_item,
               v.activity, NULL::DOUBLE AS difficulty
        FROM part p JOIN result_version v ON {_AT}""",
    "completion": f"""
        SELECT p.point AS enrolment_id, v.activity, v.moment
        FROM part p JOIN completion_version v ON {_AT}""",
    "rating": f"""
        SELECT p.point AS enrolment_id, v.moment, v.scaled
        FROM part p JOIN rating_version v ON {_AT}""",
}


def put_tables(duck: Any, first: int, after: int, *, mark_lag_days: int = 0) -> None:
    """Makes the definitions' tables for the points numbered from ``first`` to before ``after``."""
    duck.execute(
        f"CREATE OR REPLACE TABLE part AS SELECT * FROM asked WHERE point >= {first:d} AND point < {after:d}"
    )
    for name, sql in _TABLES.items():
        values = {"lag": mark_lag_days * float(DAY_S)} if "$lag" in sql else None
        duck.execute(f"CREATE OR REPLACE TABLE {name} AS {sql}", values)


def microseconds(moment: datetime) -> int:
    """Since 1970, exactly."""
    past = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (past.days * DAY_S + past.seconds) * US + past.microseconds


def day_number(day: date | None) -> int | None:
    """Whole days since 1970."""
    return None if day is None else (day - date(1970, 1, 1)).days
