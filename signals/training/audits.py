"""Fairness asked of this installation's own people: whose course is over, and what they declared or where they work."""

from datetime import datetime

from signals.models import ModelVersion
from signals.training import heldout
from signals.training.fairness import Report, report
from signals.training.remedies import Preview, preview, split_by_run


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
