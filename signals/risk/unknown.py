"""An unknown never raises a risk, whatever a model has learned from gaps in its training data.

Trees learn a direction for "not known", and often the direction of trouble: in the past, who had no score had
handed nothing in. In serving a gap may as well mean that a source is silent, so what an unknown feature would add
to a risk is not counted. What it would take away stays: it errs towards leaving people alone. What was done and
what was not is counted by features of its own (missing work, days without activity), which are known.
"""

from typing import TYPE_CHECKING, Any

from signals.risk.learned import Scored

if TYPE_CHECKING:
    import numpy as np

    Floats = np.ndarray[Any, np.dtype[np.float64]]


def never_raising(scored: Scored, features: "Floats") -> Scored:
    """The same scores without what unknown features would add; the contributions still add up to the risk."""
    import numpy as np

    raising = np.isnan(features) & (scored.contributions > 0)
    if not raising.any():
        return scored
    contributions = np.where(raising, 0.0, scored.contributions)
    return Scored(logistic(scored.base + contributions.sum(axis=1)), scored.base, contributions)


def logistic(log_odds: "Floats") -> "Floats":
    """Log-odds as a probability, without overflow."""
    import numpy as np

    return 1.0 / (1.0 + np.exp(-np.clip(log_odds, -700.0, 700.0)))
