"""One model from one training set: which method (by a split in time), fitted, calibrated on what it had not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from signals.features.definitions import VERSIONS
from signals.risk.learned import Calibration, Model
from signals.training import methods
from signals.training.calibrate import calibration
from signals.training.methods import METHODS
from signals.training.paired import area_under_roc, average_precision
from signals.training.rows import CannotTrain, folds, take, time_split, weights

if TYPE_CHECKING:
    from signals.training.dataset import Dataset, Floats, Whole

# Explainable boosting takes many times as long as the others and was never ahead: it is tried when asked for.
CHOICE = ("logistic", "boosted", "blend")


@dataclass(frozen=True, slots=True)
class Tried:
    """How a method did on the later part of the training years, after learning from the earlier."""

    method: str
    auc: float
    ap: float
    on: str


@dataclass(frozen=True, slots=True)
class Learning:
    """A model with what is known about it. Out-of-fold probabilities are of models that had not seen the row's run."""

    model: Model
    out_of_fold: "Floats"  # (n) calibrated probability
    tried: tuple[Tried, ...]


def learn(data: "Dataset", *, method: str = "", keys: Sequence[str] = ()) -> Learning:
    """The model that these rows give. Without a method, the best one in a split in time. Raises CannotTrain.

    ``data`` holds usable rows only (``signals.training.rows.usable``).
    """
    import numpy as np

    if method and method not in METHODS:
        raise CannotTrain(f"There is no method {method!r}; there are {', '.join(sorted(METHODS))}.")
    chosen = tuple(keys) or methods.inputs(data)
    if not chosen:
        raise CannotTrain(
            "No feature differs from one enrolment to another. Check that activity and results reach the store."
        )
    tried = () if method else tuple(_tried(data, one, chosen) for one in CHOICE)
    best = method or max(tried, key=lambda one: (one.ap, one.auc)).method
    weight = weights(data)
    odds = cross_fitted(data, best, chosen, folds(data))
    corrected = calibration(data, odds, weight)
    parts = METHODS[best].fit(methods.rows(data, chosen, weight))
    model = Model(best, chosen, {key: VERSIONS[key] for key in chosen}, parts, corrected)
    model = _with_importance(model, data)
    slope, offset = corrected.at(data.day.astype(float))
    return Learning(model, 1 / (1 + np.exp(-(slope * odds + offset))), tried)


def cross_fitted(data: "Dataset", method: str, keys: Sequence[str], fold: "Whole") -> "Floats":
    """Log-odds of each row from a model that learned from the other folds; NaN where those have one class only."""
    import numpy as np

    odds = np.full(len(data), np.nan)
    for number in np.unique(fold):
        here = fold == number
        if len(np.unique(data.y[~here])) == 2:
            odds[here] = _odds(take(data, ~here), take(data, here), method, keys)
    return odds


def probabilities(model: Model, data: "Dataset") -> "Floats":
    """What the model says of these rows."""
    return model.score(methods.columns(data, model.keys)).probability


def _odds(earlier: "Dataset", later: "Dataset", method: str, keys: Sequence[str]) -> "Floats":
    parts = METHODS[method].fit(methods.rows(earlier, keys, weights(earlier)))
    bare = Model(method, tuple(keys), dict.fromkeys(keys, 0), parts, Calibration())
    base, contributions = bare.raw(methods.columns(later, keys))
    total: Floats = base + contributions.sum(axis=1)
    return total


def _tried(data: "Dataset", method: str, keys: Sequence[str]) -> Tried:
    """The mean over days of both figures: later days are easier and must not drown the early ones."""
    import numpy as np

    split = time_split(data)
    if split is not None:
        earlier, later = split
        odds = np.full(len(data), np.nan)
        odds[later] = _odds(take(data, earlier), take(data, later), method, keys)
        on = "the latest starts, learned from the earlier ones"
    else:
        odds = cross_fitted(data, method, keys, folds(data))
        on = "runs or people that were left out (all began at about the same time)"
    found: list[tuple[float, float]] = []
    for day in np.unique(data.day).tolist():
        here = (data.day == day) & np.isfinite(odds)
        if len(np.unique(data.y[here])) == 2:
            ones = np.ones(int(here.sum()))
            found.append(
                (
                    area_under_roc(odds[here], data.y[here], ones),
                    average_precision(odds[here], data.y[here], ones),
                )
            )
    auc, ap = np.mean(found, axis=0) if found else (0.5, 0.0)
    return Tried(method, float(auc), float(ap), on)


def _with_importance(model: Model, data: "Dataset") -> Model:
    import numpy as np

    some: Any = np.random.default_rng(0).permutation(len(data))[:4000]
    told = np.abs(model.score(methods.columns(take(data, some), model.keys)).contributions).mean(axis=0)
    return Model(
        model.kind,
        model.keys,
        model.versions,
        model.parts,
        model.calibration,
        {key: round(float(value), 6) for key, value in zip(model.keys, told, strict=True)},
    )
