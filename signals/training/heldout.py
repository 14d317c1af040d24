"""Rows that neither of two models learned from, scored by both as serving would score them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from learners.models import Enrolment
from signals.models import ModelVersion
from signals.risk import live
from signals.risk.known import Known
from signals.risk.learned import UnusableModel
from signals.training import card as cards
from signals.training import cohorts, dataset
from signals.training.dataset import Dataset, NothingToLearnFrom
from signals.training.gate import Evidence

if TYPE_CHECKING:
    from signals.array_types import Flags, Floats

DAYS = (14, 28, 56, 84)
LABEL = "passed_by_end@1"
AT_ONCE = 5_000


class NothingHeldOut(ValueError):
    """No run is over that the models have not learned from."""


def evidence(
    *, candidate: ModelVersion, compared_with: ModelVersion, now: datetime, days: Sequence[int] = DAYS
) -> Evidence:
    """Everything the gate looks at. Raises NothingHeldOut, UnusableModel.

    A live model that cannot be used is not what people get: the candidate is compared with what scores in its place.
    Otherwise nothing could ever follow a model that broke.
    """
    live.scorer(candidate, now=now)
    scoring, stands_in = _scoring(compared_with, now=now)
    data, wanted = rows(models=(candidate, compared_with, scoring), now=now, days=days)
    old, new = scores(scoring, data, now=now), scores(candidate, data, now=now)
    groups = slices(data)

    def chosen(values: Sequence[str]) -> list[str]:
        return [value for value, keep in zip(values, wanted, strict=True) if keep]

    return Evidence(
        candidate=candidate.name,
        live=compared_with.name,
        old=old[wanted],
        new=new[wanted],
        y=data.y[wanted],
        people=data.enrolment_ids[wanted],
        runs=chosen(list_of(data)),
        slices={name: chosen(values) for name, values in groups.items()},
        attributes={name: chosen(values) for name, values in data.attributes.items()},
        data=dataset.dataset_hash(data)[:32],
        stands_in=stands_in,
    )


def _scoring(model: ModelVersion, *, now: datetime) -> tuple[ModelVersion, str]:
    """What scores where this model is live, and a sentence where that is another one."""
    try:
        live.scorer(model, now=now)
    except UnusableModel as fault:
        why = str(fault)
    else:
        broken = live.open_faults().filter(version=model).first()
        if broken is None:
            return model, ""
        why = broken.says
    other = live.stand_in(model, now=now).version
    return (
        other,
        f"“{model.name}” cannot be used ({why}) The comparison is with “{other.name}”, which scores instead.",
    )


def rows(
    *, models: Sequence[ModelVersion], now: datetime, days: Sequence[int] = DAYS
) -> tuple[Dataset, "Flags"]:
    """People of runs that are over and that none of these models learned from, and which rows of it those are."""
    import numpy as np

    seen = {name for model in models for name in _cohorts(model)}
    trained = [model.trained_as_of for model in models if model.trained_as_of is not None]
    # Unless a card says from which runs a model learned, it may have learned from all that were over then.
    since = max((at for at in trained), default=None)
    runs = [run for run in cohorts.over(now=now) if since is None or run.over_at > since]
    if not runs:
        raise NothingHeldOut(
            "No run of a course has ended since the models were trained. Wait until one has."
        )
    label = next((model.label for model in models if model.label), LABEL)
    try:
        data = dataset.build(
            label=label, days=days, course_ids=sorted({run.course_id for run in runs}), now=now
        )
    except NothingToLearnFrom as fault:
        raise NothingHeldOut(str(fault)) from fault
    starts = dict(
        Enrolment.objects.filter(pk__in=np.unique(data.enrolment_ids).tolist())
        .order_by()
        .values_list("pk", "starts_on")
    )
    is_over = {(run.course_id, run.starts_on) for run in runs}
    wanted = np.array(
        [
            (course, starts[enrolment]) in is_over and cohort not in seen
            for enrolment, course, cohort in zip(
                data.enrolment_ids.tolist(), data.course_ids.tolist(), data.cohorts, strict=True
            )
        ],
        dtype=bool,
    )
    # Somebody acted on them: what they would have come to otherwise is not known.
    wanted &= ~data.treated
    if not wanted.any():
        raise NothingHeldOut("The models learned from every run that is over. Wait until another has ended.")
    return data, wanted


def scores(model: ModelVersion, data: Dataset, *, now: datetime) -> "Floats":
    """What this model says of each row, as serving would: unknowns raise nothing, and NaN where it is not sure."""
    import numpy as np

    ready = live.scorer(model, now=now)
    found: list[float] = []
    for known in _known(data):
        found += [np.nan if one.value is None else one.value for one in ready.assess(known)]
    return np.array(found)


def _known(data: Dataset) -> Iterator[list[Known]]:
    import numpy as np

    for first in range(0, len(data), AT_ONCE):
        part = data.features[first : first + AT_ONCE]
        columns = [
            {key: value for key, value, there in zip(data.keys, row, known, strict=True) if there}
            for row, known in zip(part.tolist(), np.isfinite(part).tolist(), strict=True)
        ]
        yield [
            Known(enrolment, features, "", datetime.fromtimestamp(as_of, UTC), 0)
            for enrolment, as_of, features in zip(
                data.enrolment_ids[first : first + AT_ONCE].tolist(),
                data.as_of[first : first + AT_ONCE].tolist(),
                columns,
                strict=True,
            )
        ]


def list_of(data: Dataset) -> list[str]:
    """In whose list each row stands: a run, looked at on one day."""
    return [f"{cohort} day {day}" for cohort, day in zip(data.cohorts, data.day.tolist(), strict=True)]


def slices(data: Dataset) -> dict[str, list[str]]:
    """Course, role and unit of each row, by name."""
    import numpy as np

    ids = np.unique(data.enrolment_ids).tolist()
    told = {
        row[0]: row[1:]
        for row in Enrolment.objects.filter(pk__in=ids)
        .order_by()
        .values_list("pk", "course__name", "learner__job_role__name", "learner__unit__name")
    }
    each = [told[enrolment] for enrolment in data.enrolment_ids.tolist()]
    return {
        name: [str(row[place] or "") for row in each] for place, name in enumerate(("course", "role", "unit"))
    } | {"day": [f"day {day}" for day in data.day.tolist()]}


def _cohorts(model: ModelVersion) -> Sequence[str]:
    try:
        return cards.read(model.card).data.cohorts
    except cards.UnreadableCard:
        return ()


def with_places_of_work(data: Dataset) -> Dataset:
    """The same rows, with role and unit among what fairness is asked by."""
    told = slices(data)
    return replace(
        data, attributes={**data.attributes, "role": tuple(told["role"]), "unit": tuple(told["unit"])}
    )
