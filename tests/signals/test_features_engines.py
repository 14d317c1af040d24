"""One definition, two engines: PostgreSQL and DuckDB give the same features for any history."""

from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signals.features.compile import duckdb_sql, postgres_sql
from signals.features.definitions import FEATURES

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

# A day in 2026, and two enrolments so that rows could leak from one into the other.
START = 20_458
COLUMNS = {
    "enrolment": "enrolment_id bigint, as_of float8, as_of_day int, course_id bigint, start_day int, due_day int,"
    " pass_mark float8",
    "rollup": "enrolment_id bigint, day int, amount bigint, last_at float8",
    "result": "enrolment_id bigint, key text, moment float8, scaled float8, success boolean, is_item boolean",
    "completion": "enrolment_id bigint, activity bigint, moment float8",
    "plan": "course_id bigint, activity bigint, due_day int",
}

days = st.integers(START - 30, START + 60)
moments = st.tuples(days, st.integers(0, 86_399)).map(lambda pair: float(pair[0] * 86_400 + pair[1]))
enrolment_ids = st.sampled_from([1, 2])
shares = st.floats(-1, 1, allow_nan=False).map(lambda value: round(value, 6))


@st.composite
def histories(draw: st.DrawFn) -> dict[str, list[tuple[Any, ...]]]:
    """Rows for the five tables."""
    active = draw(st.lists(st.tuples(enrolment_ids, days), unique=True, max_size=40))
    results = draw(
        st.lists(
            st.tuples(
                enrolment_ids, moments, st.none() | shares, st.none() | st.booleans(), st.booleans()
            ).filter(lambda row: row[2] is not None or row[3] is not None),
            max_size=20,
        )
    )
    as_of_days = draw(st.tuples(days, days))
    return {
        "enrolment": [
            (
                number,
                as_of_day * 86_400 + draw(st.integers(0, 86_399)) + 0.0,
                as_of_day,
                draw(st.sampled_from([7, 8])),
                START,
                draw(st.none() | days),
                0.4,
            )
            for number, as_of_day in zip((1, 2), as_of_days, strict=True)
        ],
        "rollup": [
            (number, day, draw(st.integers(1, 500)), day * 86_400 + draw(st.integers(0, 86_399)) + 0.0)
            for number, day in active
        ],
        # The key breaks ties, so it must be there once.
        "result": [(row[0], f"{index:036d}", *row[1:]) for index, row in enumerate(results)],
        "completion": draw(st.lists(st.tuples(enrolment_ids, st.integers(1, 5), moments), max_size=10)),
        "plan": draw(
            st.lists(
                st.tuples(st.sampled_from([7, 8]), st.integers(1, 5), st.integers(-5, 70)),
                max_size=8,
                unique_by=lambda row: row[:2],
            )
        ),
    }


def on_postgres(history: dict[str, list[tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
    parts, values = [], []
    for name, columns in COLUMNS.items():
        kinds = [column.strip().split() for column in columns.split(",")]
        arrays = ", ".join(f"%s::{kind}[]" for _, kind in kinds)
        fields = ", ".join(field for field, _ in kinds)
        parts.append(f"{name} AS (SELECT * FROM unnest({arrays}) AS t ({fields}))")
        values += [[row[index] for row in history[name]] for index in range(len(kinds))]
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH {', '.join(parts)} SELECT * FROM ({postgres_sql().replace('%', '%%')}) AS f ORDER BY 1",
            values,
        )
        return cursor.fetchall()


def on_duckdb(duck: Any, history: dict[str, list[tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
    for name, columns in COLUMNS.items():
        duck.execute(f"CREATE OR REPLACE TABLE {name} ({columns})")
        if history[name]:
            marks = ", ".join("?" * len(history[name][0]))
            duck.executemany(f"INSERT INTO {name} VALUES ({marks})", history[name])
    rows: list[tuple[Any, ...]] = duck.execute(f"SELECT * FROM ({duckdb_sql()}) ORDER BY 1").fetchall()
    return rows


def test_two_engines_give_the_same_features() -> None:
    import duckdb

    duck = duckdb.connect()

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(histories())
    def equal(history: dict[str, list[tuple[Any, ...]]]) -> None:
        left, right = on_postgres(history), on_duckdb(duck, history)
        assert len(left) == len(right) == 2
        for one, other in zip(left, right, strict=True):
            for key, a, b in zip(["enrolment", "as_of", *(f.key for f in FEATURES)], one, other, strict=True):
                assert (a is None) == (b is None), key
                if a is not None:
                    assert float(a) == pytest.approx(float(b), rel=1e-9, abs=1e-9), key

    equal()


def test_every_feature_has_a_name_for_people_a_window_and_a_version() -> None:
    assert len({feature.key for feature in FEATURES}) == len(FEATURES)
    for feature in FEATURES:
        assert feature.name and feature.window and feature.unit and feature.version >= 1
