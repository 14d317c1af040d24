"""Features of every enrolment from daily rollups, in DuckDB and in shards: how long it takes, and how much memory.

    python -m tests.bench.bulk DIRECTORY --millions 10 50 100 --workers 1 2 [--model ARTEFACT]

Makes daily rollups as Parquet files (a hundred events an enrolment, on 25 days; six results), one file a shard, then
computes all features, with percentiles, of every enrolment as of one moment, and with --model scores them with an
artefact. Needs no database. Several workers are processes that share the shards out; the machine's threads and memory
are divided among them. Times are of computing only: the statement is compiled before.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Floats = np.ndarray[Any, np.dtype[np.float64]]

EVENTS_EACH = 100
SHARD = 50_000  # enrolments
COURSES = 100
AS_OF_DAY = 20_600
THREADS = 2
SAMPLE = 400  # people of a cohort that its grid is made from
ROWS_AT_ONCE = 5_000  # scored together
KINDS = {
    "int64": "BIGINT",
    "int32": "INTEGER",
    "float64": "DOUBLE",
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
}
OVER_DAILY = ("rollup", "material", "watched")  # views over `daily`

TABLES_MADE = {
    "enrolment": """
        SELECT id AS enrolment_id, ({day} * 86400.0 + 86399)::DOUBLE AS as_of, {day}::INTEGER AS as_of_day,
               id % {courses} AS course_id, ({day} - 60)::INTEGER AS start_day, ({day} + 60)::INTEGER AS due_day,
               0.4::DOUBLE AS pass_mark, 120::INTEGER AS length_days, ({day} - 80)::INTEGER AS enrolled_day,
               (id % 3)::INTEGER AS earlier_attempts, 60.0::DOUBLE AS study_load, ({day} - 900)::INTEGER AS hired_day,
               (id % 3)::INTEGER AS role_impact
        FROM ids""",
    "daily": """
        SELECT id AS enrolment_id, d.day::INTEGER AS day, 4::INTEGER AS events, amount::INTEGER AS amount,
               2::INTEGER AS learning_sessions, (amount * 37)::INTEGER AS seconds,
               (d.day * 86400.0 + h % 80000)::DOUBLE AS last_at, (h % 2)::INTEGER AS hasty, 3::INTEGER AS activities,
               amount::INTEGER AS kind_content, (h % 3)::INTEGER AS kind_assessment,
               (h % 5)::INTEGER AS kind_discussion, 0::INTEGER AS kind_file, (h % 4)::INTEGER AS kind_page,
               0::INTEGER AS kind_media, 0::INTEGER AS kind_meeting, 0::INTEGER AS kind_other, 0::INTEGER AS night,
               amount::INTEGER AS morning, (h % 6)::INTEGER AS afternoon, 0::INTEGER AS evening,
               -- Three different things a day, some forty in all: 64-bit hashes, as activities are.
               [(hash(id % {courses}, (h + k * 13) % 40) >> 1)::BIGINT FOR k IN range(3)] AS opened,
               CASE WHEN h % 10 = 0 THEN [(hash(id % {courses}, h % 40) >> 1)::BIGINT] END AS watched,
               CASE WHEN h % 10 = 0 THEN [(h % 100) / 100.0::DOUBLE] END AS watched_shares
        FROM ids, range(25) n(n),
             LATERAL (SELECT {day} - 70 + n * 3 - (hash(id, n) % 3)::BIGINT + id % 9 AS day,
                             (hash(n, id) % 100000)::BIGINT AS h,
                             1 + (hash(id, n, 1) % 20)::BIGINT AS amount) d
        WHERE d.day <= {day}""",
    "result": """
        SELECT id AS enrolment_id, lpad((id * 6 + n)::VARCHAR, 32, '0') AS key,
               (({day} - 60 + n * 9) * 86400.0 + id % 80000)::DOUBLE AS moment, moment AS seen,
               ((hash(id, n) % 100)::BIGINT / 100.0)::DOUBLE AS scaled, NULL::BOOLEAN AS success, false AS is_item,
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


