"""What the composite of the seed says of the rows of a training set: the bar that every learned model is held to."""

from typing import TYPE_CHECKING

from signals.risk.composite import PARAMETERS, Parameters, assess
from signals.training.rows import moment

if TYPE_CHECKING:
    from signals.array_types import Floats
    from signals.training.dataset import Dataset

_READS = ("mastery", "mastery_mean", "days_inactive", "fail_rate")


def composite(data: "Dataset") -> "Floats":
    """Its risk of each row, by whatever it knows: it abstains nowhere, for it must say something to be compared."""
    import numpy as np

    parameters = Parameters.read({**PARAMETERS, "min_coverage": 0.0})
    at = [(key, data.keys.index(key)) for key in _READS if key in data.keys]
    found = np.full(len(data), np.nan)
    for row in range(len(data)):
        values = {key: float(data.features[row, place]) for key, place in at}
        known = {key: value for key, value in values.items() if np.isfinite(value)}
        value = assess(known, parameters, as_of=moment(data.as_of[row])).value
        found[row] = np.nan if value is None else value
    said = np.isfinite(found)
    return np.where(said, found, found[said].mean() if said.any() else 0.5)
