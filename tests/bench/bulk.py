"""Features of every enrolment from daily rollups, in DuckDB and in shards: how long it takes, and how much memory.

    python -m tests.bench.bulk DIRECTORY --millions 10 50 100 --workers 1 2

Makes rollups as Parquet files (a hundred events an enrolment, on 25 days; six results), one file a shard, then
computes all features, with percentiles, of every enrolment as of one moment. Needs no database. Several workers are
processes that share the shards out; the machine's threads are divided among them. Times are of computing only.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

EVENTS_EACH = 100
SHARD = 50_000  # enrolments
COURSES = 100
AS_OF_DAY = 20_600
THREADS = 2

TABLES_MADE = {
    "enrolment": """
        SELECT id AS enrolment_id, {day} * 86400.0 + 86399 AS as_of, {day}::INTEGER AS as_of_day,
               id % {courses} AS course_id, ({day} - 60)::INTEGER AS start_day, ({day} + 60)::INTEGER AS due_day,
               0.4::DOUBLE AS pass_mark, 120::INTEGER AS length_days, ({day} - 80)::INTEGER AS enrolled_day,
               (id % 3)::INTEGER AS earlier_attempts, 60.0::DOUBLE AS study_load, ({day} - 900)::INTEGER AS hired_day,
               (id % 3)::INTEGER AS role_impact
        FROM ids""",
    "rollup": """
        SELECT id AS enrolment_id, d.day::INTEGER AS day, 4::INTEGER AS events, amount::INTEGER AS amount,
               2::INTEGER AS learning_sessions, (amount * 37)::INTEGER AS seconds,
               d.day * 86400.0 + h % 86400 AS last_at, (h % 2)::INTEGER AS hasty, 3::INTEGER AS activities,
               amount::INTEGER AS kind_content, (h % 3)::INTEGER AS kind_assessment,
               (h % 5)::INTEGER AS kind_discussion, 0::INTEGER AS kind_file, (h % 4)::INTEGER AS kind_page,
               0::INTEGER AS kind_media, 0::INTEGER AS kind_meeting, 0::INTEGER AS kind_other, 0::INTEGER AS night,
               amount::INTEGER AS morning, (h % 6)::INTEGER AS afternoon, 0::INTEGER AS evening
        FROM ids, range(25) n(n),
             LATERAL (SELECT {day} - 70 + n * 3 - (hash(id, n) % 3)::BIGINT + id % 9 AS day,
                             (hash(n, id) % 100000)::BIGINT AS h,
                             1 + (hash(id, n, 1) % 20)::BIGINT AS amount) d
        WHERE d.day <= {day}""",
    "material": """
        SELECT id AS enrolment_id, {day} * 86400.0 + 86399 AS as_of, (id % {courses} * 1000 + n)::BIGINT AS activity,
               ({day} - 70 + n * 2)::INTEGER AS first_day, ({day} - 68 + n * 2)::INTEGER AS last_day,
               (1 + n % 3)::INTEGER AS days
        FROM ids, range(25) n(n)""",
    "result": """
        SELECT id AS enrolment_id, lpad((id * 6 + n)::VARCHAR, 32, '0') AS key,
               ({day} - 60 + n * 9) * 86400.0 + id % 80000 AS moment, moment AS seen,
               (hash(id, n) % 100)::BIGINT / 100.0 AS scaled, NULL::BOOLEAN AS success, false AS is_item,
               (id % {courses} * 1000 + n)::BIGINT AS activity, NULL::BIGINT AS concept, NULL::DOUBLE AS difficulty
        FROM ids, range(6) n(n)""",
    "completion": "SELECT enrolment_id, activity, moment FROM result",
    "plan": """
        SELECT c AS course_id, (c * 1000 + n)::BIGINT AS activity, (n * 10)::INTEGER AS due_day, 10.0::DOUBLE AS weight
        FROM range({courses}) c(c), range(10) n(n)""",
}


def make(directory: Path, shards: int) -> None:
    """The rollups of so many shards of enrolments, as files; those that are there already stay."""
    import duckdb

    duck = duckdb.connect(
        config={"threads": THREADS, "memory_limit": "2GB", "temp_directory": str(directory)}
    )
    for shard in range(shards):
        if (directory / f"completion.{shard}.parquet").exists():
            continue
        first = shard * SHARD
        duck.execute(
            f"CREATE OR REPLACE TEMP TABLE ids AS SELECT range AS id FROM range({first}, {first + SHARD})"
        )
        for name, sql in TABLES_MADE.items():
            duck.execute(
                f"CREATE OR REPLACE TEMP TABLE {name} AS {sql.format(day=AS_OF_DAY, courses=COURSES)}"
            )
            duck.execute(f"COPY {name} TO '{directory}/{name}.{shard}.parquet' (COMPRESSION zstd)")
    duck.close()


def work(directory: Path, shards: int, worker: int, workers: int) -> None:
    """What one worker does: the features of its shards, each by itself; prints seconds and peak memory."""
    import duckdb
    import numpy as np

    from signals.features import cohort
    from signals.features.compile import duckdb_sql
    from signals.features.definitions import COMPUTED
    from signals.features.expression import TABLES
    from signals.features.shards import share_of

    sql = duckdb_sql()
    kinds = {
        "int64": "BIGINT",
        "int32": "INTEGER",
        "float64": "DOUBLE",
        "string": "VARCHAR",
        "boolean": "BOOLEAN",
    }
    duck = duckdb.connect(
        config={
            "threads": max(1, THREADS // workers),
            "memory_limit": f"{2 // workers}GB",
            "temp_directory": str(directory / f"spill-{worker}"),
            "preserve_insertion_order": False,
        }
    )
    duck.execute("SET enable_progress_bar = false")
    for name, columns in TABLES.items():
        if name not in TABLES_MADE:
            duck.execute(
                f"CREATE TABLE {name} ({', '.join(f'{key} {kinds[kind]}' for key, kind in columns.items())})"
            )
    started, grids, done, checked = time.perf_counter(), {}, 0, 0.0
    for shard in share_of(worker, workers, shards=shards):
        for name in TABLES_MADE:
            duck.execute(
                f"CREATE OR REPLACE VIEW {name} AS FROM read_parquet('{directory}/{name}.{shard.number}.parquet')"
            )
        found: dict[str, Any] = duck.execute(sql).fetchnumpy()
        courses = found["enrolment_id"] % COURSES
        order = np.argsort(courses, kind="stable")
        bounds = np.searchsorted(courses[order], np.arange(COURSES + 1))
        for key in cohort.COMPARED:
            values = np.ma.filled(found[key].astype(np.float64), np.nan)
            for course in range(COURSES):
                rows = order[bounds[course] : bounds[course + 1]]
                # As in serving: a cohort's grid comes from a sample of it.
                if (course, key) not in grids:
                    grids[course, key] = cohort.grid_of(values[rows][:400])
                checked += float(np.nansum(cohort.percentiles(grids[course, key], values[rows])))
        done += len(found["enrolment_id"])
        assert len(found) == len(COMPUTED) + 2
    seconds = time.perf_counter() - started
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(
        done,
        round(seconds, 1),
        round(usage.ru_utime + usage.ru_stime, 1),
        usage.ru_maxrss // 1024,
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--millions", type=int, nargs="+", default=[10, 50, 100], help="of events")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    if options.worker is not None:
        shards = options.millions[0] * 1_000_000 // EVENTS_EACH // SHARD
        work(options.directory, shards, options.worker, options.workers[0])
        return
    make(options.directory, max(options.millions) * 1_000_000 // EVENTS_EACH // SHARD)
    print("events | enrolments | workers | seconds | of processor time | peak MB of a worker | load")
    for millions in options.millions:
        for workers in options.workers:
            command = [sys.executable, "-m", "tests.bench.bulk", str(options.directory)]
            command += ["--millions", str(millions), "--workers", str(workers), "--worker"]
            started = [
                subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True)
                for number in range(workers)
            ]
            told = [process.communicate()[0].split() for process in started]
            done, seconds, cpu, memory = zip(*told, strict=True)
            print(
                f"{millions} M | {sum(map(int, done)):,} | {workers} | {max(map(float, seconds)):.1f} |"
                f" {sum(map(float, cpu)):.1f} | {max(map(int, memory)):,} | {os.getloadavg()[0]:.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