def open_worker(directory: Path, worker: int, workers: int) -> Any:
    """A worker's own DuckDB, with empty tables for what the generated set has nothing of."""
    import duckdb

    duck = duckdb.connect(
        config={
            "threads": max(1, THREADS // workers),
            "memory_limit": f"{2048 // workers}MB",
            "temp_directory": str(directory / f"spill-{worker}"),
            "preserve_insertion_order": False,
        }
    )
    duck.execute("SET enable_progress_bar = false")
    put_empty(duck)
    return duck


def put_empty(duck: Any) -> None:
    """Makes empty tables of all that the definitions read and the generated set has nothing of."""
    from signals.features.expression import TABLES

    for name, columns in TABLES.items():
        if name not in (*TABLES_MADE, *OVER_DAILY):
            shape = ", ".join(f"{key} {KINDS[kind]}" for key, kind in columns.items())
            duck.execute(f"CREATE TABLE {name} ({shape})")


def work(directory: Path, shards: int, worker: int, workers: int, artefact: Path | None) -> None:
    """What one worker does: the features of its shards, each by itself; prints seconds and peak memory."""
    import numpy as np

    from signals.features.bulk.rollups import put_views
    from signals.features.compile import duckdb_sql
    from signals.features.definitions import COMPUTED
    from signals.features.shards import share_of

    sql = duckdb_sql()
    model = None if artefact is None else loaded(artefact)
    duck = open_worker(directory, worker, workers)
    grids: dict[tuple[int, str], Any] = {}
    started, done, risk = time.perf_counter(), 0, 0.0
    spent = cpu()
    parts = {"features": 0.0, "percentiles": 0.0, "model": 0.0}
    for shard in share_of(worker, workers, shards=shards):
        at = cpu()
        for name in TABLES_MADE:
            duck.execute(
                f"CREATE OR REPLACE VIEW {name} AS FROM read_parquet('{directory}/{name}.{shard.number}.parquet')"
            )
        put_views(duck)
        found: dict[str, Any] = duck.execute(sql).fetchnumpy()
        assert len(found) == len(COMPUTED) + 2
        parts["features"] += cpu() - at
        at = cpu()
        columns = {key: np.ma.filled(column.astype(np.float64), np.nan) for key, column in found.items()}
        add_percentiles(columns, grids)
        parts["percentiles"] += cpu() - at
        if model is not None:
            at = cpu()
            matrix = np.stack([columns[key] for key in model.keys], axis=1)
            for first in range(0, len(matrix), ROWS_AT_ONCE):
                risk += float(model.score(matrix[first : first + ROWS_AT_ONCE]).probability.sum())
            parts["model"] += cpu() - at
        done += len(columns["enrolment_id"])
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    told = ",".join(f"{name}={value:.1f}" for name, value in parts.items())
    print(done, round(seconds, 1), round(cpu() - spent, 1), peak, told, flush=True)


def add_percentiles(columns: "dict[str, Floats]", grids: dict[tuple[int, str], Any]) -> None:
    """Where everybody stands in their course. As in serving, a grid comes from a sample, and is made once."""
    import numpy as np

    from signals.features import cohort

    courses = columns["enrolment_id"].astype(np.int64) % COURSES
    order = np.argsort(courses, kind="stable")
    bounds = np.searchsorted(courses[order], np.arange(COURSES + 1))
    for key in cohort.COMPARED:
        values, standing = columns[key][order], np.empty(len(order))
        for course in range(COURSES):
            rows = slice(bounds[course], bounds[course + 1])
            if (course, key) not in grids:
                grids[course, key] = cohort.grid_of(values[rows][:SAMPLE])
            standing[rows] = cohort.percentiles(grids[course, key], values[rows])
        columns[key + cohort.SUFFIX] = np.empty(len(order))
        columns[key + cohort.SUFFIX][order] = standing


def loaded(artefact: Path) -> Any:
    """The model in a file."""
    from signals.features.definitions import VERSIONS
    from signals.risk.learned import load

    return load(artefact.read_bytes(), feature_versions=VERSIONS)


def cpu() -> float:
    """Processor time of this process so far, all threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--millions", type=int, nargs="+", default=[10, 50, 100], help="of events")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--model", type=Path, help="an artefact as training packs it; without it, no scores")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    if options.worker is not None:
        shards = options.millions[0] * 1_000_000 // EVENTS_EACH // SHARD
        work(options.directory, shards, options.worker, options.workers[0], options.model)
        return
    make(options.directory, max(options.millions) * 1_000_000 // EVENTS_EACH // SHARD)
    print(
        "events | enrolments | workers | seconds | of processor time | peak MB of all workers | load | by part"
    )
    for millions in options.millions:
        for workers in options.workers:
            command = [sys.executable, "-m", "tests.bench.bulk", str(options.directory)]
            command += ["--millions", str(millions), "--workers", str(workers)]
            command += [] if options.model is None else ["--model", str(options.model)]
            command += ["--worker"]
            started = [
                subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True)
                for number in range(workers)
            ]
            told = [process.communicate()[0].split() for process in started]
            done, seconds, spent, memory, parts = zip(*told, strict=True)
            print(
                f"{millions} M | {sum(map(int, done)):,} | {workers} | {max(map(float, seconds)):.1f} |"
                f" {sum(map(float, spent)):.1f} | {sum(map(int, memory)):,} | {os.getloadavg()[0]:.1f} |"
                f" {' '.join(parts)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
