"""Backtesting a policy: recorded evaluation points are walked and decided anew, by the same pure ``decide``."""
