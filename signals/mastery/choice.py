"""Which mastery speaks: that of competencies, where answers make it known, else the mean of the last five scores."""

from collections.abc import Mapping
from typing import Any

ANSWERS = "answers"
SCORES = "scores"


def weakest(features: Mapping[str, Any]) -> tuple[float | None, str]:
    """Of the competency that most needs it, and what it rests on: what help would be about."""
    return _chosen(features, "mastery_weakest")


def mean(features: Mapping[str, Any]) -> tuple[float | None, str]:
    """Of all that the course asked about, and what it rests on: how the course is going."""
    return _chosen(features, "mastery_mean")


def _chosen(features: Mapping[str, Any], key: str) -> tuple[float | None, str]:
    known = features.get(key)
    return (features.get("mastery"), SCORES) if known is None else (known, ANSWERS)
