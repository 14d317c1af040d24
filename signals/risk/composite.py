"""The seed's composite risk: a weighted sum of what is known, and an honest "not sure" where too little is.

Pure arithmetic: no Django, no clock. An unknown never raises a risk: the weights of what is known are scaled
up to one, and coverage says how much of the whole weight that was.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import fsum
from typing import Any

from signals.mastery.choice import mean

KIND = "composite"
# What "composite-1" starts with; ModelVersion.parameters holds what is live.
PARAMETERS: dict[str, Any] = {
    "weights": {"mastery": 0.5, "days_inactive": 0.3, "fail_rate": 0.2},
    "horizon_days": 30,
    "min_coverage": 0.5,
}
MOVED = 0.05  # a risk that moved less is the same risk
# Sums of decimal fractions are a hair off in binary, and the policy's bounds are strict: 0.75 must stay.
_DIGITS = 9

NAMES = {
    "mastery": "Mastery, from answers or the last five scores",
    "days_inactive": "Days without activity",
    "fail_rate": "Share of results below the pass mark",
}


@dataclass(frozen=True, slots=True)
class Parameters:
    weights: Mapping[str, float]
    horizon_days: float
    min_coverage: float

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "Parameters":
        """The parameters a model version holds; what it leaves out is as in composite-1."""
        merged = {**PARAMETERS, **stored}
        return cls(
            weights={key: float(merged["weights"][key]) for key in NAMES},
            horizon_days=float(merged["horizon_days"]),
            min_coverage=float(merged["min_coverage"]),
        )


@dataclass(frozen=True, slots=True)
class Assessed:
    """A risk with its reasons. `value` is None where we abstain."""

    value: float | None
    coverage: float
    known_signals: int
    reasons: list[dict[str, Any]] = field(default_factory=list)
    review_at: datetime | None = None  # when time alone next makes it worth computing again
    base: float | None = (
        None  # log-odds before any signal speaks; None where contributions add up to the value
    )


def assess(
    features: Mapping[str, Any], parameters: Parameters, *, as_of: datetime, course: str = ""
) -> Assessed:
    """The risk that these features give. `course` is its name, for the sentences."""
    parts = _parts(features, parameters)
    known = {key: part for key, part in parts.items() if part is not None}
    total = fsum(parameters.weights.values())
    known_weight = fsum(parameters.weights[key] for key in known)
    coverage = round(known_weight / total, _DIGITS) if total else 0.0
    abstains = not known_weight or coverage < parameters.min_coverage
    contributions = {
        key: 0.0 if abstains else parameters.weights[key] * part / known_weight for key, part in known.items()
    }
    return Assessed(
        value=None if abstains else min(1.0, round(fsum(contributions.values()), _DIGITS)),
        coverage=coverage,
        known_signals=len(known),
        reasons=[
            {
                "feature": key,
                "name": NAMES[key],
                "contribution": contributions.get(key, 0.0),
                "evidence": _evidence(key, features, course),
                "known": key in known,
            }
            for key in sorted(parts, key=lambda key: (-contributions.get(key, 0.0), key))
        ],
        review_at=_review_at(
            features,
            parameters,
            as_of=as_of,
            per_day=None if abstains else _per_day(parameters, known_weight),
        ),
    )


def moved(before: float | None, after: float | None) -> bool:
    """Whether two risks differ enough to be told apart: by 0.05, or by being known at all."""
    if before is None or after is None:
        return (before is None) != (after is None)
    return round(abs(after - before), _DIGITS) >= MOVED


def _parts(features: Mapping[str, Any], parameters: Parameters) -> dict[str, float | None]:
    """Each signal from 0 (no worry) to 1, or None where it is not known."""
    mastery, _ = mean(features)
    inactive, failed = features.get("days_inactive"), features.get("fail_rate")
    return {
        "mastery": None if mastery is None else 1 - min(max(mastery, 0.0), 1.0),
        "days_inactive": None if inactive is None else min(max(inactive, 0.0) / parameters.horizon_days, 1.0),
        "fail_rate": None if failed is None else min(max(failed, 0.0), 1.0),
    }


def _per_day(parameters: Parameters, known_weight: float) -> float:
    """How much one more day without activity adds."""
    return parameters.weights["days_inactive"] / known_weight / parameters.horizon_days


def _review_at(
    features: Mapping[str, Any], parameters: Parameters, *, as_of: datetime, per_day: float | None
) -> datetime | None:
    """When time alone next changes something: the start, a due date that passes, or a risk 0.05 higher."""
    moments = []
    started_at = _moment(features.get("started_at"))
    if started_at and started_at > as_of:
        moments.append(started_at)
    due_at = _moment(features.get("next_due_at"))
    if due_at:
        moments.append(due_at + timedelta(seconds=1))
    inactive = features.get("days_inactive")
    if inactive is not None and per_day and inactive < parameters.horizon_days:
        # The last stretch before the horizon may be shorter than a move, and still cross a bound.
        days = min(MOVED / per_day, parameters.horizon_days - inactive)
        moments.append(as_of + timedelta(days=max(days, 0.01)))
    return min((moment for moment in moments if moment > as_of), default=None)


def _evidence(key: str, features: Mapping[str, Any], course: str) -> dict[str, Any]:
    """The values and dates behind a signal, as a sentence or an auditor needs them."""
    wanted = {
        "mastery": ("mastery", "results", "last_result_at"),
        "days_inactive": ("days_inactive", "last_active_at", "started_at", "usual_gap_days"),
        "fail_rate": ("fail_rate", "failures_in_a_row", "results", "last_result_at"),
    }[key]
    evidence = {"course": course, **{name: features.get(name) for name in wanted}}
    if key == "mastery":
        evidence["mastery"], evidence["mastery_from"] = mean(features)
    return evidence


def _moment(iso: str | None) -> datetime | None:
    return datetime.fromisoformat(iso) if iso else None
