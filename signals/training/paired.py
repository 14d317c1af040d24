"""Two models on the same rows: by how much one is better, and how sure that is. Arithmetic on arrays only.

Rows of one person hang together (the same enrolment is looked at on several days), so people are drawn anew, not rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from signals.array_types import Flags, Floats, Whole

ROUNDS = 400
CALIBRATION_BINS = 15

Metric = Callable[["Floats", "Floats", "Floats"], float]  # probability, y, weight


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and where 95 % of what could have been measured lies; NaN-free."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


@dataclass(frozen=True, slots=True)
class Paired:
    """One metric of both, and the gain of the new one over the old one."""

    old: float
    new: float
    gain: Interval


def average_precision(p: "Floats", y: "Floats", weight: "Floats") -> float:
    """Precision, averaged over what is found on the way down the list; equal scores are one step."""
    import numpy as np

    order = np.argsort(-p, kind="stable")
    p, y, weight = p[order], y[order], weight[order]
    ends = np.flatnonzero(np.append(np.diff(p) != 0, True))
    found, looked = np.cumsum(weight * y)[ends], np.cumsum(weight)[ends]
    if not len(found) or found[-1] <= 0:
        return float("nan")
    precision = np.divide(found, looked, out=np.zeros_like(found), where=looked > 0)
    return float(np.sum(np.diff(found, prepend=0.0) * precision) / found[-1])


def area_under_roc(p: "Floats", y: "Floats", weight: "Floats") -> float:
    """The chance that somebody it came true for stands above somebody it did not; equal scores count half."""
    import numpy as np

    _, place = np.unique(p, return_inverse=True)
    true, false = np.bincount(place, weight * y), np.bincount(place, weight * (1 - y))
    if true.sum() <= 0 or false.sum() <= 0:
        return float("nan")
    below = np.cumsum(false) - false
    return float(np.sum(true * (below + false / 2)) / (true.sum() * false.sum()))


def calibration_error(p: "Floats", y: "Floats", weight: "Floats") -> float:
    """ECE: the mean distance between what was said and what came true, over bins of equal width."""
    import numpy as np

    place = np.minimum((p * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    said = np.bincount(place, weight * p, CALIBRATION_BINS)
    true = np.bincount(place, weight * y, CALIBRATION_BINS)
    return float(np.abs(said - true).sum() / weight.sum()) if weight.sum() else float("nan")


METRICS: dict[str, Metric] = {
    "ap": average_precision,
    "auc": area_under_roc,
    "ece": calibration_error,
}


def draws(people: "Whole", *, rounds: int = ROUNDS, seed: int = 0) -> Iterator["Floats"]:
    """So many times the weight of each row, people drawn with replacement. The same seed draws the same."""
    import numpy as np

    _, person = np.unique(people, return_inverse=True)
    number = int(person.max()) + 1 if len(person) else 0
    chance = np.random.default_rng(seed)
    for _ in range(rounds):
        yield np.bincount(chance.integers(0, number, number), minlength=number)[person].astype(float)


def interval(value: float, drawn: "Floats", share: float = 0.95) -> Interval:
    """The figure with its percentile interval; as wide as can be where nothing could be drawn."""
    import numpy as np

    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn) or not np.isfinite(value):
        return Interval(value if np.isfinite(value) else 0.0, float("-inf"), float("inf"))
    edge = (1 - share) / 2
    low, high = np.quantile(drawn, [edge, 1 - edge])
    return Interval(value, float(low), float(high))


def compare(
    metric: Metric,
    *,
    y: "Floats",
    old: "Floats",
    new: "Floats",
    people: "Whole",
    rounds: int = ROUNDS,
    share: float = 0.95,
    seed: int = 0,
) -> Paired:
    """The metric of both on the same rows, and the interval of their difference by drawing people."""
    import numpy as np

    ones = np.ones(len(y))
    was, will = metric(old, y, ones), metric(new, y, ones)
    gains = np.array([metric(new, y, w) - metric(old, y, w) for w in draws(people, rounds=rounds, seed=seed)])
    return Paired(was, will, interval(will - was, gains, share))


def top_share(p: "Floats", runs: "np.ndarray[tuple[int], np.dtype[np.int64]]", share: float) -> "Flags":
    """Who is in the top share of their own run's list. Equal scores: drawn, not by who stands first."""
    import numpy as np

    chosen = np.zeros(len(p), dtype=bool)
    tie = np.random.default_rng(0).permutation(len(p))
    order = np.lexsort((tie, -p, runs))
    _, starts, sizes = np.unique(runs[order], return_index=True, return_counts=True)
    for start, size in zip(starts, sizes, strict=True):
        chosen[order[start : start + int(np.ceil(share * size))]] = True
    return chosen


def numbered(names: "tuple[str, ...]") -> "Whole":
    """Each name as a whole number, equal names alike."""
    import numpy as np

    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return np.array([places[name] for name in names], dtype=np.int64)
