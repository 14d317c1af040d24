"""The same features on a bigger engine: compiled for PySpark, run on a small generated set, and compared with DuckDB's.

    pip install --no-deps --target DIRECTORY/spark pyspark==4.0.5 py4j==0.10.9.9 pyarrow-hotfix==0.7
    PYTHONPATH=DIRECTORY/spark python -m tests.bench.spark DIRECTORY [--enrolments 300]

Not a dependency: PySpark stays in a directory of its own, and needs a Java virtual machine, which must be there. It
listens on 127.0.0.1 only and takes at most 2 GB. Most of the time is starting, and planning one statement with all
definitions, whatever the number of enrolments. Percentiles are plain arithmetic on what either engine gives, so they
are not compared again.
"""

import argparse
import math
import os
import time
from pathlib import Path
from typing import Any

from tests.bench import bulk

MEMORY = "2g"


def on_duckdb(directory: Path) -> list[tuple[Any, ...]]:
    """The features from the files, by enrolment."""
    import duckdb

    from signals.features.compile import duckdb_sql
    from signals.features.expression import TABLES

    duck = duckdb.connect(config={"threads": 2, "memory_limit": "2GB"})
    for name in TABLES:
        duck.execute(f"CREATE VIEW {name} AS FROM read_parquet('{directory}/{name}.parquet')")
    return duck.execute(f"SELECT * FROM ({duckdb_sql()}) ORDER BY enrolment_id").fetchall()


def on_spark(directory: Path) -> list[tuple[Any, ...]]:
    """The same by Spark: the same expressions, compiled to its SQL."""
    from pyspark.sql import SparkSession

    from signals.features.compile import compiled
    from signals.features.expression import TABLES

    statement = compiled("pyspark")
    assert not statement.faults, statement.faults
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.memory", MEMORY)
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    try:
        for name in TABLES:
            spark.read.parquet(f"{directory}/{name}.parquet").createOrReplaceTempView(name)
        rows = spark.sql(statement.sql).collect()
    finally:
        spark.stop()
    return sorted((tuple(row) for row in rows), key=lambda row: row[0])


def make(directory: Path, enrolments: int) -> None:
    """A small set of everything the definitions read, as files."""
    import duckdb

    from signals.features.bulk.rollups import put_views
    from signals.features.expression import TABLES

    duck = duckdb.connect()
    duck.execute(f"CREATE TABLE ids AS SELECT range AS id FROM range({enrolments:d})")
    bulk.put_empty(duck)
    for name, sql in bulk.TABLES_MADE.items():
        duck.execute(f"CREATE TABLE {name} AS {sql.format(day=bulk.AS_OF_DAY, courses=bulk.COURSES)}")
    put_views(duck)
    for name, columns in TABLES.items():
        duck.execute(f"COPY (SELECT {', '.join(columns)} FROM {name}) TO '{directory}/{name}.parquet'")


def differences(left: list[tuple[Any, ...]], right: list[tuple[Any, ...]]) -> list[str]:
    """The features in which the engines do not agree, but for the last digits of a sum (a billionth)."""
    from signals.features.definitions import COMPUTED

    keys = ["enrolment", "as_of", *(feature.key for feature in COMPUTED)]
    found = set()
    for one, other in zip(left, right, strict=True):
        for key, a, b in zip(keys, one, other, strict=True):
            if (a is None) != (b is None) or (
                a is not None and not math.isclose(float(a), float(b), rel_tol=1e-9, abs_tol=1e-9)
            ):
                found.add(f"{key}: {a} and {b}")
    return sorted(found)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--enrolments", type=int, default=300)
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    make(options.directory, options.enrolments)
    found: list[list[tuple[Any, ...]]] = []
    for name, run in (("DuckDB", on_duckdb), ("Spark", on_spark)):
        started = time.perf_counter()
        found.append(run(options.directory))
        print(f"{name}: {len(found[-1])} enrolments in {time.perf_counter() - started:.1f} s")
    unequal = differences(*found)
    print("The same features." if not unequal else "\n".join(unequal))
    raise SystemExit(bool(unequal))


if __name__ == "__main__":
    main()
