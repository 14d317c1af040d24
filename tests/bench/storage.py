"""How many bytes a statement takes, in every table and index: raw, event, results and all.

    python -m tests.bench.storage DIRECTORY --module DDD --presentation 2013J --days 60

Sends the first days of an Open University run through the record store's own endpoint, into the database that
DATABASE_URL names (run it on an empty one), and asks PostgreSQL how large each relation has become.
"""

import argparse
import os
import time
from pathlib import Path

RELATIONS = """
SELECT c.relname, c.relkind, pg_relation_size(c.oid) + CASE WHEN c.reltoastrelid = 0 THEN 0
        ELSE pg_total_relation_size(c.reltoastrelid) END
FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid
WHERE c.relkind IN ('r', 'i') AND c.relnamespace = 'public'::regnamespace
  AND (c.relname LIKE ANY (%s) OR i.indrelid IN (SELECT oid FROM pg_class WHERE relname LIKE ANY (%s)))
"""
STORED = ["signals_statement%", "signals_event%", "signals_assessmentresult%"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--module", default="DDD")
    parser.add_argument("--presentation", default="2013J")
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument(
        "--learn-after",
        type=int,
        default=-14,
        metavar="DAY",
        help="the day after which the compression dictionary is learned",
    )
    options = parser.parse_args()
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from coaching.demo.endpoint import Endpoint
    from coaching.demo.importing import prepare, send
    from coaching.demo.oulad import open_tables
    from signals import dictionaries

    call_command("migrate", verbosity=0)
    tables = open_tables(options.directory)
    (run,) = tables.select(presentations=[options.presentation], modules=[options.module])
    imported = prepare(tables, run, starts_by=None, now=timezone.now())
    endpoint = Endpoint("Storage bench", timezone.now())
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        began = time.perf_counter()
        send(tables, imported, endpoint, to_day=options.learn_after)
        dictionaries.learn(now=timezone.now())  # the beat does this within the hour
        send(tables, imported, endpoint, from_day=options.learn_after + 1, to_day=options.days)
        seconds = time.perf_counter() - began
        # Otherwise part of the index is still in its waiting list, counted at its least dense.
        cursor.execute("VACUUM ANALYZE signals_statement, signals_event, signals_assessmentresult")
        cursor.execute("SELECT count(*), avg(length(body)) FROM signals_statement")
        count, body = cursor.fetchone()
        cursor.execute(RELATIONS, [STORED, STORED])
        sizes: dict[tuple[str, str], int] = {}
        for name, kind, size in cursor.fetchall():
            key = (_whole(name), "index" if kind == "i" else "table")
            sizes[key] = sizes.get(key, 0) + size
    print(f"{endpoint.totals.sent} sent in {seconds:.1f} s; {count} stored; a body takes {body:.0f} bytes")
    for (name, kind), size in sorted(sizes.items(), key=lambda item: -item[1]):
        if size / count >= 0.05:
            print(f"{size / count:8.1f} bytes a statement  {kind:5}  {name}")
    print(f"{sum(sizes.values()) / count:8.1f} bytes a statement in all")


def _whole(name: str) -> str:
    """A partition and its indexes count with those of its parent."""
    for part in name.split("_"):
        if part.isdigit():
            name = name.replace(f"_{part}", "", 1)
    return name


if __name__ == "__main__":
    main()
