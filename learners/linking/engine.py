"""Scores pairs with splink on DuckDB, all in memory: nothing is written to disk, not even when memory runs short."""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from learners.linking.encoding import Encoded
from learners.linking.model import COMPARED, PRIOR, settings

if TYPE_CHECKING:
    import duckdb

MEMORY = "2GB"
DICE = "CREATE MACRO dice(a, b) AS 2.0 * bit_count(a & b) / (bit_count(a) + bit_count(b))"
_BITS = ("name", "local", "started")
_NUMBERS = ("name_key", "number", "unit", "job_role")


class Row(NamedTuple):
    """One record as it is compared."""

    id: int
    encoded: Encoded
    blocks: Sequence[int]
    fresh: bool  # changed: to be compared with all who share a block
    is_actor: bool


class Pair(NamedTuple):
    """Two records (the lower id first), how likely they are one person, and why."""

    left: int
    right: int
    probability: float
    weight: float
    evidence: dict[str, dict[str, Any]]


def score(rows: Sequence[Row], *, common: Mapping[int, float], prior: float, at_least: float) -> list[Pair]:
    """The pairs at or above a probability. `common`: for each name key, the share of all records that have it."""
    if sum(row.fresh for row in rows) == 0 or len(rows) < 2:
        return []
    from splink import Linker

    database = connect()
    try:
        api, people = load(database, rows)
        linker = Linker(people, settings(prior), log_level=logging.ERROR)
        linker.table_management.register_term_frequency_lookup(_frequencies(api, rows, common), "name_key")
        found = linker.inference.predict(threshold_match_probability=at_least)
        columns = ", ".join(f"mw_{compared.field}" for compared in COMPARED)
        out = database.execute(
            "SELECT id_l, id_r, match_probability, match_weight, mw_tf_adj_called, "
            f"{columns} FROM {found.physical_name} ORDER BY match_probability DESC, id_l, id_r"
        ).fetchall()
    finally:
        database.close()
    return [_pair(row) for row in out]


def connect() -> "duckdb.DuckDBPyConnection":
    """A database in memory that has nowhere to spill to and reaches neither files nor extensions."""
    import duckdb

    database = duckdb.connect(":memory:")
    database.execute("SET temp_directory = ''")
    database.execute(f"SET memory_limit = '{MEMORY}'")
    database.execute(DICE)
    database.execute("SET enable_external_access = false")
    return database


def load(
    database: "duckdb.DuckDBPyConnection", rows: Sequence[Row], **more: Iterable[Any]
) -> tuple[Any, Any]:
    """The splink interface and the registered table of these rows; further columns by name."""
    import pyarrow as pa
    from splink import DuckDBAPI

    # Blocks become small numbers of this run: the stored keys stay out of the engine.
    numbers: dict[int, int] = {}
    columns: dict[str, Any] = {
        "id": pa.array([row.id for row in rows], pa.int64()),
        "fresh": pa.array([row.fresh for row in rows], pa.bool_()),
        "is_actor": pa.array([row.is_actor for row in rows], pa.bool_()),
        "block": pa.array(
            [[numbers.setdefault(block, len(numbers)) for block in row.blocks] for row in rows],
            pa.list_(pa.int64()),
        ),
        **{name: pa.array([getattr(row.encoded, name) for row in rows], pa.binary()) for name in _BITS},
        **{name: pa.array([getattr(row.encoded, name) for row in rows], pa.int64()) for name in _NUMBERS},
        **{name: pa.array(list(values)) for name, values in more.items()},
    }
    database.register("raw", pa.table(columns))
    as_bits = ", ".join(f"{name}::BIT AS {name}" for name in _BITS)
    database.execute(f"CREATE TABLE people AS SELECT * REPLACE ({as_bits}) FROM raw")
    database.unregister("raw")
    api = DuckDBAPI(connection=database)
    return api, api.register("people")


def _frequencies(api: Any, rows: Sequence[Row], common: Mapping[int, float]) -> Any:
    import pyarrow as pa

    keys = sorted({row.encoded.name_key for row in rows if row.encoded.name_key is not None})
    table = pa.table(
        {
            "name_key": pa.array(keys, pa.int64()),
            "tf_name_key": pa.array([common.get(key, 0.0) or 1e-9 for key in keys], pa.float64()),
        }
    )
    return api.register(table)


def _pair(row: tuple[Any, ...]) -> Pair:
    one, other, probability, weight, frequency, *weights = row
    evidence = {}
    for compared, found in zip(COMPARED, weights, strict=True):
        level = next(
            (one for one in compared.levels if math.isclose(math.log2(one.m / one.u), found, abs_tol=1e-6)),
            None,
        )
        if level is None or compared.field == PRIOR:  # nothing to compare
            continue
        total = found + (frequency or 0.0) if compared.field == "called" else found
        evidence[compared.field] = {"level": level.key, "weight": round(total, 2)}
    return Pair(min(one, other), max(one, other), probability, weight, evidence)
