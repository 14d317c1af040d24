"""Questions to the cold store, in DuckDB: files are decrypted in this process, column by column, and nothing else is.

The connection lives in memory, may neither spill nor write nor read any other file, and so leaves no clear text on a
disk. Features are those of `signals.features.definitions`, compiled to DuckDB's SQL.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from learners.models import Enrolment, PlanStep
from signals.archive import contents, files
from signals.archive.schemas import schema
from signals.features.compile import compute_in_bulk
from signals.features.rollup import COMPLETING
from signals.models import ArchiveFile
from signals.models.events import OBSERVED
from signals.partitions import AHEAD_ALLOWED
from signals.xapi.keys import activity_key

_FAR = date(9999, 1, 1)


@contextmanager
def connect(*, months: Collection[date] | None = None, with_latest: bool = False) -> Iterator[Any]:
    """A DuckDB connection with the view `event` over the cold store (these months, else all).

    ``with_latest`` adds, from PostgreSQL, the months that are not archived yet, held in memory. Uuids are BLOBs of 16
    bytes, moments TIMESTAMPTZ. Raises files.ArchiveUnreadable.
    """
    import duckdb
    import pyarrow.dataset as ds

    parts = [files.dataset(file) for file in _event_files(months)]
    if with_latest:
        parts += [_latest(month) for month in _unarchived(months)]
    if not parts:
        parts = [ds.dataset(schema(ArchiveFile.Kind.EVENT).empty_table())]
    duck = duckdb.connect(config={"temp_directory": ""})
    try:
        duck.execute("SET TimeZone = 'UTC'")
        duck.execute("SET enable_external_access = false")
        duck.execute("SET lock_configuration = true")
        duck.register("event", ds.dataset(parts))
        yield duck
    finally:
        duck.close()


def features(duck: Any, enrolment_ids: Sequence[int], *, as_of: datetime) -> dict[int, dict[str, Any]]:
    """The features of these enrolments from the connection's events alone: {enrolment: {key: value}}.

    As of a moment in the past, what happened later is left out.
    """
    _describe(duck, enrolment_ids, as_of)
    return {enrolment: values for enrolment, _, values in compute_in_bulk(duck)}


def _event_files(months: Collection[date] | None) -> list[ArchiveFile]:
    kept = ArchiveFile.objects.filter(kind=ArchiveFile.Kind.EVENT, rows__gt=0)
    return list(kept if months is None else kept.filter(month__in=months))


def _unarchived(months: Collection[date] | None) -> list[date]:
    archived = set(
        ArchiveFile.objects.filter(kind=ArchiveFile.Kind.EVENT).order_by().values_list("month", flat=True)
    )
    held = contents.months_held(ArchiveFile.Kind.EVENT, before=_FAR)
    return [month for month in held if month not in archived and (months is None or month in months)]


def _latest(month: date) -> Any:
    import pyarrow as pa
    import pyarrow.dataset as ds

    rows = list(contents.batches(ArchiveFile.Kind.EVENT, month))
    return ds.dataset(pa.Table.from_batches(rows, schema=schema(ArchiveFile.Kind.EVENT)))


def _describe(duck: Any, enrolment_ids: Sequence[int], as_of: datetime) -> None:
    """Makes the five tables of signals.features.definitions."""
    import pyarrow as pa

    enrolments = list(
        Enrolment.objects.filter(pk__in=list(enrolment_ids))
        .order_by("pk")
        .values_list("pk", "course_id", "starts_on", "due_on", "course__pass_mark")
    )
    steps = list(
        PlanStep.objects.filter(course__in={row[1] for row in enrolments})
        .order_by("course_id", "pk")
        .values_list("course_id", "activity_iri", "due_day")
    )
    moment, count = as_of.timestamp(), len(enrolments)
    tables = {
        "enrolment": pa.table(
            {
                "enrolment_id": pa.array([row[0] for row in enrolments], pa.int64()),
                "as_of": pa.array([moment] * count, pa.float64()),
                "as_of_day": pa.array([int(moment // 86_400)] * count, pa.int32()),
                "course_id": pa.array([row[1] for row in enrolments], pa.int64()),
                "start_day": pa.array([_days(row[2]) for row in enrolments], pa.int32()),
                "due_day": pa.array([_days(row[3]) for row in enrolments], pa.int32()),
                "pass_mark": pa.array([row[4] for row in enrolments], pa.float64()),
            }
        ),
        "plan": pa.table(
            {
                "course_id": pa.array([course for course, _, _ in steps], pa.int64()),
                "activity": pa.array([activity_key(iri) for _, iri, _ in steps], pa.int64()),
                "due_day": pa.array([due for _, _, due in steps], pa.int32()),
            }
        ),
    }
    for name, table in tables.items():
        duck.register("given", table)
        duck.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM given").fetchall()
        duck.unregister("given")
    duck.execute(_SEEN, [as_of, as_of + AHEAD_ALLOWED]).fetchall()
    for name, sql in _DERIVED.items():
        duck.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}").fetchall()


def _days(day: date | None) -> int | None:
    return None if day is None else (day - date(1970, 1, 1)).days


# A clock a few minutes ahead of ours means "now".
_SEEN = """
CREATE OR REPLACE TEMP TABLE seen AS
SELECT v.enrolment_id, lower(hex(v.statement_id)) AS key,
       epoch_us(v.occurred_at) / 1e6 AS at, least(epoch_us(v.occurred_at), epoch_us($1::TIMESTAMPTZ)) / 1e6 AS moment,
       (epoch_us(v.occurred_at) // 86400000000)::INTEGER AS day,
       v.verb, v.activity, v.amount, v.scaled, v.success, v.is_result, v.is_item
FROM event v SEMI JOIN enrolment e ON e.enrolment_id = v.enrolment_id
WHERE v.voided_seq IS NULL AND v.occurred_at <= $2::TIMESTAMPTZ
"""
_OBSERVED = ", ".join(str(int(verb)) for verb in OBSERVED)
_COMPLETING = ", ".join(str(int(verb)) for verb in COMPLETING)
_DERIVED = {
    "rollup": (
        "SELECT enrolment_id, day, least(sum(amount), 2147483647)::BIGINT AS amount, max(moment) AS last_at"
        f" FROM seen WHERE verb NOT IN ({_OBSERVED}) GROUP BY enrolment_id, day"
    ),
    "result": "SELECT enrolment_id, key, moment, scaled, success, is_item FROM seen WHERE is_result",
    "completion": (
        f"SELECT enrolment_id, activity, moment FROM seen WHERE is_result OR verb IN ({_COMPLETING})"
    ),
}

__all__ = ["connect", "features"]
