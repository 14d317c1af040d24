"""What a model learns from: features as they were known at their date, and what became of it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from learners.declared import attributes as declared_attributes
from learners.models import DeclaredAttribute
from signals.features.bulk.compute import Table, compute_table
from signals.features.cohort import COMPARED, SUFFIX, grid_of, percentiles
from signals.features.definitions import FEATURE_SET, INPUTS
from signals.features.retired import retired_keys
from signals.labels import for_training
from signals.training.population import DEFAULT_DAYS, Asked, at_risk

if TYPE_CHECKING:
    # Passed on: some modules ask for these names here.
    from signals.array_types import Flags as Flags
    from signals.array_types import Floats as Floats
    from signals.array_types import Whole as Whole


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


class NothingToLearnFrom(ValueError):
    """Nobody was enrolled in these courses on these days."""


def build(
    *,
    label: str,
    days: Sequence[int] | None,
    course_ids: Sequence[int],
    now: datetime,
    mark_lag_days: int = 0,
) -> Dataset:
    """What a model can learn from these courses: everyone at risk at the end of each of these days since their start.

    Features are as they were known then. Marks count ``mark_lag_days`` later than they were sent, where a source dates
    them by submission. Raises NothingToLearnFrom, and ahead.DatedAhead if anything dated after a row's moment had
    got among what its features are computed from.
    """
    import numpy as np

    asked = at_risk(course_ids=course_ids, days=DEFAULT_DAYS if days is None else days, now=now)
    if not asked:
        raise NothingToLearnFrom(
            "Nobody whose data may be used was enrolled in these courses on these days. Import the courses' statements"
            " first, or ask about other days."
        )
    table = compute_table([row.point for row in asked], mark_lag_days=mark_lag_days)
    keys, features = _inputs(table, asked)
    labels = for_training(label=label, points=[row.point for row in asked], now=now)
    return Dataset(
        enrolment_ids=np.array([row.enrolment_id for row in asked], dtype=np.int64),
        as_of=np.array([row.as_of.timestamp() for row in asked]),
        day=np.array([row.day for row in asked], dtype=np.int64),
        course_ids=np.array([row.course_id for row in asked], dtype=np.int64),
        cohorts=tuple(row.cohort for row in asked),
        feature_set=FEATURE_SET,
        keys=keys,
        features=features,
        label=label,
        # A label says whether it went well; a risk is that it does not.
        y=np.array([np.nan if row.value is None else 1.0 - row.value for row in labels]),
        treated=np.array([row.treated for row in labels], dtype=np.bool_),
        propensity=np.array([np.nan if row.propensity is None else row.propensity for row in labels]),
        attributes=_attributes(asked),
    )


def dataset_hash(data: Dataset) -> str:
    """The same for the same rows, whatever their order and whichever run computed them."""
    import numpy as np

    order = np.lexsort((data.as_of, data.enrolment_ids))
    found = hashlib.sha256()
    for text in (data.label, data.feature_set, *data.keys):
        found.update(text.encode() + b"\0")
    for column in (
        data.enrolment_ids,
        data.as_of,
        data.day,
        data.course_ids,
        data.treated,
        data.y,
        data.propensity,
        *data.features.T,
    ):
        found.update(_steady(column[order].astype(np.float64)).tobytes())
    return found.hexdigest()


def _steady(values: "Floats") -> "Floats":
    """Values without what the order of adding up changes in their last digits: whole numbers exactly, others to 20
    binary digits; one zero, one NaN.
    """
    import numpy as np

    share, power = np.frexp(values)
    rounded = np.ldexp(np.round(share * 2**20), power - 20)
    steady = np.where(values == np.round(values), values, rounded) + 0.0
    steady[np.isnan(values)] = np.nan
    return steady


def _inputs(table: Table, asked: Sequence[Asked]) -> tuple[tuple[str, ...], "Floats"]:
    """What models read: features, and percentiles among those of the same cohort who were there that day."""
    import numpy as np

    columns = dict(zip(table.keys, table.values.T, strict=True))
    together: dict[tuple[str, datetime], list[int]] = {}
    for number, row in enumerate(asked):
        together.setdefault((row.cohort, row.as_of), []).append(number)
    groups = [np.array(rows) for rows in together.values()]
    for key in COMPARED:
        standing = np.full(len(asked), np.nan)
        for rows in groups:
            values = columns[key][rows]
            standing[rows] = percentiles(
                grid_of(values.tolist()), values
            )  # Python sorts its own numbers faster
        columns[key + SUFFIX] = standing
    retired = retired_keys()
    keys = tuple(feature.key for feature in INPUTS if feature.key not in retired)
    return keys, np.stack([columns[key] for key in keys], axis=1)


def _attributes(asked: Sequence[Asked]) -> dict[str, tuple[str, ...]]:
    said = declared_attributes({row.enrolment_id for row in asked})
    return {
        name: tuple(said.get(row.enrolment_id, {}).get(name, "") for row in asked)
        for name in DeclaredAttribute.Name.values
    }
