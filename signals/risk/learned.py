"""A learned model at work: features in, a calibrated probability and signed contributions that add up out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

    Floats = np.ndarray[Any, np.dtype[np.float64]]

FORMAT = 1  # of the artefact; another one is refused, not guessed at


class UnusableModel(ValueError):
    """An artefact that this release cannot score with; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Scored:
    """n rows. In every row: base + the sum of its contributions = log(p / (1 - p))."""

    probability: "Floats"  # (n)
    base: "Floats"  # (n) log-odds before any feature speaks
    contributions: "Floats"  # (n, k) log-odds each feature adds; 0 where it is not used


class Learned(Protocol):
    """What every learned model can do."""

    keys: tuple[str, ...]  # the features it reads, in order

    def score(self, features: "Floats") -> Scored:
        """The risk of each row of (n, k) features, NaN where not known."""


def load(artefact: bytes, *, feature_versions: Mapping[str, int]) -> Learned:
    """The model in an artefact. Raises UnusableModel where its format or a feature's version is another."""
    raise NotImplementedError
