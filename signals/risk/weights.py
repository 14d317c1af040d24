"""A composite with other weights: a version of its own, as every other model is."""

from collections.abc import Mapping
from datetime import datetime
from math import fsum
from typing import Any, NamedTuple
from uuid import UUID

from django.db import IntegrityError, transaction

from consent import audit
from consent.actors import SYSTEM, Party
from signals.models import ModelVersion
from signals.risk.composite import KIND, NAMES, PARAMETERS, Parameters

HORIZON_DAYS = (7, 180)
MIN_COVERAGE = (0.3, 1.0)
_TRIES = 5


class Fault(NamedTuple):
    """What is wrong with a number, and how to mend it. ``field``: a key of NAMES, or the parameter's name, or empty."""

    field: str
    message: str


class UnfitWeights(ValueError):
    """These numbers make no composite; ``faults`` says why."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__(" ".join(fault.message for fault in faults))


def version_with(parameters: Parameters, *, now: datetime, by: UUID | None = None) -> ModelVersion:
    """The composite with these numbers: the one that has them already, else a new one, which scores nobody yet.

    Raises UnfitWeights.
    """
    if found := faults(parameters):
        raise UnfitWeights(found)
    for _ in range(_TRIES):
        # Newest first: composite-1 itself, where somebody goes back to its numbers.
        composites = ModelVersion.objects.filter(kind=KIND).only("name", "parameters")
        for version in composites:
            if Parameters.read(version.parameters) == parameters:
                return version
        number = 1 + max((_number(version.name) for version in composites), default=1)
        try:
            with transaction.atomic():
                made = ModelVersion.objects.create(
                    name=f"{KIND}-{number}", kind=KIND, parameters=_stored(parameters), created_at=now
                )
                audit.record(
                    actor=Party("user", by) if by else SYSTEM,
                    action="model.weighted",
                    target=Party("model", UUID(int=made.pk)),
                    now=now,
                    detail={"model": made.pk},
                )
                return made
        except IntegrityError:
            continue  # somebody else took the number
    raise RuntimeError("The composites' numbers are taken faster than they can be counted.")


def faults(parameters: Parameters) -> list[Fault]:
    """Everything that keeps these numbers from being a composite."""
    found = [
        Fault(key, "A weight lies between 0 and 1.")
        for key, weight in parameters.weights.items()
        if not 0 <= weight <= 1
    ]
    total = fsum(parameters.weights.values())
    if not found and abs(total - 1) > 1e-6:
        found.append(Fault("", f"The weights add up to {total:g}; together they are 1."))
    if not found and max(parameters.weights.values()) > 0.8:
        found.append(Fault("", "One signal alone would decide; leave at least 0.2 to the others."))
    for name, value, (least, most) in (
        ("horizon_days", parameters.horizon_days, HORIZON_DAYS),
        ("min_coverage", parameters.min_coverage, MIN_COVERAGE),
    ):
        if not least <= value <= most:
            found.append(Fault(name, f"Between {least:g} and {most:g}."))
    return found


def made_of(weights: Mapping[str, float], *, horizon_days: float, min_coverage: float) -> Parameters:
    """These numbers as a composite's parameters, in the order in which the signals are named."""
    return Parameters({key: float(weights[key]) for key in NAMES}, float(horizon_days), float(min_coverage))


def _stored(parameters: Parameters) -> dict[str, Any]:
    return {
        **PARAMETERS,
        "weights": dict(parameters.weights),
        "horizon_days": parameters.horizon_days,
        "min_coverage": parameters.min_coverage,
    }


def _number(name: str) -> int:
    last = name.rpartition("-")[2]
    return int(last) if last.isdigit() else 1
