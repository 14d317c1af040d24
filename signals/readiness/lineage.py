"""The checklist's questions about what is derived: labels, leaks, and whether it can all be made again."""

from collections.abc import Iterator
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Count, Q

from signals import clock, normalize
from signals.labels import DEFINITIONS
from signals.models import Credential, Label
from signals.readiness.answers import Line, State, at_least, at_most, line, ratio
from signals.reading import Reading, StoredRow, read_stored

SAMPLE = 300  # statements read again
LEAST_POSITIVE = 100
COMPARED = (
    "enrolment_id",
    "verb",
    "activity",
    "activity_type",
    "amount",
    "scaled",
    "success",
    "duration_s",
    "progress",
)


def labels(now: datetime) -> Iterator[Line]:
    """Are label definitions versioned, and are there labels to learn from?"""
    rows = {
        row["definition"]: row
        for row in Label.objects.order_by()
        .values("definition", "horizon_days")
        .annotate(number=Count("pk"), positive=Count("pk", filter=Q(value=True)), known=Count("value"))
    }
    total = sum(row["number"] for row in rows.values())
    strange = [
        key
        for key, row in rows.items()
        if key not in DEFINITIONS
        or not key.rpartition("@")[2].isdigit()
        or DEFINITIONS[key].horizon_days not in (None, row["horizon_days"])
    ]
    state = State.FAIL if strange else State.PASS if total else State.WARN
    yield line(
        "labels_versioned",
        "Are label definitions versioned?",
        state,
        f"{total:,} labels by {len(rows)} of {len(DEFINITIONS)} definitions"
        + (f"; unknown or of another horizon: {', '.join(sorted(strange))}" if strange else ""),
        "every label names a known definition and its version, with that version's horizon",
        "Labels are recorded by the stages “measure” and “untreated” once a horizon has passed; for those of an unknown"
        " definition, restore it in signals/labels/definitions.py under a version of its own.",
        value=float(len(strange)),
    )
    most = max(
        rows.values(), key=lambda row: min(row["positive"], row["known"] - row["positive"]), default=None
    )
    rarer = min(most["positive"], most["known"] - most["positive"]) if most else 0
    yield line(
        "labels_enough",
        "Are there enough labels of either kind to learn from?",
        at_least(float(rarer), LEAST_POSITIVE, None),
        f"{rarer:,} of the rarer kind"
        + (f" ({most['definition']}, {most['known']:,} known)" if most else ""),
        f"{LEAST_POSITIVE} (else warns)",
        "Keep to the seed formula until then; it needs no labels.",
        value=float(rarer),
    )


def leaks(now: datetime) -> Iterator[Line]:
    """Does anything know its own future?"""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM signals_label WHERE value IS NOT NULL"
            "          AND recorded_at < as_of + make_interval(days => horizon_days)),"
            "       (SELECT count(*) FROM signals_featurerow WHERE as_of > %s),"
            "       (SELECT count(*) FROM signals_event WHERE known_at < occurred_at - interval '10 minutes')",
            [now],
        )
        early, ahead, unborn = cursor.fetchone()
    found = early + ahead + unborn
    yield line(
        "leaks",
        "Are labels free of leaks from the future?",
        at_most(float(found), 0, 0),
        f"{early} labels recorded before their horizon had passed, {ahead} features dated ahead, {unborn} events known"
        " before they happened",
        "none",
        "Leave these rows out and find what wrote them; a model trained on them looks better than it is.",
        value=float(found),
    )


def raw(now: datetime) -> Iterator[Line]:
    """Can events be made again from what was sent? Tried on a sample; all of it is rolled back."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.id, s.stored, s.body, s.credential_id FROM signals_statement s"
            " WHERE NOT s.parked AND s.voided_at IS NULL AND s.voids IS NULL"
            # Spread evenly over ids, and the same again tomorrow.
            " ORDER BY uuid_hash_extended(s.id, 7) LIMIT %s",
            [SAMPLE],
        )
        rows = cursor.fetchall()
    loading = set(
        Credential.objects.filter(permissions__contains=[Credential.Permission.BACKFILL]).values_list(
            "pk", flat=True
        )
    )
    same = compared = 0
    with transaction.atomic():
        for backfill in (False, True):
            readings = [
                read_stored(StoredRow(key, stored, bytes(body), backfill))
                for key, stored, body, source in rows
                if (source in loading) is backfill
            ]
            for reading in readings:
                reading.waits = False  # an old registration must not enrol anybody again
            clock.recall(readings)
            if readings:
                one, all_ = _compare(readings, now, backfill)
                same, compared = same + one, compared + all_
        transaction.set_rollback(True)
    share = ratio(same, compared)
    yield line(
        "raw",
        "Can every event be made again from the raw statement?",
        at_least(share, 1.0, 0.99),
        f"{same} of {compared} sampled events come out the same",
        "100% (warns down to 99%)",
        "A verb, course or enrolment has changed since: manage.py rebuild, before training.",
        value=share,
    )


def _compare(readings: list[Reading], now: datetime, backfill: bool) -> tuple[int, int]:
    meant = normalize.interpret(readings, now=now, backfill=backfill)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT e.statement_id, {', '.join(f'e.{name}' for name in COMPARED)}"
            " FROM unnest(%s::timestamptz[], %s::uuid[]) n (at, id) CROSS JOIN LATERAL ("
            "  SELECT * FROM signals_event WHERE occurred_at = n.at AND statement_id = n.id OFFSET 0) e",
            [[reading.occurred_at for reading in readings], [reading.id for reading in readings]],
        )
        stored = {row[0]: row[1:] for row in cursor.fetchall()}
    pairs = [
        (stored.get(reading.id), event)
        for reading, event in zip(readings, meant.events, strict=True)
        # Nobody it can be about today: what was known then stands.
        if event is not None
    ]
    same = sum(1 for kept, event in pairs if kept == tuple(getattr(event, name) for name in COMPARED))
    return same, len(pairs)
