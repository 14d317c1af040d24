"""A training set for tests: made up, with real features, in which little activity and low scores go badly."""

from typing import TYPE_CHECKING, Any

from signals.features.definitions import FEATURE_SET

if TYPE_CHECKING:
    from signals.training.dataset import Dataset

KEYS = ("day", "active_days_14_pct", "points_share", "load")
DAYS = (14, 28)
RUNS = ("AAA/2013B", "AAA/2013J", "BBB/2013B", "BBB/2013J")


def made_up(*, people: int = 400, seed: int = 1, runs: tuple[str, ...] = RUNS, **fields: Any) -> "Dataset":
    """Two rows a person. Runs of 2013B start before those of 2013J."""
    import numpy as np

    from signals.training.dataset import Dataset

    chance = np.random.default_rng(seed)
    ids = np.repeat(np.arange(people), len(DAYS))
    day = np.tile(np.array(DAYS), people)
    cohorts = tuple(runs[person % len(runs)] for person in ids.tolist())
    begun = np.array([200 if name.endswith("J") else 0 for name in cohorts])
    active, points = chance.random(len(ids)), chance.random(len(ids))
    points[chance.random(len(ids)) < 0.2] = np.nan
    odds = 4 * (0.5 - active) + 4 * (0.5 - np.nan_to_num(points, nan=0.3))
    bad = chance.random(people) < 1 / (1 + np.exp(-odds[:: len(DAYS)]))
    made: dict[str, Any] = {
        "enrolment_ids": ids,
        "as_of": (begun + day + 1) * 86_400.0 - 1,
        "day": day,
        "course_ids": np.array([runs.index(name) for name in cohorts]),
        "cohorts": cohorts,
        "feature_set": FEATURE_SET,
        "keys": KEYS,
        "features": np.stack([day.astype(float), active, points, np.full(len(ids), 60.0)], axis=1),
        "label": "passed_by_end@1",
        "y": np.repeat(bad, len(DAYS)).astype(float),
        "treated": np.zeros(len(ids), dtype=bool),
        "propensity": np.full(len(ids), np.nan),
        "attributes": {"gender": tuple("MF"[person % 2] for person in ids.tolist())},
    }
    return Dataset(**{**made, **fields})
