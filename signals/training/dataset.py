"""What a model learns from: features as they were known at their date, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Floats = np.ndarray[Any, np.dtype[np.float64]]
    Whole = np.ndarray[Any, np.dtype[np.int64]]
    Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Dataset:
    """One row per enrolment and moment. Arrays have one entry a row, in one order; n rows, k features."""

    enrolment_ids: "Whole"
    as_of: "Floats"  # seconds since 1970
    day: "Whole"  # whole days since the enrolment's start; negative before it
    course_ids: "Whole"
    cohorts: tuple[str, ...]  # course and start in words, "AAA/2013J" (n)
    feature_set: str
    keys: tuple[str, ...]  # k names of features
    features: "Floats"  # (n, k); NaN is not known
    label: str  # definition and version
    y: "Floats"  # 1: what the label warns of came true; 0: it did not; NaN: censored
    treated: "Flags"  # somebody acted on it within the label's horizon
    propensity: "Floats"  # of having been treated; NaN where nothing was decided
    # Declared attributes for audits of fairness, {"gender": (n) text, "" unknown}. Never among the features.
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.enrolment_ids)
