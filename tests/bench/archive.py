"""What the cold store costs: time and bytes per event and statement, and what reading, erasing and rebuilding take.

    python manage.py import_oulad DIR --presentation 2013J --module DDD      # about 700,000 statements
    python -m tests.bench.archive [--rebuild] [--keep-dir DIR]

Works on what the database that DATABASE_URL names holds, in one transaction that is rolled back, and on a directory
that is removed: nothing stays behind. Takes the whole history as past, whatever its dates.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

ASKED = 300


@contextmanager
def timed(what: str, count: int = 0, unit: str = "") -> Iterator[Callable[[str], None]]:
    """Prints how long the block took, per unit too, and what it adds."""
    notes: list[str] = []
    began = time.perf_counter()
    yield notes.append
    seconds = time.perf_counter() - began
    rate = f"  {count / seconds:,.0f} {unit}/s" if count else ""
    print(f"{what:<48}{seconds:>8.2f} s{rate}  {' '.join(notes)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep-dir", help="write the files here and leave them (nobody can read them later)")
    parser.add_argument(
        "--rebuild", action="store_true", help="also verify everything from the cold store (minutes)"
    )
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    with tempfile.TemporaryDirectory() as directory:
        os.environ["ARCHIVE_DIR"] = options.keep_dir or directory
        import django

        django.setup()
        from django.db import connection, transaction

        host = connection.settings_dict["HOST"]
        assert host in ("127.0.0.1", "localhost", "") or host.startswith("/"), "only on this machine"
        with transaction.atomic():
            measure(with_rebuild=options.rebuild)
            transaction.set_rollback(True)


def measure(*, with_rebuild: bool) -> None:
    """Everything, in the order of a month's life."""
    from django.db import connection

    from signals.archive.write import archive, due
    from signals.models import ArchiveFile, Event, Statement

    now = datetime.now(UTC) + timedelta(days=40)  # the month of the import is over, too
    ArchiveFile.objects.all().delete()  # comes back with the roll-back
    events, statements = Event.objects.count(), Statement.objects.count()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits"
            " WHERE inhparent = 'signals_event'::regclass), pg_total_relation_size('signals_statement')"
        )
        in_events, in_statements = cursor.fetchone()
    print(f"{events} events, {statements} statements")
    with timed("finding what is due"):
        due(now=now)
    rows = events + statements
    with timed("archiving, with reading back", rows, "rows") as note:
        written = archive(now=now)
        note(f"{len(written.files)} files")
    with timed("archiving again"):
        assert archive(now=now).files == []
    for kind, count, before in (
        (ArchiveFile.Kind.EVENT, events, in_events),
        (ArchiveFile.Kind.STATEMENT, statements, in_statements),
    ):
        size = sum(file.bytes for file in written.files if file.kind == kind)
        print(
            f"  {kind:<10} {size / count:6.1f} bytes each (PostgreSQL with its indexes: {before / count:.0f})"
        )
    read(now)
    leave(now, with_rebuild=with_rebuild)
    people(now)


def read(now: datetime) -> None:
    """Questions to the cold store."""
    from learners.models import Enrolment
    from signals.archive.reading import connect, features
    from signals.features.serving import compute
    from signals.models import Event

    events = Event.objects.count()
    with timed("DuckDB: events and clicks by verb", events, "events"), connect() as duck:
        duck.execute("SELECT verb, count(*), sum(amount) FROM event GROUP BY 1").fetchall()
    ids = list(Enrolment.objects.values_list("pk", flat=True))
    with timed("DuckDB: features of every enrolment", len(ids), "enrolments"), connect() as duck:
        cold = features(duck, ids, as_of=now)
    with timed("PostgreSQL: the same, from rollups", len(ids), "enrolments") as note:
        hot = compute([(pk, now) for pk in ids])
        different = sum(_differ(cold[pk], hot[pk]) for pk in ids)
        note(f"{different} enrolments differ")


def _differ(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return any(
        abs(value - one[key]) > 1e-9 * max(1, abs(value))
        if isinstance(value, float) and one[key] is not None
        else value != one[key]
        for key, value in other.items()
    )


def leave(now: datetime, *, with_rebuild: bool) -> None:
    """Months leave PostgreSQL, and are asked for afterwards."""
    from signals.archive import cooling, raw
    from signals.models import ArchiveFile, DailyRollup, Event, Statement
    from signals.rebuild import Mode, rebuild
    from signals.xapi import bodies

    events, statements = Event.objects.count(), Statement.objects.count()
    with timed("cooling every month", events, "events") as note:
        for file in ArchiveFile.objects.filter(kind=ArchiveFile.Kind.EVENT):
            cooling.cool(file.month, now=now)
        note(f"{Event.objects.count()} completions stay")
    with timed("releasing every raw body", statements, "statements"):
        for file in ArchiveFile.objects.filter(kind=ArchiveFile.Kind.STATEMENT):
            raw.release(file.month, now=now)
    some = list(Statement.objects.order_by("digest")[:ASKED])
    with timed(f"reading {ASKED} bodies from all over", ASKED, "bodies"):
        for row in some:
            bodies.unseal(bytes(row.body))
    pairs = list(DailyRollup.objects.order_by("enrolment", "day").values_list("enrolment", "day")[:ASKED])
    with timed(f"bringing {len(pairs)} days back and away again", len(pairs), "days"), cooling.thawed(pairs):
        pass
    if with_rebuild:
        with timed("rebuild --verify, all from the cold store", statements, "statements") as note:
            done = rebuild(now=now, mode=Mode.VERIFY)
            note(f"{done.changed} differ")


def people(now: datetime) -> None:
    """One person leaves every file."""
    from learners.models import Learner
    from signals import privacy

    learner = Learner.objects.order_by("pk").first()
    assert learner is not None
    with timed("exporting one person") as note:
        found = privacy.export(learner.pk)
        note(f"{len(found['statements'])} statements")
    with timed("erasing one person from every file") as note:
        counts = privacy.erase(learner.pk, now=now)
        note(f"{counts['archived_events']} events, {counts['archived_statements']} statements")


if __name__ == "__main__":
    main()
