"""Indexes of half the size: PostgreSQL keeps equal keys of a btree once, so keys are made to be equal.

Of an event's four indexes, two held a key of 24 to 32 bytes that no other event had. By person, and by enrolment and
UTC day (what rollups ask for), many events share one key. The primary key's promise was never the event's own: it
rides on its statement's key. Partitions get their indexes one by one without stopping writers.
"""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models

NEW = {
    # "What did this person do": timeline, export and erasure.
    "event_by_person": "(learner_id)",
    # "All of this enrolment's dirty days": rollups read nothing else. Without it every rollup walks the month.
    "event_by_enrolment_day": "(enrolment_id, ((occurred_at AT TIME ZONE 'UTC')::date)) WHERE enrolment_id IS NOT NULL",
    # Scans over a span of time (rebuild, cold store), and the one event of a statement whose time is known (voiding).
    "event_by_moment": "(occurred_at)",
}
OLD = {
    "event_by_learner": "btree (learner_id, occurred_at)",
    "event_by_enrolment": "btree (enrolment_id, occurred_at) WHERE enrolment_id IS NOT NULL",
    "event_by_time": "brin (occurred_at)",
}


def partitions(cursor):
    cursor.execute(
        "SELECT c.relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid"
        " WHERE inhparent = 'signals_event'::regclass ORDER BY c.relname"
    )
    return [name for (name,) in cursor.fetchall()]


def is_attached(cursor, index):
    cursor.execute("SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(%s))", [index])
    return cursor.fetchone()[0]


def narrow(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        for name, key in NEW.items():
            cursor.execute(f"CREATE INDEX IF NOT EXISTS {name} ON ONLY signals_event USING btree {key}")
            for partition in partitions(cursor):
                own = f"{name}_{partition.removeprefix('signals_event_')}"
                if is_attached(cursor, own):
                    continue  # an earlier try got this far
                cursor.execute(f"DROP INDEX IF EXISTS {own}")  # ... or was cut short and left an invalid one
                cursor.execute(f"CREATE INDEX CONCURRENTLY {own} ON {partition} USING btree {key}")
                cursor.execute(f"ALTER INDEX {name} ATTACH PARTITION {own}")
        for name in OLD:
            cursor.execute(f"DROP INDEX IF EXISTS {name}")
        cursor.execute("ALTER TABLE signals_event DROP CONSTRAINT IF EXISTS signals_event_pkey")


def widen(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE signals_event ADD CONSTRAINT signals_event_pkey PRIMARY KEY (occurred_at, statement_id)"
        )
        for name, key in OLD.items():
            cursor.execute(f"CREATE INDEX {name} ON signals_event USING {key}")
        for name in NEW:
            cursor.execute(f"DROP INDEX {name}")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("signals", "0050_archive_files")]

    operations = [
        migrations.RunPython(narrow, widen),
        # Paging: those of one moment are put in order of id as they are read.
        AddIndexConcurrently("statement", models.Index(fields=("stored",), name="statement_by_moment")),
        RemoveIndexConcurrently("statement", "statement_by_stored"),
    ]
