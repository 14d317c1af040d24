"""How good what we receive is: what waits, what is missing, what changed, and whether it is fit to model with."""

from signals.quality.intake import Quality, measure

__all__ = ["Quality", "measure"]
