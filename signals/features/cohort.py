"""Where somebody stands among those of the same course and start: percentiles, by plain arithmetic.

A cohort's values of one feature are kept as a grid: 101 of them, at even steps from the least to the greatest. Serving
compares with grids that a nightly stage makes from a bounded sample; bulk makes them from the points at hand. Both use
these functions, and neither interpolates, so that the same people give the same grid everywhere.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from signals.features import activity, materials, plan, results
from signals.features.feature import Feature, Percentile

if TYPE_CHECKING:
    from signals.array_types import Floats

STEPS = 100
FEWEST = 10  # among fewer, a percentile would point at people
SUFFIX = "_pct"
# Compared to nine places: in what order a sum was added up must not decide who stands before whom.
_PLACES = 1e9

Grid = tuple[float, ...]

# What is compared. Each has its percentile as a feature of its own, under the key with the suffix.
COMPARED = (
    "amount_7",
    "amount_14",
    "amount_30",
    "amount",
    "amount_before_start",
    "amount_trend",
    "active_days_3",
    "active_days_7",
    "active_days_14",
    "active_days_30",
    "active_days",
    "active_days_before_start",
    "recent_days_7",
    "recent_days_21",
    "recent_activities_7",
    "activities_per_day",
    "busiest_day",
    "days_inactive",
    "usual_gap_days",
    "longest_gap_days",
    "dwell_30",
    "sessions_30",
    "materials",
    "materials_14",
    "materials_30",
    "reopened_share",
    "amount_content",
    "amount_content_14",
    "amount_assessment",
    "amount_assessment_14",
    "amount_discussion",
    "amount_discussion_14",
    "amount_file",
    "amount_file_14",
    "amount_page",
    "amount_page_14",
    "amount_meeting",
    "amount_other",
    "results",
    "score_mean",
    "score_min",
    "score_max",
    "score_last",
    "weighted_score",
    "points_share",
    "late",
    "missing",
    "progress",
    "weight_done",
    "days_early",
    "days_late_max",
    "enrolled_before_start",
)

_BASES = {
    feature.key: feature
    for feature in (*activity.FEATURES, *results.FEATURES, *plan.FEATURES, *materials.FEATURES)
}


def _percentile_of(base: Feature) -> Percentile:
    return Percentile(
        key=base.key + SUFFIX,
        name=f"{base.name}, among those of the same course and start",
        window=base.window,
        unit="percentile",
        version=base.version,  # another meaning of the feature is another meaning of its percentile
        owner=base.owner,
        sensitivity=base.sensitivity,
        speaks_for=base.speaks_for,
        of=base.key,
    )


FEATURES: list[Percentile] = [_percentile_of(_BASES[key]) for key in COMPARED]


def grid_of(values: Iterable[float | None]) -> Grid | None:
    """The grid of these values, the unknown left out; none where fewer than FEWEST are known."""
    known = sorted(_steady(value) for value in values if value is not None and value == value)
    if len(known) < FEWEST:
        return None
    last = len(known) - 1
    return tuple(known[(step * last + STEPS // 2) // STEPS] for step in range(STEPS + 1))


def grids(rows: Sequence[Mapping[str, Any]]) -> dict[str, Grid]:
    """The grids of a cohort from its people's features; what too few have is left out."""
    made = ((key, grid_of(row.get(key) for row in rows)) for key in COMPARED)
    return {key: grid for key, grid in made if grid is not None}


def percentile(grid: Sequence[float] | None, value: float | None) -> float | None:
    """The share of the cohort below this value, 0 to 1, those at it counted by half; unknown without either."""
    if grid is None or value is None or value != value:
        return None
    at = _steady(value)
    return (bisect_left(grid, at) + bisect_right(grid, at)) / (2 * len(grid))


def _steady(value: float) -> float:
    return round(value * _PLACES) / _PLACES


def percentiles(grid: Sequence[float] | None, values: "Floats") -> "Floats":
    """The same for a whole column, NaN where unknown."""
    import numpy as np

    if grid is None:
        return np.full(len(values), np.nan)
    at = np.asarray(grid, dtype=np.float64)
    steady = np.rint(values * _PLACES) / _PLACES
    below = np.searchsorted(at, steady, side="left") + np.searchsorted(at, steady, side="right")
    return np.where(np.isnan(values), np.nan, below / (2 * len(at)))


def add_percentiles(values: dict[str, Any], known: Mapping[str, Sequence[float]]) -> None:
    """Puts each percentile beside the feature it compares."""
    for key in COMPARED:
        values[key + SUFFIX] = percentile(known.get(key), values.get(key))
