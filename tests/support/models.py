"""A small learned model for tests: a logistic one whose every number is written down."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from signals.models import ModelVersion
from signals.risk.learned import Scored

if TYPE_CHECKING:
    import numpy as np

    Floats = np.ndarray[Any, np.dtype[np.float64]]


class Additive:
    """Log-odds that are a weighted sum. A gap adds `unknown`, as trees that have learned from gaps do."""

    def __init__(
        self, weights: Mapping[str, float], *, base: float = 0.0, unknown: float = 0.0, off_by: float = 0.0
    ) -> None:
        self.keys = tuple(weights)
        self.weights = weights
        self.base = base
        self.unknown = unknown
        self.off_by = off_by
        self.importance = {key: abs(weight) for key, weight in weights.items()}

    def score(self, features: "Floats") -> Scored:
        import numpy as np

        weights = np.array([self.weights[key] for key in self.keys])
        contributions = np.where(np.isnan(features), self.unknown, np.nan_to_num(features) * weights)
        base = np.full(len(features), self.base)
        return Scored(
            1 / (1 + np.exp(-(base + contributions.sum(axis=1) + self.off_by))), base, contributions
        )


def make_version(name: str, *, now: datetime, is_live: bool = False, **fields: Any) -> ModelVersion:
    """A trained version; live, it takes the place of the one that was."""
    if is_live:
        ModelVersion.objects.filter(is_live=True).update(is_live=False)
    made: dict[str, Any] = {"kind": "logistic", "artefact": b"artefact", "created_at": now}
    return ModelVersion.objects.create(name=name, is_live=is_live, **{**made, **fields})
