"""Trains a candidate: a model version with everything a promotion, a page and an auditor need to know of it."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from django.db import IntegrityError, transaction

from signals.features.definitions import BY_KEY, VERSIONS
from signals.labels import definition_of
from signals.models import ModelVersion
from signals.risk.groups import NAMES, signal_of
from signals.risk.learned import pack
from signals.training import ablation, cohorts, dataset, guards, measure
from signals.training import card as cards
from signals.training.card import Card
from signals.training.learn import Learning, learn
from signals.training.methods import METHODS
from signals.training.rows import CannotTrain, moment, starts, take, usable

if TYPE_CHECKING:
    from signals.training.dataset import Dataset

LABEL = "passed_by_end@1"
# What a model depends on besides its data. Other code is another model, even from the same rows.
_CODE = (
    "training/rows.py",
    "training/methods.py",
    "training/learn.py",
    "training/calibrate.py",
    "risk/learned.py",
    "risk/parts.py",
)
_LIBRARIES = ("numpy", "scikit-learn", "xgboost-cpu", "interpret-core")


def train(
    *, as_of: datetime, label: str = LABEL, now: datetime, method: str = "", name: str = ""
) -> ModelVersion:
    """A candidate that learned from every run that was over by ``as_of``; the one there is where nothing has changed.

    Raises CannotTrain, NothingToLearnFrom, UnfitForTraining and UnknownDefinition, each saying what to mend.
    """
    definition_of(label)
    if as_of > now:
        raise CannotTrain(
            f"{as_of:%Y-%m-%d} lies ahead: nobody knows how that will have ended. Train as of today or earlier."
        )
    runs = cohorts.over(now=as_of)
    if not runs:
        raise CannotTrain(
            f"No run of a course was over by {as_of:%Y-%m-%d}. A model learns from how runs ended: wait until one has,"
            " or check that courses have a length and enrolments their ends."
        )
    everything = dataset.build(
        label=label, days=None, course_ids=sorted({run.course_id for run in runs}), now=as_of
    )
    data = usable(_of_runs(everything, {(run.course_id, run.starts_on) for run in runs}))
    guards.check(data, now=as_of)
    learned_from = dataset.dataset_hash(data)
    learning = learn(data, method=method)
    code = code_version()
    known = _known(learning.model.kind, label, learned_from, code)
    if known is not None:
        return known
    card = _card(
        data, everything, learning, label=label, as_of=as_of, now=now, hashed=learned_from, code=code
    )
    try:
        with transaction.atomic():
            return ModelVersion.objects.create(
                name=name or _name(learning.model.kind, as_of, learned_from),
                kind=learning.model.kind,
                parameters={},
                created_at=now,
                artefact=pack(learning.model),
                feature_set=data.feature_set,
                label=label,
                trained_as_of=as_of,
                dataset_hash=learned_from,
                code_version=code,
                metrics=msgspec.json.decode(msgspec.json.encode(card.metrics)),
                card=cards.write(card),
            )
    except IntegrityError:
        # Another worker trained on the same rows at the same time, and has the same model.
        known = _known(learning.model.kind, label, learned_from, code)
        if known is None:
            raise
        return known


@lru_cache(maxsize=1)
def code_version() -> str:
    """A hash of the code that makes a model, and of the libraries it is made with."""
    here = Path(__file__).resolve().parent.parent
    found = hashlib.sha256()
    for name in _CODE:
        found.update((here / name).read_bytes())
    for library in _LIBRARIES:
        found.update(f"{library} {version(library)}".encode())
    return found.hexdigest()[:16]


def _of_runs(data: "Dataset", runs: set[tuple[int, date]]) -> "Dataset":
    """The rows of these runs: of one that still goes on, only those who gave up would have an outcome."""
    import numpy as np

    days = [datetime.fromtimestamp(day * 86_400, UTC).date() for day in starts(data).tolist()]
    wanted = [(course, day) in runs for course, day in zip(data.course_ids.tolist(), days, strict=True)]
    return take(data, np.array(wanted, dtype=np.bool_))


def _known(kind: str, label: str, hashed: str, code: str) -> ModelVersion | None:
    return ModelVersion.objects.filter(kind=kind, label=label, dataset_hash=hashed, code_version=code).first()


def _name(kind: str, as_of: datetime, hashed: str) -> str:
    name = f"{kind}-{as_of:%Y%m%d}-{hashed[:6]}"
    taken = set(ModelVersion.objects.filter(name__startswith=name).order_by().values_list("name", flat=True))
    number = 1
    while (found := name if number == 1 else f"{name}-{number}") in taken:
        number += 1
    return found


def _card(
    data: "Dataset",
    everything: "Dataset",
    learning: Learning,
    *,
    label: str,
    as_of: datetime,
    now: datetime,
    hashed: str,
    code: str,
) -> Card:
    import numpy as np

    model, probability = learning.model, learning.out_of_fold
    definition = definition_of(label)
    distribution, by_day = cards.distributions(_inputs_only(data, model.keys))
    used = {key: data.features[:, data.keys.index(key)] for key in model.keys}
    days = np.unique(data.day).tolist()
    whole = np.ones(len(data), dtype=np.bool_)
    # Fairness is asked on one day: a person with many days would count as many people.
    middle = days[len(days) // 2]
    return Card(
        data=cards.Data(
            hash=hashed,
            rows=len(data),
            people=len(np.unique(data.enrolment_ids)),
            positives=len(np.unique(data.enrolment_ids[data.y == 1])),
            cohorts=tuple(sorted(set(data.cohorts))),
            days=tuple(days),
            treated=int(everything.treated.sum()),
        ),
        dates=cards.Dates(
            made_at=now.isoformat(),
            as_of=as_of.isoformat(),
            first=moment(float(data.as_of.min())).isoformat(),
            last=moment(float(data.as_of.max())).isoformat(),
        ),
        label=cards.Label(
            key=label,
            question=definition.question,
            warns_of="The answer is no.",
            horizon_days=definition.horizon_days,
            censored=int((~np.isfinite(everything.y)).sum()),
        ),
        method=cards.Method(
            kind=model.kind,
            says=METHODS[model.kind].says,
            calibration="Slope and offset per day, drawn towards those of all days, from models that had not seen the"
            " row's run.",
            parameters=METHODS[model.kind].parameters,
            code_version=code,
            libraries={library: version(library) for library in _LIBRARIES},
        ),
        features=tuple(
            cards.FeatureUse(
                key,
                VERSIONS[key],
                name=BY_KEY[key].name,
                group=NAMES[signal_of(key)],
                importance=model.importance.get(key),
                unknown=float(np.isnan(used[key]).mean()),
                sensitivity=str(BY_KEY[key].sensitivity),
            )
            for key in sorted(model.keys, key=lambda key: (-model.importance.get(key, 0.0), key))
        ),
        metrics=measure.by_day(data, probability, rounds=50),
        measured_on="Runs of the training years, each by a model that had not seen it.",
        # By day they are in the metrics.
        slices={"course": measure.by_course(data, probability, whole, rounds=50)},
        fairness=measure.fair(data, probability, data.day == middle),
        calibration=cards.calibration(probability, data.y),
        scores=cards.scores(probability),
        ablation=ablation.without_each_signal(data, model.keys),
        training_distribution=distribution,
        distribution_by_day=by_day,
        tried=tuple(
            f"{one.method}: AUC {one.auc:.3f}, AP {one.ap:.3f} on {one.on}" for one in learning.tried
        ),
        limits=_limits(data, everything),
    )


def _inputs_only(data: "Dataset", keys: Sequence[str]) -> "Dataset":
    places = [data.keys.index(key) for key in keys]
    return replace(data, keys=tuple(keys), features=data.features[:, places])


def _limits(data: "Dataset", everything: "Dataset") -> tuple[str, ...]:
    found: list[Any] = [
        "It says how often things went badly for people who looked alike, not why.",
        f"It has seen {len(set(data.cohorts))} runs; in courses and years unlike them it may be off.",
    ]
    if everything.treated.any():
        found.append("Whom somebody helped is left out: it says what comes without help.")
    if len(set(data.cohorts)) < 3:
        found.append("With so few runs its figures are of other people, not of other runs: too good by some.")
    return tuple(found)
