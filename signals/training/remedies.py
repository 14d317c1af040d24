"""What can be done about a gap between groups, and what it would cost: tried on rows kept aside, never put live.

The attribute steers how the model learns (weights of rows, or a constraint) and is never among what it is given. Each
remedy is tried on a plain logistic model with and without it, so that the difference is the remedy's alone.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from signals.training.fairness import Gap, report
from signals.training.methods import columns, inputs

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

    from signals.array_types import Flags, Floats, Whole, Words
    from signals.training.dataset import Dataset
    from signals.training.paired import Paired

MOST_ROWS = 20_000  # learned from
MOST_REDUCED = 5_000  # as above, where a reduction fits the model many dozens of times
REDUCTION_ROUNDS = 20
LEAST_ROWS = 200


class CannotTry(ValueError):
    """There is too little to try a remedy on."""


@dataclass(frozen=True, slots=True)
class Remedy:
    key: str
    name: str
    says: str


REMEDIES = {
    remedy.key: remedy
    for remedy in (
        Remedy(
            "reweigh",
            "Reweighting",
            "Each row counts so that group and outcome look independent: rows of a group and outcome that are rarer"
            " than chance count more.",
        ),
        Remedy(
            "tpr_parity",
            "Reduction: equal true positive rates",
            "Fairlearn's exponentiated gradient searches a mixture of models that find those who need help in each"
            " group alike.",
        ),
        Remedy(
            "equalized_odds",
            "Reduction: equalised odds",
            "As above, and false alarms too are to be as frequent in each group.",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Preview:
    """What a remedy would bring and cost."""

    remedy: Remedy
    attribute: str
    rows: int
    metrics: Mapping[str, "Paired"]  # ap, auc, ece: without and with it
    before: Gap | None  # of the true positive rate at the top 20 %
    after: Gap | None


def preview(
    *, remedy: str, attribute: str, data: "Dataset", learn: "Flags", judge: "Flags", seed: int = 0
) -> Preview:
    """The remedy tried: learned from some rows, judged on others. Raises CannotTry."""
    import numpy as np

    from signals.training.heldout import list_of
    from signals.training.paired import METRICS, compare

    names = np.array(data.attributes.get(attribute, ("",) * len(data)))
    known = np.isfinite(data.y) & (names != "")
    most = MOST_ROWS if remedy == "reweigh" else MOST_REDUCED
    learn, judge = _few(learn & known, most, seed), judge & np.isfinite(data.y)
    if learn.sum() < LEAST_ROWS or judge.sum() < LEAST_ROWS:
        raise CannotTry(
            f"Of {int(known.sum()):,} rows it is known how it ended and what was declared as {attribute};"
            f" {LEAST_ROWS} are needed to learn from, and as many to judge on."
        )
    if len(np.unique(data.y[learn])) < 2 or len(np.unique(data.y[judge])) < 2:
        raise CannotTry("It ended alike for everybody: there is nothing to learn.")
    if len(np.unique(names[learn])) < 2:
        raise CannotTry(f"Everybody declared the same as {attribute}: there is no gap to close.")
    learned, judged = _prepared(columns(data, inputs(data)), learn, judge)
    y, groups = data.y[learn].astype(int), names[learn]
    plain = _logistic(learned, y)(judged)
    if remedy == "reweigh":
        mended = _logistic(learned, y, reweighing(groups, y))(judged)
    else:
        mended = _reduced(remedy, learned, y, groups)(judged)
    truth, people = data.y[judge], data.enrolment_ids[judge]
    runs = [name for name, keep in zip(list_of(data), judge, strict=True) if keep]
    said = {attribute: names[judge].tolist()}
    reports = [
        report(probability=p, y=truth, people=people, runs=runs, attributes=said) for p in (plain, mended)
    ]
    return Preview(
        remedy=REMEDIES[remedy],
        attribute=attribute,
        rows=int(judge.sum()),
        metrics={
            name: compare(metric, y=truth, old=plain, new=mended, people=people, rounds=200, seed=seed)
            for name, metric in METRICS.items()
        },
        before=reports[0].gap(attribute),
        after=reports[1].gap(attribute),
    )


def reweighing(groups: "Words", y: "Whole") -> "Floats":
    """P(group) · P(outcome) / P(group and outcome) for each row: after that, the two are independent (Kamiran and
    Calders 2012)."""
    import numpy as np

    weights = np.ones(len(y))
    for group in np.unique(groups):
        for outcome in (0, 1):
            both = (groups == group) & (y == outcome)
            if both.any():
                weights[both] = (groups == group).mean() * (y == outcome).mean() / both.mean()
    return weights


def split_by_run(data: "Dataset") -> "tuple[Flags, Flags]":
    """Rows to learn from and rows to judge on: whole runs, the later half is judged; people where there is one run."""
    import numpy as np

    began: dict[str, float] = {}
    for run, at in zip(data.cohorts, data.as_of.tolist(), strict=True):
        began[run] = min(at, began.get(run, at))
    runs = sorted(began, key=lambda run: (began[run], run))
    later = np.isin(np.array(data.cohorts), runs[len(runs) // 2 :])
    judge = later if len(runs) > 1 else data.enrolment_ids % 2 == 0
    return ~judge, judge


def _few(wanted: "Flags", most: int, seed: int) -> "Flags":
    """No more than so many of them, drawn."""
    import numpy as np

    places = np.flatnonzero(wanted)
    if len(places) <= most:
        return wanted
    few = np.zeros(len(wanted), dtype=bool)
    few[np.random.default_rng(seed).choice(places, most, replace=False)] = True
    return few


def _prepared(features: "Floats", learn: "Flags", judge: "Flags") -> "tuple[Floats, Floats]":
    """Features as a logistic model takes them: the median where not known, one scale."""
    import numpy as np
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import QuantileTransformer

    some = np.isfinite(features[learn]).any(axis=0)
    steps = make_pipeline(
        SimpleImputer(strategy="median"),
        QuantileTransformer(
            n_quantiles=min(200, int(learn.sum())), output_distribution="normal", random_state=0
        ),
    )
    return steps.fit_transform(features[learn][:, some]), steps.transform(features[judge][:, some])


def _plain() -> "LogisticRegression":
    from sklearn.linear_model import LogisticRegression

    # Newton's method: few steps of much arithmetic each, by far the fastest for many rows and a hundred features.
    return LogisticRegression(C=0.1, solver="newton-cholesky")


Score = Callable[["Floats"], "Floats"]


def _logistic(features: "Floats", y: "Whole", weights: "Floats | None" = None) -> Score:
    model = _plain().fit(features, y, sample_weight=weights)
    return lambda rows: model.predict_proba(rows)[:, 1]


def _reduced(remedy: str, features: "Floats", y: "Whole", groups: "Words") -> Score:
    """The mixture that fairlearn finds, as a probability: its models' own, by their weight."""
    import numpy as np
    from fairlearn.reductions import EqualizedOdds, ExponentiatedGradient, TruePositiveRateParity

    constraint = {"tpr_parity": TruePositiveRateParity, "equalized_odds": EqualizedOdds}[remedy]
    search = ExponentiatedGradient(
        _plain(),
        constraints=constraint(difference_bound=0.01),
        max_iter=REDUCTION_ROUNDS,
    )
    with warnings.catch_warnings():
        # Of pandas, about how fairlearn itself writes its tables.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=FutureWarning)
        search.fit(features, y, sensitive_features=groups)
    weights = np.asarray(search.weights_)

    def score(rows: "Floats") -> "Floats":
        total = np.zeros(len(rows))
        for weight, model in zip(weights, search.predictors_, strict=False):
            if weight > 0:
                total += weight * _chance(model, rows)
        return total / weights.sum()

    return score


def _chance(model: Any, rows: "Floats") -> "Floats":
    import numpy as np

    # Where a constraint leaves one outcome only, fairlearn puts a constant in the model's place.
    if not hasattr(model, "predict_proba"):
        return np.asarray(model.predict(rows), dtype=float)
    told = model.predict_proba(rows)
    return told[:, 1] if told.shape[1] == 2 else np.full(len(rows), float(model.classes_[0]))
