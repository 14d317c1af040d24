"""One hash over a table's rows that does not depend on their order, computed where the rows are.

A sum of 64-bit hashes of rows: equal content gives equal hashes, and parts of a table can be added up. It is made to
find differences, not to withstand somebody who makes them on purpose.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import connection

# What is derived, without what says only when it was: a number in the order of knowing is taken once and not again.
TABLES: dict[str, tuple[str, str, str]] = {
    # name: (table, key, columns)
    "events": (
        "signals_event",
        "statement_id",
        "statement_id, learner_id, enrolment_id, occurred_at, known_at, verb, activity, activity_type, amount, scaled,"
        " success, duration_s, progress, value, session, background_s, device, network, voided_seq IS NULL",
    ),
    "results": (
        "signals_assessmentresult",
        "statement_id",
        "statement_id, learner_id, enrolment_id, occurred_at, activity, scaled, success, is_item, voided_seq IS NULL",
    ),
    "certificates": (
        "signals_certificate",
        "statement_id",
        "statement_id, learner_id, enrolment_id, occurred_at, known_at, activity, course_id, competency_id, expires_at,"
        " whole_day, voided_seq IS NULL",
    ),
    "rollups": (
        "signals_dailyrollup",
        "enrolment_id",
        "enrolment_id, day, events, amount, activities, learning_sessions, seconds, results, failures, score_sum,"
        " score_count, completions, last_at, hasty, kind_content, kind_assessment, kind_discussion, kind_file,"
        " kind_page, kind_media, kind_meeting, kind_other, night, morning, afternoon, evening, opened, watched,"
        " watched_shares",
    ),
    "features": ("signals_featurerow", "enrolment_id", "enrolment_id, feature_set, values, as_of"),
    "risks": (
        "signals_risk",
        "enrolment_id",
        "enrolment_id, value, coverage, known_signals, reasons, base, model_version_id",
    ),
}


class TableHash(NamedTuple):
    """So many rows, and the sum of their hashes."""

    rows: int
    value: int

    def __str__(self) -> str:
        return f"{self.value % 2**64:016x} ({self.rows} rows)"

    def plus(self, other: "TableHash") -> "TableHash":
        return TableHash(self.rows + other.rows, self.value + other.value)

    def minus(self, other: "TableHash") -> "TableHash":
        return TableHash(self.rows - other.rows, self.value - other.value)


NOTHING = TableHash(0, 0)


def table_hashes(names: Sequence[str] = tuple(TABLES)) -> dict[str, TableHash]:
    """Table → the hash of all its rows."""
    return {name: _hash(name, "", []) for name in names}


def hashes_of(names: Sequence[str], keys: Sequence[Any]) -> dict[str, TableHash]:
    """Table → the hash of the rows with these keys (statements for events and what rides on them, else enrolments)."""
    return {name: _hash(name, f" WHERE {TABLES[name][1]} = ANY(%s)", [list(keys)]) for name in names}


def event_hash(places: Sequence[tuple[Any, Any]]) -> TableHash:
    """The hash of the events at these (occurred_at, statement_id): found through their months, unlike by id alone."""
    where = " WHERE (occurred_at, statement_id) IN (SELECT * FROM unnest(%s::timestamptz[], %s::uuid[]))"
    return _hash("events", where, [[at for at, _ in places], [key for _, key in places]])


def _hash(name: str, where: str, values: list[Any]) -> TableHash:
    table, _, columns = TABLES[name]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*), coalesce(sum(hash_record_extended(ROW({columns}), 0)::numeric), 0) FROM {table}{where}",
            values,
        )
        rows, value = cursor.fetchone()
    return TableHash(rows, int(value))
