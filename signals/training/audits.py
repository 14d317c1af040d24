"""Fairness asked of this installation's own people: whose course is over, and what they declared or where they work."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q

from signals.models import ModelAudit, ModelVersion
from signals.risk.learned import UnusableModel
from signals.risk.live import live_model
from signals.training import heldout
from signals.training.fairness import Gap, Report, dump, report
from signals.training.remedies import CannotTry, Preview, preview, split_by_run

GIVEN_UP_AFTER = timedelta(hours=1)  # whoever began it is no longer there
KEPT = timedelta(days=90)


def audit(model: ModelVersion, *, now: datetime) -> Report:
    """For whom this model is right, among people it did not learn from. Raises NothingHeldOut, UnusableModel."""
    data, wanted = heldout.rows(models=(model,), now=now)
    places = wanted.nonzero()[0].tolist()
    attributes = {**heldout.slices(data), **data.attributes}
    runs = heldout.list_of(data)
    return report(
        probability=heldout.scores(model, data, now=now)[wanted],
        y=data.y[wanted],
        people=data.enrolment_ids[wanted],
        runs=[runs[place] for place in places],
        attributes={
            name: [values[place] for place in places]
            for name, values in attributes.items()
            if name not in ("course", "day") and any(values)
        },
    )


def remedy(key: str, *, attribute: str, now: datetime) -> Preview:
    """What a remedy would bring and cost here. Raises NothingHeldOut, CannotTry."""
    # No model that exists is asked, so every run that is over may be learned from and judged on.
    data, wanted = heldout.rows(models=(), now=now)
    learn, judge = split_by_run(data)
    return preview(
        remedy=key,
        attribute=attribute,
        data=heldout.with_places_of_work(data),
        learn=learn & wanted,
        judge=judge & wanted,
    )


# --- asked and answered -------------------------------------------------------------------------------------------


def ask(
    kind: ModelAudit.Kind,
    *,
    now: datetime,
    model: ModelVersion | None = None,
    by: UUID | None = None,
    **parameters: str,
) -> bool:
    """Whether the question is new; one that waits is the same."""
    before = ModelAudit.objects.filter(
        kind=kind, model_version=model, parameters=parameters, done_at__isnull=True
    )
    if before.exists():
        return False
    ModelAudit.objects.bulk_create(
        [ModelAudit(kind=kind, model_version=model, parameters=parameters, asked_at=now, asked_by=by)],
        ignore_conflicts=True,
    )
    return True


def ask_nightly(*, now: datetime) -> None:
    """For whom the live model is right, asked anew each night."""
    ModelAudit.objects.filter(asked_at__lt=now - KEPT).delete()
    ask(ModelAudit.Kind.FAIRNESS, now=now, model=live_model(now=now))


def answer(*, now: datetime) -> int:
    """How many questions were answered: one at a time, as each takes its time. A stage."""
    waiting = ModelAudit.objects.filter(
        Q(begun_at__isnull=True) | Q(begun_at__lt=now - GIVEN_UP_AFTER), done_at__isnull=True
    )
    row = waiting.select_related("model_version").order_by("asked_at", "pk").first()
    if row is None or not waiting.filter(pk=row.pk).update(begun_at=now):
        return 0
    result: dict[str, Any] = {}
    says = ""
    try:
        if row.kind == ModelAudit.Kind.REMEDY:
            result = _told(
                remedy(str(row.parameters["remedy"]), attribute=str(row.parameters["attribute"]), now=now)
            )
        else:
            result = dump(audit(row.model_version or live_model(now=now), now=now))
    except (heldout.NothingHeldOut, CannotTry, UnusableModel) as fault:
        says = str(fault)
    ModelAudit.objects.filter(pk=row.pk).update(done_at=now, result=result, says=says)
    return 1


def _told(tried: Preview) -> dict[str, Any]:
    def gap(found: Gap | None) -> dict[str, Any] | None:
        if found is None:
            return None
        one = found.figure
        return {
            "value": one.value,
            "low": one.low,
            "high": one.high,
            "highest": found.highest,
            "lowest": found.lowest,
        }

    return {
        "name": tried.remedy.name,
        "says": tried.remedy.says,
        "rows": tried.rows,
        "metrics": {
            name: {
                "old": pair.old,
                "new": pair.new,
                "gain": pair.gain.value,
                "low": pair.gain.low,
                "high": pair.gain.high,
            }
            for name, pair in tried.metrics.items()
        },
        "before": gap(tried.before),
        "after": gap(tried.after),
    }
