"""How right a model is: figures with intervals, by day, by course and for whom."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from signals.training import fairness
from signals.training.card import Figure, finite
from signals.training.paired import METRICS, draws, interval, numbered, top_share
from signals.training.rows import family

if TYPE_CHECKING:
    from signals.array_types import Flags, Floats
    from signals.training.dataset import Dataset

ROUNDS = 200
TOP = 0.1
LEAST_SLICE = 50  # rows
NAMES = ("auc", "ap", "brier", "ece", "precision_at_10")


def figures(
    data: "Dataset", probability: "Floats", wanted: "Flags", *, rounds: int = ROUNDS
) -> dict[str, Figure]:
    """AUC, average precision, Brier score, calibration error (15 bins of equal width) and precision in the top tenth of
    each run's list, with 95 % intervals by drawing enrolments anew. A list is that of one run on one day.
    """
    import numpy as np

    wanted = wanted & np.isfinite(probability) & np.isfinite(data.y)
    if not wanted.any():
        return {}
    p, y, people = probability[wanted], data.y[wanted], data.enrolment_ids[wanted]
    lists = [
        f"{cohort}|{day}"
        for cohort, day, keep in zip(data.cohorts, data.day.tolist(), wanted.tolist(), strict=True)
        if keep
    ]
    flagged = top_share(p, numbered(tuple(lists)), TOP)

    def all_of(weight: "Floats") -> list[float]:
        with np.errstate(divide="ignore", invalid="ignore"):
            return [
                METRICS["auc"](p, y, weight),
                METRICS["ap"](p, y, weight),
                float((weight * (p - y) ** 2).sum() / weight.sum()),
                METRICS["ece"](p, y, weight),
                float((weight * flagged * y).sum() / (weight * flagged).sum()),
            ]

    here = all_of(np.ones(len(y)))
    drawn = np.array([all_of(weight) for weight in draws(people, rounds=rounds)]).reshape(-1, len(NAMES))
    told = {}
    for place, name in enumerate(NAMES):
        value = here[place]
        if not np.isfinite(value):
            told[name] = Figure(None, n=len(y))
            continue
        around = interval(value, drawn[:, place] if name != "ece" else _unswollen(value, drawn[:, place]))
        told[name] = Figure(value, finite(around.low), finite(around.high), len(y))
    return told


def _unswollen(value: float, drawn: "Floats") -> "Floats":
    """Drawn calibration errors, moved to lie around what was measured: a draw repeats people, which adds chance misses
    to every bin, and an error only ever counts upwards."""
    import numpy as np

    return np.maximum(drawn - (np.nanmean(drawn) - value), 0.0)


def by_day(data: "Dataset", probability: "Floats", *, rounds: int = ROUNDS) -> dict[str, dict[str, Figure]]:
    """Figures of each day, and of all together where there are several."""
    import numpy as np

    days = np.unique(data.day).tolist()
    told = {f"day {day}": figures(data, probability, data.day == day, rounds=rounds) for day in days}
    if len(days) > 1:
        told["all days"] = figures(data, probability, np.ones(len(data), dtype=np.bool_), rounds=rounds)
    return told


def by_course(
    data: "Dataset", probability: "Floats", within: "Flags", *, rounds: int = 100
) -> dict[str, dict[str, Figure]]:
    """Figures of each course; those with too few rows or one class only are left out."""
    import numpy as np

    names = np.array([family(cohort) for cohort in data.cohorts])
    told = {}
    for name in np.unique(names).tolist():
        here = within & (names == name) & np.isfinite(data.y)
        if here.sum() >= LEAST_SLICE and len(np.unique(data.y[here])) == 2:
            told[name] = figures(data, probability, here, rounds=rounds)
    return told


def fair(data: "Dataset", probability: "Floats", within: "Flags", *, rounds: int = ROUNDS) -> dict[str, Any]:
    """How it does by each declared attribute, as ``signals.training.fairness`` tells it."""
    from signals.training.rows import take

    part = take(data, within)
    return fairness.dump(
        fairness.report(
            probability=probability[within],
            y=part.y,
            people=part.enrolment_ids,
            runs=[f"{cohort}|{day}" for cohort, day in zip(part.cohorts, part.day.tolist(), strict=True)],
            attributes=part.attributes,
            rounds=rounds,
        )
    )


def gaps(told: Mapping[str, Any]) -> dict[str, Figure | None]:
    """The gap of true positive rates in the top fifth of the lists by attribute; None is too small to judge."""
    report = fairness.load(told)
    found = {attribute.name: report.gap(attribute.name) for attribute in report.attributes}
    return {name: gap.figure if gap is not None else None for name, gap in found.items()}
