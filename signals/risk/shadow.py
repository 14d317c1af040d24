"""A model on trial: it scores what is refreshed beside the live one, is shown to nobody, and may fail alone."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.core.cache import cache
from django.db import connection, transaction

from signals.features.retired import without
from signals.models import ModelVersion, Risk, ShadowRisk
from signals.risk import live
from signals.risk.known import Known

log = logging.getLogger(__name__)

PAUSE = timedelta(minutes=10)  # after it failed: the refresh must not pay for the same fault again and again
AT_ONCE = 5_000


def shadow_model() -> ModelVersion | None:
    """The version on trial, without what is large."""
    return ModelVersion.objects.filter(is_shadow=True).defer("artefact", "metrics", "card").first()


def score(known: Sequence[Known], *, now: datetime) -> int:
    """How many enrolments the model on trial scored too, in the caller's transaction, after the live one.

    Whatever goes wrong is undone to a savepoint and noted; the live risks stay.
    """
    if not known:
        return 0
    version = shadow_model()
    if version is None or cache.get(_key(version)):
        return 0
    rows = sorted(without(known), key=lambda row: row.enrolment_id)
    try:
        with transaction.atomic():
            assessed = live.scorer(version, now=now).assess(rows)
            _write(rows, [one.value for one in assessed], version)
    except Exception as fault:
        # A model on trial may be broken in any way; what people wait for must go on without it. The savepoint above
        # keeps the caller's transaction usable after a database's own error, and `fault` tells the administrators.
        cache.set(_key(version), type(fault).__name__, timeout=int(PAUSE.total_seconds()))
        log.warning("model %s in shadow cannot score, paused: %s", version.name, fault)
        return 0
    return len(rows)


def fault(version: ModelVersion) -> str:
    """What kept the model on trial from scoring in the last minutes; empty where nothing did."""
    return str(cache.get(_key(version)) or "")


def sweep(*, now: datetime, limit: int = AT_ONCE) -> int:
    """How many scores of a trial that is over were let go. Those a person was asked about stay: they are evidence."""
    current = shadow_model()
    rows = ShadowRisk.objects.filter(asked_at__isnull=True)
    if current is not None:
        rows = rows.exclude(model_version=current.pk)
    keys = list(rows.order_by("pk").values_list("pk", flat=True)[:limit])
    # Asked again: the model that came after may have scored one meanwhile.
    return rows.filter(pk__in=keys).delete()[0]


_UPSERT = """
INSERT INTO signals_shadowrisk AS s (enrolment_id, model_version_id, value, live_model_id, live_value, as_of, asked_at)
SELECT n.id, %(model)s, n.value, r.model_version_id, r.value, n.as_of, NULL
FROM unnest(%(ids)s::bigint[], %(values)s::float8[], %(as_of)s::timestamptz[]) AS n (id, value, as_of)
JOIN signals_risk r ON r.enrolment_id = n.id
ON CONFLICT (enrolment_id) DO UPDATE SET
    model_version_id = excluded.model_version_id, value = excluded.value, as_of = excluded.as_of,
    live_model_id = excluded.live_model_id, live_value = excluded.live_value, asked_at = NULL
-- What a person was asked about stays as it was when they were asked.
WHERE s.asked_at IS NULL OR s.model_version_id <> excluded.model_version_id
"""


def _write(rows: Sequence[Known], values: Sequence[float | None], version: ModelVersion) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _UPSERT,
            {
                "model": version.pk,
                "ids": [row.enrolment_id for row in rows],
                "values": list(values),
                "as_of": [row.as_of for row in rows],
            },
        )


def forget(enrolment_ids: Sequence[int]) -> None:
    """Lets go what was scored of those who are no longer anyone's concern."""
    ShadowRisk.objects.filter(pk__in=list(enrolment_ids)).delete()


def coverage() -> tuple[int, int]:
    """How many current risks the model on trial has scored too, and how many there are."""
    version = shadow_model()
    if version is None:
        return 0, Risk.objects.count()
    return ShadowRisk.objects.filter(model_version=version.pk).count(), Risk.objects.count()


def _key(version: ModelVersion) -> str:
    return f"shadow-paused:{version.pk}"
