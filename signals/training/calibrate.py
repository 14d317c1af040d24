"""Probabilities that come true as often as they say: log-odds corrected by day, each day held to all days together.

Learned on rows the model did not see (cross-fitted over whole cohorts), so that what it corrects is what happens on a
new run: overconfidence, and a base rate that is another. Two numbers a day, drawn towards those of all days: more would
learn last year's accidents.
"""

from typing import TYPE_CHECKING

from signals.risk.learned import Calibration

if TYPE_CHECKING:
    from signals.array_types import Floats
    from signals.training.dataset import Dataset

STEPS = 25
HELD = 200.0  # how many rows' worth a day's correction is drawn towards that of all days
PRIOR = 20.0  # and that of all days towards none
LEAST_ROWS = 50


def calibration(data: "Dataset", odds: "Floats", weight: "Floats") -> Calibration:
    """The correction of these log-odds, which were given without having seen their rows. NaN rows are left out."""
    import numpy as np

    wanted = np.isfinite(odds)
    pooled = _platt(odds[wanted], data.y[wanted], weight[wanted], np.array([1.0, 0.0]), PRIOR)
    found: dict[float, Floats] = {}
    for day in np.unique(data.day[wanted]).tolist():
        here = wanted & (data.day == day)
        if here.sum() >= LEAST_ROWS:
            found[float(day)] = _platt(odds[here], data.y[here], weight[here], pooled, HELD)
    if not found:
        found[0.0] = pooled
    return Calibration(
        tuple(found),
        tuple(float(one[0]) for one in found.values()),
        tuple(float(one[1]) for one in found.values()),
    )


def _platt(odds: "Floats", y: "Floats", weight: "Floats", towards: "Floats", held: float) -> "Floats":
    """Slope and offset by Newton's method; the slope never turns the order round."""
    import numpy as np

    design = np.stack([odds, np.ones(len(odds))], axis=1)
    pull = held * 0.25 * np.array([max(float(np.var(odds)), 0.1), 1.0])
    found = towards.copy()
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(design @ found, -30, 30)))
        slope = design.T @ (weight * (y - p)) - pull * (found - towards)
        curve = (design * (weight * p * (1 - p))[:, None]).T @ design + np.diag(pull)
        step = np.linalg.solve(curve, slope)
        found = found + step
        if float(np.abs(step).max()) < 1e-9:
            break
    return np.array([max(float(found[0]), 0.05), float(found[1])])
