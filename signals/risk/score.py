"""Stage 4: the current risk of each enrolment whose features were just computed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from consent.arrays import fetch, float8s, int2s, int8s, moments, texts
from signals.features.retired import without
from signals.models import ModelVersion, Risk, RiskChange
from signals.risk import live
from signals.risk.composite import Assessed, moved
from signals.risk.known import Known
from signals.risk.live import FIRST_MODEL, live_model

__all__ = ["FIRST_MODEL", "Known", "Weighed", "keep", "live_model", "score", "weigh"]


@dataclass(frozen=True, slots=True)
class Weighed:
    """Risks that are computed and not yet written."""

    model: ModelVersion | None  # None where there are none
    risks: Sequence[tuple[Known, Assessed]]

    def of(self, enrolment_ids: Collection[int]) -> "Weighed":
        """Those of these enrolments."""
        return Weighed(self.model, [one for one in self.risks if one[0].enrolment_id in enrolment_ids])


def weigh(known: Sequence[Known], *, now: datetime) -> Weighed:
    """The risks of these rows. Needs no lock, and writes nothing but what is wrong with a model."""
    if not known:
        return Weighed(None, [])
    rows = sorted(without(known), key=lambda row: row.enrolment_id)
    model, assessed = live.assess(rows, now=now)
    return Weighed(model, list(zip(rows, assessed, strict=True)))


def keep(weighed: Weighed, *, now: datetime, only_changed: bool = False) -> int:
    """How many risks were written. With `only_changed`, a risk that came out the same is left untouched.

    Runs in the caller's transaction, which holds the lock of each enrolment's mark.
    """
    model, fresh = weighed.model, list(weighed.risks)
    if model is None or not fresh:
        return 0
    before = dict(
        fetch(
            "SELECT enrolment_id, value FROM signals_risk WHERE enrolment_id = ANY($1)",
            [int8s([row.enrolment_id for row, _ in fresh])],
        )
    )
    if only_changed:
        stored = Risk.objects.in_bulk(list(before))
        fresh = [
            (row, risk)
            for row, risk in fresh
            if not _is_same(stored.get(row.enrolment_id), risk, model=model)
        ]
    _write(fresh, model=model, now=now)
    changes = [
        RiskChange(
            enrolment_id=row.enrolment_id, before=old, after=risk.value, model_version=model, at=row.as_of
        )
        for row, risk in fresh
        if moved(old := before.get(row.enrolment_id), risk.value)
    ]
    RiskChange.objects.bulk_create(changes)
    return len(fresh)


def score(known: Sequence[Known], *, now: datetime, only_changed: bool = False) -> int:
    """Both at once: how many risks were computed and written, under the locks that `keep` asks for."""
    return keep(weigh(known, now=now), now=now, only_changed=only_changed)


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
SELECT id, value, coverage, known_signals, reasons::jsonb, base, $1::bigint, as_of, known_seq, review_at,
       $2::timestamptz
FROM unnest($3::bigint[], $4::float8[], $5::float8[], $6::smallint[], $7::text[], $8::float8[], $9::timestamptz[],
            $10::bigint[], $11::timestamptz[])
    AS r (id, value, coverage, known_signals, reasons, base, as_of, known_seq, review_at)
ON CONFLICT (enrolment_id) DO UPDATE SET
    value = excluded.value, coverage = excluded.coverage, known_signals = excluded.known_signals,
    reasons = excluded.reasons, base = excluded.base, model_version_id = excluded.model_version_id,
    as_of = excluded.as_of, known_seq = excluded.known_seq, review_at = excluded.review_at,
    unread_since = excluded.unread_since
RETURNING 1
"""


def _write(fresh: Sequence[tuple[Known, Assessed]], *, model: ModelVersion, now: datetime) -> None:
    if not fresh:
        return
    encode = msgspec.json.Encoder().encode
    fetch(
        _UPSERT,
        [
            model.pk,
            now,
            int8s([row.enrolment_id for row, _ in fresh]),
            float8s([risk.value for _, risk in fresh]),
            float8s([risk.coverage for _, risk in fresh]),
            int2s([risk.known_signals for _, risk in fresh]),
            texts([encode(risk.reasons).decode() for _, risk in fresh]),
            float8s([risk.base for _, risk in fresh]),
            moments([row.as_of for row, _ in fresh]),
            int8s([row.known_seq for row, _ in fresh]),
            moments([risk.review_at for _, risk in fresh]),
        ],
    )
