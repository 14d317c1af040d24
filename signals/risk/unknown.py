"""An unknown never raises a risk, whatever a model has learned from gaps in its training data.

Trees learn a direction for "not known", and often the direction of trouble: in the past, who had no score had
handed nothing in. In serving a gap may as well mean that a source is silent, so what an unknown feature would add
to a risk is not counted. What it would take away stays: it errs towards leaving people alone. What was done and
what was not is counted by features of its own (missing work, days without activity), which are known.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Floats = np.ndarray[Any, np.dtype[np.float64]]


def never_raising(contributions: "Floats", features: "Floats") -> "Floats":
    """(n, k) contributions without what unknown features (NaN) would add to a risk."""
    import numpy as np

    raising = np.isnan(features) & (contributions > 0)
    return np.where(raising, 0.0, contributions) if raising.any() else contributions


def logistic(log_odds: "Floats") -> "Floats":
    """Log-odds as a probability, without overflow."""
    import numpy as np

    return 1.0 / (1.0 + np.exp(-np.clip(log_odds, -700.0, 700.0)))
