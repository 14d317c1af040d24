"""What it would cost to close the gap between groups, and how far it can be closed at all.

    python -m tests.bench.fairness_cost --train 2013B 2013J --day 28 56 84 [--attribute deprivation_band]

Every run is scored by a blend of the other runs. Then the scores are moved against what the features tell of the
attribute among those who did not pass: along the direction that closes the gap for the least loss of likelihood
(H⁻¹c, with H the information of a logistic model on the features and c their covariance with the attribute), in
growing steps. Direction and scale are learned on the other runs; the attribute is never an input. Bands are taken as
evenly spaced, in the order of their names. Reads the database, writes nothing.
"""

import argparse
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signals.training.dataset import Dataset, Floats, Whole

STEPS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)  # standard deviations of log-odds, in the metric of H
NEAR = 0.15  # where in a run's list the gap is closed: around the top fifth
HELD = 100.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--train", nargs="+", required=True)
    parser.add_argument("--day", nargs="+", type=int, default=[28, 56, 84])
    parser.add_argument("--attribute", default="deprivation_band")
    asked = parser.parse_args()

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    import numpy as np
    from django.utils import timezone

    from signals.training import dataset, measure, methods
    from signals.training.evaluate import LABEL, learning_days
    from signals.training.learn import cross_fitted
    from signals.training.presentations import find
    from signals.training.rows import by_run, usable

    data = usable(
        dataset.build(
            label=LABEL,
            days=learning_days(asked.day),
            course_ids=[one.course_id for one in find(asked.train)],
            now=timezone.now(),
        )
    )
    keys, fold = methods.inputs(data), by_run(data)
    odds = cross_fitted(data, "blend", keys, fold)
    told = methods.columns(data, keys)
    spread = np.nanstd(told, axis=0)
    told = np.nan_to_num((told - np.nanmean(told, axis=0)) / np.where(spread > 0, spread, 1.0), nan=0.0)
    told = np.clip(told, -4, 4)
    names = np.array(data.attributes[asked.attribute])
    order = {name: place for place, name in enumerate(sorted({*names.tolist()} - {""}))}
    band = np.array([order.get(name, np.nan) for name in names.tolist()])
    for day in asked.day:
        here = data.day == day
        print(f"day {day}")
        way = _way(data, told, odds, band, fold, day)
        for step in STEPS:
            p = 1 / (1 + np.exp(-(odds + step * way)))
            figures = measure.figures(data, p, here, rounds=20)
            gap = measure.gaps(measure.fair(data, p, here, rounds=20))[asked.attribute]
            said = "  ".join(
                f"{name} {figures[name].value:.3f}" for name in ("auc", "ap", "ece", "precision_at_10")
            )
            print(f"  step {step:.2f}: {said}  gap {gap.value if gap else float('nan'):.3f}")


def _way(
    data: "Dataset", told: "Floats", odds: "Floats", band: "Floats", fold: "Whole", day: int
) -> "Floats":
    """How far each row is moved by one step, from what the other runs tell."""
    import numpy as np

    within: Any = np.zeros(len(data))
    names = np.array(data.cohorts)
    for run in np.unique(names):
        rows = np.flatnonzero((names == run) & (data.day == day))
        within[rows[np.argsort(-odds[rows])]] = (np.arange(len(rows)) + 0.5) / max(len(rows), 1)
    here, p = data.day == day, 1 / (1 + np.exp(-odds))
    found = np.zeros(len(data))
    for number in np.unique(fold):
        rows = here & (fold != number)
        weight = (p * (1 - p))[rows]
        information = (told[rows] * weight[:, None]).T @ told[rows] + HELD * np.eye(told.shape[1])
        failed = rows & (data.y == 1) & np.isfinite(band)
        near = np.exp(-((within[failed] - 0.2) ** 2) / (2 * NEAR**2))
        apart = band[failed] - np.average(band[failed], weights=near)
        direction = np.linalg.solve(information, told[failed].T @ (near * apart))
        direction /= np.sqrt(direction @ information @ direction / rows.sum())
        found[fold == number] = told[fold == number] @ direction
    return found


if __name__ == "__main__":
    main()
