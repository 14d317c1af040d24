"""The features of many points at once: as they would have been served at that moment."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from signals.features.bulk import tables
from signals.features.bulk.ahead import refuse_what_is_ahead
from signals.features.bulk.export import export_events, take_events
from signals.features.bulk.scratch import MEMORY, scratch
from signals.features.bulk.tables import Point
from signals.features.bulk.versions import lay_out
from signals.features.compile import compiled, compute_in_bulk, duckdb_sql
from signals.features.definitions import COMPUTED
from signals.features.halving import find_raising

if TYPE_CHECKING:
    from signals.array_types import Floats

logger = logging.getLogger(__name__)

AT_ONCE = 40_000  # points laid out and computed together; memory grows with it


class Table(NamedTuple):
    """Features as numbers: a row for each point asked about, in that order; NaN is not known, times in seconds."""

    keys: tuple[str, ...]
    values: "Floats"


def compute_table(points: Sequence[Point], *, mark_lag_days: int = 0, memory: str = MEMORY) -> Table:
    """The features of each point from what had happened and was known by then.

    ``mark_lag_days``: results count so many days later than they were sent, where a source dates them by submission.
    Raises archive.files.ArchiveUnreadable, ahead.DatedAhead.
    """
    import numpy as np

    keys = tuple(feature.key for feature in COMPUTED)
    values = np.full((len(points), len(keys)), np.nan)
    if not points:
        return Table(keys, values)
    ids = sorted({enrolment_id for enrolment_id, _ in points})
    until = max(as_of for _, as_of in points)
    with scratch(memory=memory) as duck:
        parts = tables.put_points(duck, points, at_once=AT_ONCE)
        tables.put_facts(duck, ids, until=until)
        tables.put_mastery(duck, points, mark_lag_days=mark_lag_days)
        export_events(duck, ids, until=until)
        for part in range(parts):
            tables.put_part(duck, part)
            lay_out(duck)
            tables.put_tables(duck, mark_lag_days=mark_lag_days)
            refuse_what_is_ahead(duck)
            found = _computed(duck)
            place = found["enrolment_id"].astype(np.int64)
            for column, key in enumerate(keys):
                values[place, column] = np.ma.filled(found[key].astype(np.float64), np.nan)
    return Table(keys, values)


def _computed(duck: Any) -> dict[str, Any]:
    """The features of the points laid out here, by column. A definition that raises on them is unknown for them.

    Training goes on without it, as serving does; the log says which it was (never the message, which may quote data).
    """
    import duckdb

    # Too little memory or a full disk is no definition's fault: fewer features would only hide it.
    on_data = (duckdb.DataError, duckdb.ProgrammingError, duckdb.NotSupportedError)

    def raised_without(out: frozenset[str]) -> str | None:
        try:
            duck.execute(compiled("duckdb", out).sql).fetchall()
        except on_data as fault:
            return type(fault).__name__
        return None

    try:
        return dict(duck.execute(duckdb_sql()).fetchnumpy())
    except on_data as fault:
        raising = find_raising(raised_without, raised=type(fault).__name__)
        if not raising:
            raise
        logger.error("Features that raise on these rows count as unknown in them: %s", raising)
        return dict(duck.execute(compiled("duckdb", frozenset(raising)).sql).fetchnumpy())


def compute_here(duck: Any, points: Sequence[Point]) -> list[dict[str, Any]]:
    """The features of each point from the events of the connection's view `event` alone, as JSON values."""
    tables.put_points(duck, points, at_once=len(points))
    ids = sorted({enrolment_id for enrolment_id, _ in points})
    until = max(as_of for _, as_of in points)
    tables.put_facts(duck, ids, until=until)
    tables.put_mastery(duck, points)
    take_events(duck, ids, until=until)
    tables.put_part(duck, 0)
    lay_out(duck)
    tables.put_tables(duck)
    found = {number: values for number, _, values in compute_in_bulk(duck)}
    return [found[number] for number in range(len(points))]
