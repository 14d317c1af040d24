"""Stage 4: the current risk of each enrolment whose features were just computed."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection
from psycopg.types.json import Jsonb

from signals.features.retired import without
from signals.models import ModelVersion, Risk, RiskChange
from signals.risk import live
from signals.risk.composite import Assessed, moved
from signals.risk.known import Known
from signals.risk.live import FIRST_MODEL, live_model

__all__ = ["FIRST_MODEL", "Known", "live_model", "score"]


def score(known: Sequence[Known], *, now: datetime, only_changed: bool = False) -> int:
    """How many risks were written. With `only_changed`, a risk that came out the same is left untouched.

    Runs in the caller's transaction, which holds the lock of each enrolment's mark.
    """
    if not known:
        return 0
    before = {
        risk.pk: risk
        for risk in Risk.objects.filter(pk__in=[row.enrolment_id for row in known]).order_by("pk")
    }
    rows = sorted(without(known), key=lambda row: row.enrolment_id)
    model, assessed = live.assess(rows, now=now)
    fresh = list(zip(rows, assessed, strict=True))
    if only_changed:
        fresh = [
            (row, risk)
            for row, risk in fresh
            if not _is_same(before.get(row.enrolment_id), risk, model=model)
        ]
    _write(fresh, model=model, now=now)
    changes = [
        RiskChange(
            enrolment_id=row.enrolment_id, before=old, after=risk.value, model_version=model, at=row.as_of
        )
        for row, risk in fresh
        if moved(old := before[row.enrolment_id].value if row.enrolment_id in before else None, risk.value)
    ]
    RiskChange.objects.bulk_create(changes)
    return len(fresh)


def _is_same(stored: Risk | None, risk: Assessed, *, model: ModelVersion) -> bool:
    return (
        stored is not None
        and stored.model_version_id == model.pk
        and (stored.value, stored.coverage, stored.base, stored.reasons)
        == (risk.value, risk.coverage, risk.base, risk.reasons)
    )


_UPSERT = """
INSERT INTO signals_risk (enrolment_id, value, coverage, known_signals, reasons, base, model_version_id,
                          as_of, known_seq, review_at, unread_since)
SELECT id, value, coverage, known_signals, reasons, base, %(model)s, as_of, known_seq, review_at, %(now)s
FROM unnest(%(ids)s::bigint[], %(values)s::float8[], %(coverage)s::float8[], %(signals)s::smallint[],
            %(reasons)s::jsonb[], %(base)s::float8[], %(as_of)s::timestamptz[], %(known_seq)s::bigint[],
            %(review_at)s::timestamptz[])
    AS r (id, value, coverage, known_signals, reasons, base, as_of, known_seq, review_at)
ON CONFLICT (enrolment_id) DO UPDATE SET
    value = excluded.value, coverage = excluded.coverage, known_signals = excluded.known_signals,
    reasons = excluded.reasons, base = excluded.base, model_version_id = excluded.model_version_id,
    as_of = excluded.as_of, known_seq = excluded.known_seq, review_at = excluded.review_at,
    unread_since = excluded.unread_since
"""


def _write(fresh: Sequence[tuple[Known, Assessed]], *, model: ModelVersion, now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _UPSERT,
            {
                "model": model.pk,
                "now": now,
                "ids": [row.enrolment_id for row, _ in fresh],
                "values": [risk.value for _, risk in fresh],
                "coverage": [risk.coverage for _, risk in fresh],
                "signals": [risk.known_signals for _, risk in fresh],
                "reasons": [Jsonb(risk.reasons) for _, risk in fresh],
                "base": [risk.base for _, risk in fresh],
                "as_of": [row.as_of for row, _ in fresh],
                "known_seq": [row.known_seq for row, _ in fresh],
                "review_at": [risk.review_at for _, risk in fresh],
            },
        )
