"""Every feature, once. Each concept has its module with a list of them; this puts them together.

The expressions are Ibis, so one definition runs on PostgreSQL (serving), DuckDB (bulk) and other engines. They read
the tables that signals.features.expression describes.
"""

from signals.features import activity, cohort, habits, materials, person, plan, results
from signals.features.feature import Computed, Feature, Source

FEATURE_SET = "core-2"

# What an engine computes; percentiles are added to it by arithmetic.
COMPUTED: tuple[Computed, ...] = (
    *activity.FEATURES,
    *results.FEATURES,
    *plan.FEATURES,
    *materials.FEATURES,
    *habits.FEATURES,
    *person.FEATURES,
)
FEATURES: tuple[Feature, ...] = (*COMPUTED, *cohort.FEATURES)
# What models may learn from.
INPUTS: tuple[Feature, ...] = tuple(f for f in FEATURES if f.is_model_input)

# Counts of nothing are nought, not unknown.
COUNTS = frozenset(f.key for f in FEATURES if f.is_count)
BY_KEY = {feature.key: feature for feature in FEATURES}
VERSIONS = {feature.key: feature.version for feature in FEATURES}

__all__ = [
    "BY_KEY",
    "COMPUTED",
    "COUNTS",
    "FEATURES",
    "FEATURE_SET",
    "INPUTS",
    "VERSIONS",
    "Computed",
    "Feature",
    "Source",
]
