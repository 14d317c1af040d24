"""The ways of learning a risk. Each turns rows into parts that ``signals.risk.learned`` scores with.

All are given one row per enrolment and day of a course, many days together, with the day among the features: a day on
which few were looked at borrows from the days around it, and a small cohort from all others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from signals.features.cohort import SUFFIX
from signals.features.definitions import BY_KEY
from signals.features.feature import Feature, Percentile, Sensitivity
from signals.risk.learned import DAY
from signals.risk.parts import Bins, Linear, Part, Trees
from signals.training.rows import SEED, some_people

if TYPE_CHECKING:
    from signals.array_types import Floats
    from signals.training.dataset import Dataset

ANCHORS: tuple[float, ...] = (
    0,
    14,
    28,
    56,
    84,
    140,
)  # days of the logistic model; between them it is interpolated
NEAR = 0.5  # how far an anchor listens: to days within this share of its own, at least a week
CUT = 4.0  # spreads beyond which a value is as far as it goes
EBM_ROWS = 40_000
# Counts that grow with the age of the installation: what was much in the first year is little in the third.
GROWING = frozenset(("courses_ended", "courses_passed", "courses_not_passed"))

Fit = Callable[["Rows"], tuple[Part, ...]]


@dataclass(frozen=True, slots=True)
class Rows:
    """What a method learns from."""

    keys: tuple[str, ...]
    features: "Floats"
    y: "Floats"
    weight: "Floats"
    people: "Any"  # (n) whole numbers, for sampling


@dataclass(frozen=True, slots=True)
class Method:
    """One way, or several whose log-odds are averaged."""

    key: str
    says: str
    ways: tuple[Fit, ...]
    parameters: dict[str, Any]

    def fit(self, learn: Rows, made: "dict[Fit, tuple[Part, ...]] | None" = None) -> tuple[Part, ...]:
        """The parts that these rows give. ``made`` keeps them, for another method that has a way in common."""
        kept = {} if made is None else made
        for way in self.ways:
            if way not in kept:
                kept[way] = way(learn)
        return tuple(part for way in self.ways for part in kept[way])


LOGISTIC = {"c": 0.01}
BOOSTED = {
    "rounds": 120,  # a thousand rows are scored, with reasons, in a tenth of a second
    "max_depth": 3,
    "eta": 0.1,
    "min_child_weight": 30,
    "reg_lambda": 10,
    "colsample_bynode": 0.3,
    "subsample": 0.7,
    "max_bin": 64,
}
EBM = {"outer_bags": 2, "max_rounds": 1500, "learning_rate": 0.04, "max_bins": 64, "min_samples_leaf": 20}


def inputs(data: "Dataset") -> tuple[str, ...]:
    """What is learned from: where somebody stands among those of the same run, in the place of how much it was.

    The level of activity differs from course to course and year to year, a standing does not: on runs that were not
    seen before, percentiles alone rank better than with levels beside them. Scores mean the same everywhere and are
    kept both ways. What is the same for everybody, or known of nobody, is left out.
    """
    import numpy as np

    there = set(data.keys)
    kept = []
    for place, key in enumerate(data.keys):
        feature = BY_KEY.get(key)
        if key in GROWING or (feature is not None and _is_level(feature, has_standing=key + SUFFIX in there)):
            continue
        column = data.features[:, place]
        known = column[np.isfinite(column)]
        if len(known) and known.min() < known.max():
            kept.append(key)
    return tuple(kept)


def _is_level(feature: Feature, *, has_standing: bool) -> bool:
    """How much somebody did, which another course or year would call little or a lot."""
    if isinstance(feature, Percentile) or feature.sensitivity != Sensitivity.ACTIVITY:
        return False
    return has_standing or feature.unit in ("count", "seconds")


def rows(data: "Dataset", keys: Sequence[str], weight: "Floats") -> Rows:
    """The columns of these features, as a method reads them."""
    return Rows(tuple(keys), columns(data, keys), data.y, weight, data.enrolment_ids)


def columns(data: "Dataset", keys: Sequence[str]) -> "Floats":
    """(n, k) values of these features; NaN where the training set does not have one."""
    import numpy as np

    at = {key: place for place, key in enumerate(data.keys)}
    absent = np.full(len(data), np.nan)
    return np.stack([data.features[:, at[key]] if key in at else absent for key in keys], axis=1)


def logistic(learn: Rows) -> tuple[Part, ...]:
    """A regularised logistic model per anchor day, each from the days around it."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    day_at = learn.keys.index(DAY) if DAY in learn.keys else -1
    day = learn.features[:, day_at] if day_at >= 0 else np.zeros(len(learn.y))
    anchors = _anchors(day)
    logged = np.array([_is_long_tailed(key) for key in learn.keys], dtype=float)
    width = len(learn.keys)
    part = Linear(
        logged,
        np.zeros(width),
        np.ones(width),
        np.inf,
        anchors,
        day_at,
        np.zeros((len(anchors), width)),
        np.zeros(len(anchors)),
    )
    values = part.prepared(learn.features)
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, values, 0).sum(axis=0) / count
    spread = np.sqrt((np.where(known, values - centre, 0) ** 2).sum(axis=0) / count)
    scale = np.where(spread > 1e-9, spread, 1.0)
    values = np.clip((values - centre) / scale, -CUT, CUT)
    # No column says that a value is not known: what it would learn to add to a risk is never counted.
    design = np.where(known, values, 0.0)
    for place, anchor in enumerate(anchors):
        near = np.abs(day - anchor) <= max(7.0, NEAR * abs(anchor))
        if len(np.unique(learn.y[near])) < 2:
            near = np.ones(len(day), dtype=bool)
        model = LogisticRegression(C=LOGISTIC["c"], max_iter=400, tol=1e-4, random_state=SEED)
        model.fit(design[near], learn.y[near], sample_weight=learn.weight[near])
        part.weights[place] = model.coef_[0]
        part.base[place] = model.intercept_[0]
    return (replace(part, centre=centre, scale=scale, cut=CUT),)


