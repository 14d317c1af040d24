"""One definition, two engines: PostgreSQL and DuckDB give the same features for any history."""

from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signals.features.compile import compiled, duckdb_sql
from signals.features.definitions import COMPUTED
from signals.features.expression import TABLES

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

# A day in 2026, and two enrolments so that rows could leak from one into the other.
START = 20_458
_TYPES = {"int64": "bigint", "int32": "int", "float64": "float8", "string": "text", "boolean": "boolean"}
COLUMNS = {
    name: ", ".join(f"{column} {_TYPES[kind]}" for column, kind in columns.items())
    for name, columns in TABLES.items()
}
Rows = dict[str, list[tuple[Any, ...]]]

days = st.integers(START - 30, START + 60)
moments = st.tuples(days, st.integers(0, 86_399)).map(lambda pair: float(pair[0] * 86_400 + pair[1]))
enrolment_ids = st.sampled_from([1, 2])
shares = st.floats(-1, 1, allow_nan=False).map(lambda value: round(value, 6))
positive = st.floats(0, 1, allow_nan=False).map(lambda value: round(value, 6))
amounts = st.integers(0, 500)


@st.composite
def histories(draw: st.DrawFn) -> Rows:
    """Rows for all tables."""
    active = draw(st.lists(st.tuples(enrolment_ids, days), unique=True, max_size=40))
    results = draw(
        st.lists(
            st.tuples(
                enrolment_ids,
                moments,
                st.integers(0, 20 * 86_400),  # until its mark came back
                st.none() | shares,
                st.none() | st.booleans(),
                st.booleans(),
                st.integers(1, 5),
                st.none() | st.integers(1, 3),
                st.none() | shares,
            ).filter(lambda row: row[3] is not None or row[4] is not None),
            max_size=20,
        )
    )
    as_of_days = draw(st.tuples(days, days))
    points = [
        (number, as_of_day * 86_400 + draw(st.integers(0, 86_399)) + 0.0, as_of_day)
        for number, as_of_day in zip((1, 2), as_of_days, strict=True)
    ]
    opened = draw(st.lists(st.tuples(st.sampled_from(points), st.integers(1, 5)), unique=True, max_size=8))
    ages = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda pair: (max(pair), min(pair)))
    return {
        "enrolment": [
            (
                *point,
                draw(st.sampled_from([7, 8])),
                START,
                draw(st.none() | days),
                0.4,
                draw(st.none() | st.integers(0, 300)),
                draw(days),
                draw(st.none() | st.integers(0, 3)),
                draw(st.none() | positive),
                draw(st.none() | days),
                draw(st.none() | st.integers(0, 2)),
            )
            for point in points
        ],
        "rollup": [
            (
                number,
                day,
                *(draw(st.tuples(st.integers(1, 50), st.integers(1, 500), amounts, amounts))),
                day * 86_400 + draw(st.integers(0, 86_399)) + 0.0,
                *draw(st.tuples(*[amounts] * (len(TABLES["rollup"]) - 7))),
            )
            for number, day in active
        ],
        "material": [
            (
                *point[:2],
                activity,
                *(point[2] - age for age in draw(ages)),
                draw(st.integers(1, 9)),
            )
            for point, activity in opened
        ],
        "watched": [(*point[:2], activity, draw(positive)) for point, activity in opened if activity < 3],
        # The key breaks ties, so it must be there once.
        "result": [
            (number, f"{index:036d}", moment, moment + lag, *rest)
            for index, (number, moment, lag, *rest) in enumerate(results)
        ],
        "completion": draw(st.lists(st.tuples(enrolment_ids, st.integers(1, 5), moments), max_size=10)),
        "plan": draw(
            st.lists(
                st.tuples(st.sampled_from([7, 8]), st.integers(1, 5), st.integers(-5, 70), positive),
                max_size=8,
                unique_by=lambda row: row[:2],
            )
        ),
        "rating": draw(st.lists(st.tuples(enrolment_ids, moments, st.none() | positive), max_size=5)),
        "gap": [
            (*point[:2], float(gap))
            for point in points
            for gap in draw(st.lists(st.integers(0, 4), max_size=3))
        ],
        "history": [
            (*point[:2], *sorted(draw(st.tuples(amounts, amounts)), reverse=True)) for point in points[:1]
        ],
        "mastery": [(*point[:2], *sorted(draw(st.tuples(positive, positive))), 3) for point in points[1:]],
    }


def on_postgres(history: Rows, sql: str) -> list[tuple[Any, ...]]:
    parts, values = [], []
    for name, columns in COLUMNS.items():
        kinds = [column.strip().split() for column in columns.split(",")]
        arrays = ", ".join(f"%s::{kind}[]" for _, kind in kinds)
        fields = ", ".join(f'"{field}"' for field, _ in kinds)
        parts.append(f"{name} AS (SELECT * FROM unnest({arrays}) AS t ({fields}))")
        values += [[row[index] for row in history[name]] for index in range(len(kinds))]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL jit = off")
        cursor.execute(
            f"WITH {', '.join(parts)} SELECT * FROM ({sql.replace('%', '%%')}) AS f ORDER BY 1", values
        )
        return cursor.fetchall()


def on_duckdb(duck: Any, history: Rows, sql: str) -> list[tuple[Any, ...]]:
    for name, columns in COLUMNS.items():
        duck.execute(f"CREATE OR REPLACE TABLE {name} ({columns})")
        if history[name]:
            marks = ", ".join("?" * len(history[name][0]))
            duck.executemany(f"INSERT INTO {name} VALUES ({marks})", history[name])
    rows: list[tuple[Any, ...]] = duck.execute(f"SELECT * FROM ({sql}) ORDER BY 1").fetchall()
    return rows


def test_two_engines_give_the_same_features() -> None:
    import duckdb

    duck = duckdb.connect()
    known: set[str] = set()

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(histories())
    def equal(history: Rows) -> None:
        left, right = on_postgres(history, compiled("postgres").sql), on_duckdb(duck, history, duckdb_sql())
        assert len(left) == len(right) == 2
        for one, other in zip(left, right, strict=True):
            keys = ["enrolment", "as_of", *(f.key for f in COMPUTED)]
            for key, a, b in zip(keys, one, other, strict=True):
                assert (a is None) == (b is None), key
                if a is not None:
                    known.add(key)
                    assert float(a) == pytest.approx(float(b), rel=1e-9, abs=1e-9), key

    equal()

    # Two unknowns are equal too: every feature must have been known at least once.
    assert known >= {f.key for f in COMPUTED}
