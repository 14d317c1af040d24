"""Which rows a merge changed, and how: taken as the difference of what was there before and after it.

Nobody has to remember to note a change, so none is forgotten: consent withdrawn, steps called off, rows taken away by
a cascade all show. Rows in great number (events) are noted as they are moved instead.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.db import connection, models

from learners.models import Merge, MergeStep

Row = dict[str, Any]
# Columns that say whose a row is. If one says something else than the merge left there, undoing would tear it away
# from somebody; any other column keeps what has happened to it since.
WHOSE = frozenset({"learner_id", "enrolment_id", "user_id", "merged_into_id"})
SHIFT = "+"  # in `after`: columns to which the merge added a number, and the number


class Watched(NamedTuple):
    """Rows of one model that a merge may change."""

    model: type[models.Model]
    condition: models.Q


class Step(NamedTuple):
    """Rows changed in one way: see MergeStep."""

    table: str
    keys: list[Row]
    before: Row | None
    after: Row | None


class Journal:
    """Looks before and after; `steps` is the difference."""

    def __init__(self, watched: Sequence[Watched]) -> None:
        self._watched = list(watched)
        self._moved: list[Step] = []
        self._before = {one.model._meta.db_table: _rows(one) for one in self._watched}

    def moved(self, table: str, keys: Iterable[Row], before: Row, after: Row) -> None:
        """Notes rows of a table that is not watched."""
        found = list(keys)
        if found:
            self._moved.append(Step(table, found, before, after))

    def steps(self) -> list[Step]:
        """What has changed since, the rows changed alike together."""
        out = list(self._moved)
        for one in self._watched:
            table = one.model._meta.db_table
            names = key_columns(one.model)
            before, after = self._before[table], _rows(one)
            alike: dict[str, Step] = {}
            for key in sorted({*before, *after}):
                old, new = before.get(key), after.get(key)
                if old is not None and new is not None:
                    changed = [name for name in old if old[name] != new[name]]
                    if not changed:
                        continue
                    old, new = ({name: row[name] for name in changed} for row in (old, new))
                group = json.dumps([old, new], sort_keys=True)
                step = alike.setdefault(group, Step(table, [], old, new))
                step.keys.append(dict(zip(names, json.loads(key), strict=True)))
            out += alike.values()
        return out


def store(merge: Merge, steps: Iterable[Step], *, after: int = 0) -> None:
    """Keeps the steps with the merge."""
    MergeStep.objects.bulk_create(
        [
            MergeStep(
                merge=merge,
                position=place,
                table=one.table,
                keys=one.keys,
                before=one.before,
                after=one.after,
            )
            for place, one in enumerate(steps, after + 1)
        ],
        batch_size=500,
    )


def key_columns(model: type[models.Model]) -> list[str]:
    """The columns of the primary key."""
    return [str(field.column) for field in model._meta.pk_fields]


def _rows(watched: Watched) -> dict[str, Row]:
    """The rows as PostgreSQL writes them in JSON, by primary key."""
    meta = watched.model._meta
    names = key_columns(watched.model)
    inner, values = (
        watched.model._base_manager.filter(watched.condition)
        .order_by()
        .values(*(field.attname for field in meta.pk_fields))
        .query.sql_with_params()
    )
    columns = ", ".join(f't."{name}"' for name in names)
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT to_jsonb(t)::text FROM "{meta.db_table}" t WHERE ({columns}) IN ({inner})', values
        )
        rows = [json.loads(found[0]) for found in cursor.fetchall()]
    return {json.dumps([row[name] for name in names]): row for row in rows}


# --- putting back -------------------------------------------------------------------------------------------------


def torn(step: Step) -> int:
    """How many of the step's rows have been given to somebody else since."""
    names = sorted(WHOSE & set(step.after or {}))
    if step.before is None or step.after is None or not names:
        return 0
    differs = " OR ".join(f't."{name}" IS DISTINCT FROM a."{name}"' for name in names)
    return _count(step, f"SELECT count(*) FROM {_joined(step)} WHERE {differs}")


def put_back(step: Step) -> int:
    """How many rows are as they were before; what has happened to a column since the merge stays."""
    if step.before is None:
        return _count(
            step,
            f'WITH gone AS (DELETE FROM "{step.table}" t USING {_keys(step)} k, {_after(step)} a'
            f" WHERE {_on(step)} RETURNING 1) SELECT count(*) FROM gone",
        )
    if step.after is None:
        with connection.cursor() as cursor:
            cursor.execute(
                f'INSERT INTO "{step.table}" SELECT * FROM jsonb_populate_record(NULL::"{step.table}", %s::jsonb)'
                " ON CONFLICT DO NOTHING",
                [json.dumps(step.before)],
            )
            return cursor.rowcount
    shifts = step.after.get(SHIFT, {})
    values = [
        f'"{name}" = CASE WHEN t."{name}" IS NOT DISTINCT FROM a."{name}" THEN b."{name}" ELSE t."{name}" END'
        for name in step.before
    ] + [f'"{name}" = t."{name}" - {int(by)}' for name, by in shifts.items()]
    sql = (
        f'WITH back AS (UPDATE "{step.table}" t SET {", ".join(values)} FROM {_keys(step)} k, {_after(step)} a,'
        f' jsonb_populate_record(NULL::"{step.table}", %(before)s::jsonb) b WHERE {_on(step)} RETURNING 1)'
        " SELECT count(*) FROM back"
    )
    return _count(step, sql)


def _keys(step: Step) -> str:
    return f'jsonb_populate_recordset(NULL::"{step.table}", %(keys)s::jsonb)'


def _after(step: Step) -> str:
    return f'jsonb_populate_record(NULL::"{step.table}", %(after)s::jsonb)'


def _on(step: Step) -> str:
    return " AND ".join(f't."{name}" = k."{name}"' for name in step.keys[0])


def _joined(step: Step) -> str:
    return f'"{step.table}" t JOIN {_keys(step)} k ON {_on(step)} CROSS JOIN {_after(step)} a'


def _count(step: Step, sql: str) -> int:
    after = {name: value for name, value in (step.after or {}).items() if name != SHIFT}
    with connection.cursor() as cursor:
        cursor.execute(
            sql,
            {
                "keys": json.dumps(step.keys),
                "before": json.dumps(step.before),
                "after": json.dumps(after),
            },
        )
        found: int = cursor.fetchone()[0]
    return found