def boosted(learn: Rows) -> tuple[Part, ...]:
    """Shallow gradient-boosted trees over all days together."""
    import xgboost

    parameters = {key: value for key, value in BOOSTED.items() if key != "rounds"}
    booster = xgboost.train(
        {
            **parameters,
            "objective": "binary:logistic",
            "tree_method": "hist",
            "nthread": 1,
            "seed": SEED,
        },
        xgboost.DMatrix(learn.features, learn.y, weight=learn.weight, nthread=1),
        int(BOOSTED["rounds"]),
    )
    return (Trees(booster),)


def ebm(learn: Rows) -> tuple[Part, ...]:
    """An explainable boosting machine without interactions: one curve per feature, all of them added."""
    import warnings

    import numpy as np
    from interpret.glassbox import ExplainableBoostingClassifier

    some = some_people(learn.people, EBM_ROWS)
    values = learn.features[some]
    # interpret cannot take a column of which nothing is known; it adds nothing.
    known = np.flatnonzero(np.isfinite(values).any(axis=0))
    machine = ExplainableBoostingClassifier(interactions=0, n_jobs=1, random_state=SEED, **EBM)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # it warns of gaps that its pictures do not show; ours are told in words
        machine.fit(values[:, known], learn.y[some].astype(int), sample_weight=learn.weight[some])
    cuts = [np.zeros(0) for _ in learn.keys]
    scores = [np.zeros(2) for _ in learn.keys]
    for term, score in zip(machine.term_features_, machine.term_scores_, strict=True):
        place = int(known[term[0]])
        bins = machine.bins_[term[0]][0]
        if isinstance(bins, dict):  # two values: interpret takes them for names
            cuts[place], scores[place] = _of_names(bins, score)
        else:
            cuts[place] = np.asarray(bins, dtype=float)
            scores[place] = np.asarray(score, dtype=float)[:-1]  # the last is for what is no number
    return (Bins(float(machine.intercept_[0]), tuple(cuts), tuple(scores)),)


METHODS: dict[str, Method] = {
    method.key: method
    for method in (
        Method(
            "logistic",
            "A regularised logistic model per day, interpolated between days.",
            (logistic,),
            LOGISTIC,
        ),
        Method("boosted", "Gradient-boosted shallow trees over all days together.", (boosted,), BOOSTED),
        Method("ebm", "An explainable boosting machine: one curve per feature, added up.", (ebm,), EBM),
        Method(
            "blend",
            "The logistic model and the boosted trees, averaged in log-odds.",
            (logistic, boosted),
            {**LOGISTIC, **BOOSTED},
        ),
    )
}


def _anchors(day: "Floats") -> "Floats":
    """The anchors that have rows nearby."""
    import numpy as np

    seen = np.unique(day[np.isfinite(day)])
    if not len(seen):
        return np.array([0.0])
    near = [anchor for anchor in ANCHORS if np.abs(seen - anchor).min() <= max(7.0, NEAR * anchor / 2)]
    return np.array(near or [float(np.median(seen))], dtype=float)


def _is_long_tailed(key: str) -> bool:
    feature = BY_KEY.get(key)
    if feature is None or key.endswith(SUFFIX) or key == DAY:
        return False
    return feature.unit in ("count", "seconds", "days", "points", "attempts", "times")


def _of_names(bins: dict[str, int], score: "Floats") -> "tuple[Floats, Floats]":
    import numpy as np

    found = sorted((float(name), int(place)) for name, place in bins.items())
    values = np.array([value for value, _ in found])
    middles = (values[1:] + values[:-1]) / 2
    return middles, np.array([score[0], *(score[place] for _, place in found)], dtype=float)
