"""What a model loses without a signal: it is learned anew with all of a signal's features left out, and judged on runs
(or people) it has not seen. Readiness ranks missing signals by it.

Measured with shallow trees on a bounded number of people whatever method the candidate is of: the question is what a
signal tells, and trees take least time to answer. What two signals both tell, neither is missed for.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from signals.risk.groups import NAMES, Signal, signal_of
from signals.training.card import Ablation, Figure, finite
from signals.training.learn import cross_fitted
from signals.training.paired import average_precision, draws, interval
from signals.training.rows import folds, some_people, take

if TYPE_CHECKING:
    from signals.array_types import Floats
    from signals.training.dataset import Dataset

METHOD = "boosted"
MOST_ROWS = 12_000
FOLDS = 3
ROUNDS = 50  # of drawing people anew, for the interval


def without_each_signal(data: "Dataset", keys: Sequence[str]) -> tuple[Ablation, ...]:
    """The loss of average precision (the mean over days) without each signal these features speak of.

    The role and the calendar are no signal that a source could send more of, and are left out.
    """
    import numpy as np

    some = take(data, some_people(data.enrolment_ids, MOST_ROWS))
    groups = {
        signal: tuple(key for key in keys if signal_of(key) is signal)
        for signal in Signal
        if signal is not Signal.BACKGROUND
    }
    fold = folds(some, most=FOLDS)
    whole = cross_fitted(some, METHOD, keys, fold)
    found = []
    for signal, features in groups.items():
        rest = [key for key in keys if key not in features]
        if not features or not rest:
            continue
        without = cross_fitted(some, METHOD, rest, fold)
        columns = some.features[:, [some.keys.index(key) for key in features]]
        found.append(
            Ablation(
                NAMES[signal],
                features,
                _drop(some, whole, without),
                missing=round(float(np.isnan(columns).mean()), 4),
            )
        )
    return tuple(sorted(found, key=lambda one: (-(one.drop.value or 0.0), one.group)))


def _drop(data: "Dataset", whole: "Floats", without: "Floats") -> Figure:
    import numpy as np

    judged = np.isfinite(whole) & np.isfinite(without)
    days = [judged & (data.day == day) for day in np.unique(data.day).tolist()]
    days = [here for here in days if len(np.unique(data.y[here])) == 2]
    if not days:
        return Figure(None)

    def drop(weight: "Floats") -> float:
        return float(
            np.mean(
                [
                    average_precision(whole[here], data.y[here], weight[here])
                    - average_precision(without[here], data.y[here], weight[here])
                    for here in days
                ]
            )
        )

    drawn = np.array([drop(weight) for weight in draws(data.enrolment_ids, rounds=ROUNDS)])
    around = interval(drop(np.ones(len(data))), drawn)
    return Figure(
        round(around.value, 6), finite(around.low), finite(around.high), len(np.unique(data.enrolment_ids))
    )
