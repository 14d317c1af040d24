"""The features in an engine's own SQL, compiled once per process; what cannot be compiled is left out and reported."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from signals.features.definitions import BY_KEY, COMPUTED, COUNTS
from signals.features.halving import find_raising

logger = logging.getLogger(__name__)

_ALWAYS_READY = ("postgres", "duckdb")  # compiled without their libraries, which therefore stay unloaded


@dataclass(frozen=True, slots=True)
class Compiled:
    """One engine's SQL, and the definitions that are unknown in it: {key: what was raised}."""

    sql: str
    faults: dict[str, str] = field(default_factory=dict)


class NoSuchEngine(LookupError):
    """Ibis knows no engine of this name, or the engine's own library is not installed here."""


@lru_cache(maxsize=64)
def compiled(dialect: str, without: frozenset[str] = frozenset()) -> Compiled:
    """The features as this engine reads them; those in `without`, and those that raise, are unknown.

    Raises NoSuchEngine.
    """
    _get_ready(dialect)
    try:
        return _compiled(dialect, without)
    except Exception as fault:
        # One of them means nothing to this engine, and how a compiler says so is each one's own: NotImplementedError,
        # an error of Ibis or of SQLGlot, whatever its Python trips over. Nothing is swallowed: if no definition is to
        # blame, it is raised.
        refused = find_raising(
            lambda out: _refused_without(dialect, without | out), raised=type(fault).__name__
        )
        if not refused:
            raise
        logger.error(
            "Features that cannot be compiled for %s count as unknown: %s", dialect, refused, exc_info=fault
        )
        rest = _compiled(dialect, without | set(refused))
        return Compiled(rest.sql, rest.faults | refused)


def _compiled(dialect: str, without: frozenset[str]) -> Compiled:
    import ibis

    from signals.features.expression import feature_rows

    rows, raised = feature_rows(without)
    for key, fault in raised.items():
        logger.error("Feature %s cannot be computed and counts as unknown.", key, exc_info=fault)
    return Compiled(
        str(ibis.to_sql(rows, dialect=dialect)), {key: type(fault).__name__ for key, fault in raised.items()}
    )


def _refused_without(dialect: str, out: frozenset[str]) -> str | None:
    import ibis

    from signals.features.expression import feature_rows

    try:
        ibis.to_sql(feature_rows(out)[0], dialect=dialect)
    except Exception as fault:  # as above: only which definitions bring it about is asked here
        return type(fault).__name__
    return None


def _get_ready(dialect: str) -> None:
    """Makes sure at once that there is such an engine: else every definition would look broken, one by one."""
    import ibis

    if dialect in _ALWAYS_READY:
        return
    try:
        getattr(ibis, dialect)  # loads it: what compiles for an engine may read options that come with it
    except (AttributeError, ImportError) as fault:
        raise NoSuchEngine(
            f"Features cannot be compiled for {dialect}: there is no such engine, or its library is missing."
        ) from fault


def duckdb_sql() -> str:
    """The features as DuckDB reads them, from tables, views or Parquet scans of the same names."""
    return compiled("duckdb").sql


def compute_in_bulk(duck: Any) -> list[tuple[int, float, dict[str, Any]]]:
    """The same features on a DuckDB connection that has the tables: (enrolment, as_of, {key: value}).

    Without percentiles, which need the cohorts' grids.
    """
    return list(readable(duck.execute(duckdb_sql()).fetchall()))


def readable(rows: Iterable[tuple[Any, ...]]) -> Iterable[tuple[int, float, dict[str, Any]]]:
    """Engine's rows as JSON values: whole counts, ISO date-times, null for what is not known."""
    as_value = [(feature.key, _reader(feature.key)) for feature in COMPUTED]
    for enrolment_id, as_of, *values in rows:
        yield (
            enrolment_id,
            as_of,
            {
                key: None if value is None else read(value)
                for (key, read), value in zip(as_value, values, strict=True)
            },
        )


def _reader(key: str) -> Any:
    if key in COUNTS:
        return int
    return _iso if BY_KEY[key].is_time else float


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
