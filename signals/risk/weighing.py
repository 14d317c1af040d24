"""Features through a learned model: the risk, how much of it is known, and signed contributions by signal.

No Django, no clock. Everything about a whole batch is arithmetic on arrays; a row's dictionaries come last.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from signals.risk.composite import Assessed
from signals.risk.groups import NAMES, Signal, fact_of, signal_of
from signals.risk.known import Known
from signals.risk.learned import Learned, UnusableModel
from signals.risk.phrases import WANTED
from signals.risk.review import WINDOWS, next_review
from signals.risk.unknown import logistic, never_raising

if TYPE_CHECKING:
    import numpy as np

    Floats = np.ndarray[Any, np.dtype[np.float64]]
    Flags = np.ndarray[Any, np.dtype[np.bool_]]

MIN_COVERAGE = 0.5
LOUDEST = 8  # features a reason keeps by name
_DIGITS = 9
_SHORT = 4  # digits of what is kept to be read, not to be computed with
_ADDS_UP = 1e-6


@dataclass(frozen=True, slots=True)
class Weigher:
    """A learned model made ready to score rows."""

    model: Learned
    importance: Mapping[str, float]  # mean |contribution| in training; {} counts every feature alike
    min_coverage: float = MIN_COVERAGE
    windows: Sequence[int] = WINDOWS
    counts: Collection[str] = frozenset()  # features that are nought where nothing is known

    def assess(self, known: Sequence[Known]) -> list[Assessed]:
        """One risk per row, in the same order. Raises UnusableModel where the model's answer makes no sense."""
        import numpy as np

        if not known:
            return []
        keys = self.model.keys
        features = matrix([row.features for row in known], keys)
        raw = self.model.score(features)
        if raw.contributions.shape != features.shape or not np.isfinite(raw.contributions).all():
            raise UnusableModel("It gives contributions that are no numbers, or not one for each feature.")
        told = np.clip(raw.probability, 1e-12, 1 - 1e-12)
        off = np.abs(told - logistic(raw.base + raw.contributions.sum(axis=1)))
        if float(off.max()) >= _ADDS_UP:
            raise UnusableModel("Its contributions do not add up to its risk.")
        contributions = never_raising(raw.contributions, features)
        value = logistic(raw.base + contributions.sum(axis=1))

        is_known = ~np.isnan(features)
        weights = np.array([max(self.importance.get(key, 0.0), 0.0) for key in keys])
        if not weights.sum():
            weights = np.ones(len(keys))
        coverage = (is_known * weights).sum(axis=1) / weights.sum()
        columns: dict[Signal, list[int]] = {}
        for column, key in enumerate(keys):
            columns.setdefault(signal_of(key), []).append(column)
        by_signal = [
            self._told(signal, places, contributions, is_known, known) for signal, places in columns.items()
        ]
        assessed = []
        for number, row in enumerate(known):
            share = round(min(float(coverage[number]), 1.0), _DIGITS)
            reasons = [of_signal[number] for of_signal in by_signal]
            reasons.sort(key=lambda reason: (-reason["contribution"], reason["signal"]))
            assessed.append(
                Assessed(
                    value=None if share < self.min_coverage else round(float(value[number]), _DIGITS),
                    coverage=share,
                    known_signals=sum(
                        reason["known"] and reason["signal"] != Signal.BACKGROUND.value for reason in reasons
                    ),
                    reasons=reasons,
                    review_at=next_review(row.features, as_of=row.as_of, windows=self.windows),
                    base=round(float(raw.base[number]), _DIGITS),
                )
            )
        return assessed

    def _told(
        self,
        signal: Signal,
        places: list[int],
        contributions: "Floats",
        is_known: "Flags",
        known: Sequence[Known],
    ) -> list[dict[str, Any]]:
        """One signal's reason for each row: what it adds in all, and its loudest features with their values."""
        import numpy as np

        keys = [self.model.keys[place] for place in places]
        here = contributions[:, places]
        sums = here.sum(axis=1).tolist()
        is_there = [bool(one) for one in np.any(is_known[:, self._telling(places)], axis=1)]
        # Of hundreds of features a few say nearly everything; all of them are in the sum.
        loudest = np.argsort(-np.abs(here), axis=1, kind="stable")[:, :LOUDEST]
        places_of = loudest.tolist()
        sizes = np.take_along_axis(here, loudest, axis=1).round(_SHORT).tolist()
        facts = [fact_of(key) for key in keys]
        beside = WANTED.get(signal, ())
        tells = signal is not Signal.BACKGROUND
        made = []
        for number, row in enumerate(known):
            values = row.features
            evidence: dict[str, Any] = {"course": row.course}
            if tells:
                for key in (*[facts[place] for place in places_of[number]], *beside):
                    value = values.get(key)
                    if value is not None:
                        evidence[key] = round(value, _SHORT) if isinstance(value, float) else value
            made.append(
                {
                    "signal": signal.value,
                    "name": NAMES[signal],
                    "contribution": round(sums[number], _DIGITS),
                    "known": is_there[number],
                    "features": {
                        keys[place]: size
                        for place, size in zip(places_of[number], sizes[number], strict=True)
                        if size
                    },
                    "evidence": evidence,
                }
            )
        return made

    def _telling(self, places: list[int]) -> list[int]:
        """Which of a signal's features say whether it is known: a count of nothing says so little that it does not."""
        return [place for place in places if self.model.keys[place] not in self.counts] or places


def matrix(rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> "Floats":
    """The features as (n, k) numbers, NaN where one is missing or is no number."""
    import numpy as np

    values = [[row.get(key) for key in keys] for row in rows]
    try:
        found = np.array(values, dtype=np.float64).reshape(len(rows), len(keys))
    except (TypeError, ValueError):  # a moment, a text, a list: read one by one
        found = np.array([[_number(value) for value in row] for row in values], dtype=np.float64)
    found[~np.isfinite(found)] = np.nan
    return found


def _number(value: Any) -> float:
    if isinstance(value, int | float) and isfinite(value):
        return float(value)
    return float("nan")
