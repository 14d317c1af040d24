"""Which rows of a training set a model may learn from, how much each counts, and how they are split."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from signals.training.dataset import Dataset

if TYPE_CHECKING:
    from signals.array_types import Flags, Floats, Whole

LEAST_PEOPLE = 50
LEAST_EACH = 10  # people it came true for, and people it did not
LEAST_COHORT = 30  # smaller ones are pooled: on their own they say nothing
MOST_WEIGHT = 10.0  # of an untreated row that stands for many treated ones
FOLDS = 5
SEED = 20130201


class CannotTrain(ValueError):
    """Nothing can be learned from this; the message says what to mend."""


def usable(data: Dataset) -> Dataset:
    """Rows with a known label on which nobody acted. Raises CannotTrain."""
    import numpy as np

    labelled = np.isfinite(data.y)
    if not labelled.any():
        raise CannotTrain(
            f"None of the {len(data)} rows has a label {data.label} yet. Wait until courses have ended, or train as of"
            " a later date."
        )
    wanted = labelled & ~data.treated
    if not wanted.any():
        raise CannotTrain("Somebody acted on every labelled row: what comes without help is not known.")
    kept = take(data, wanted)
    true, false = (len(np.unique(kept.enrolment_ids[kept.y == value])) for value in (1, 0))
    people = len(np.unique(kept.enrolment_ids))
    if people < LEAST_PEOPLE:
        raise CannotTrain(
            f"There are {people} enrolments with a known outcome; a model needs {LEAST_PEOPLE}. Take in more courses"
            " that have ended."
        )
    if min(true, false) < LEAST_EACH:
        raise CannotTrain(
            f"{data.label} came out badly for {true} enrolments and well for {false}; a model needs {LEAST_EACH} of"
            " each. Check that completions and results reach the record store."
        )
    return kept


def take(data: Dataset, wanted: "Flags | Whole") -> Dataset:
    """These rows only."""
    import numpy as np

    places = np.flatnonzero(wanted) if wanted.dtype == bool else wanted
    arrays = {
        name: getattr(data, name)[places]
        for name in (
            "enrolment_ids",
            "as_of",
            "day",
            "course_ids",
            "features",
            "y",
            "treated",
            "propensity",
        )
    }
    some = places.tolist()
    return replace(
        data,
        **arrays,
        cohorts=tuple(data.cohorts[place] for place in some),
        attributes={name: tuple(values[place] for place in some) for name, values in data.attributes.items()},
    )


def some_people(people: "Whole", most: int) -> "Whole":
    """The rows of so many people, by chance, that there are about as many rows as wanted; all where there are fewer."""
    import numpy as np

    if len(people) <= most:
        return np.arange(len(people))
    unique = np.unique(people)
    chosen = np.random.default_rng(SEED).permutation(unique)[: int(len(unique) * most / len(people))]
    return np.flatnonzero(np.isin(people, chosen))


def weights(data: Dataset) -> "Floats":
    """How much each row counts: who was left alone although likely to be treated stands for those who were treated."""
    import numpy as np

    chance = np.where(np.isfinite(data.propensity), data.propensity, 0.0)
    weight = np.minimum(1 / np.maximum(1 - chance, 1 / MOST_WEIGHT), MOST_WEIGHT)
    return weight / weight.mean() if len(weight) else weight


def starts(data: Dataset) -> "Whole":
    """The day (since 1970) on which each row's enrolment started."""
    import numpy as np

    return (data.as_of // 86_400).astype(np.int64) - data.day


def family(cohort: str) -> str:
    """The course that a cohort is a run of: "BBB" of "BBB/2013J", "safety" of "safety@2024-03-01"."""
    name, at, _ = cohort.partition("@")
    before, slash, last = name.rpartition("/")
    # Only a part that holds a year names a run; "courses/safety" is a course.
    return before if slash and not at and re.search(r"\d{4}", last) else name


def folds(data: Dataset, *, most: int = FOLDS) -> "Whole":
    """A fold for each row. Whole cohorts stay together, so that every fold asks: what of a run not seen before?

    Cohorts too small to be a fold are pooled; with too few cohorts, people are split, each with all their rows and in
    each cohort alike.
    """
    import numpy as np

    sizes = {
        cohort: len(np.unique(data.enrolment_ids[_at(data.cohorts, cohort)]))
        for cohort in sorted(set(data.cohorts))
    }
    units = {cohort: cohort if size >= LEAST_COHORT else "" for cohort, size in sizes.items()}
    if len(set(units.values())) < 3:
        return _by_people(data, most)
    weight: dict[str, int] = {}
    for cohort, unit in units.items():
        weight[unit] = weight.get(unit, 0) + sizes[cohort]
    filled = [0] * min(most, len(weight))
    place: dict[str, int] = {}
    for unit in sorted(weight, key=lambda unit: (-weight[unit], unit)):
        emptiest = filled.index(min(filled))
        place[unit] = emptiest
        filled[emptiest] += weight[unit]
    return np.array([place[units[cohort]] for cohort in data.cohorts], dtype=np.int64)


def by_run(data: Dataset) -> "Whole":
    """A fold for each cohort: what of a run that was never seen?"""
    import numpy as np

    return np.unique(np.array(data.cohorts), return_inverse=True)[1].astype(np.int64)


def by_family(data: Dataset) -> "Whole":
    """A fold for each course: what of a course that was never seen?"""
    import numpy as np

    names = sorted({family(cohort) for cohort in data.cohorts})
    return np.array([names.index(family(cohort)) for cohort in data.cohorts], dtype=np.int64)


def _by_people(data: Dataset, most: int) -> "Whole":
    import numpy as np

    people = np.unique(data.enrolment_ids)
    of_person = dict(zip(data.enrolment_ids.tolist(), data.cohorts, strict=True))
    outcome = dict(zip(data.enrolment_ids.tolist(), data.y.tolist(), strict=True))
    order = np.random.default_rng(SEED).permutation(len(people))
    # Dealt out like cards within each cohort and outcome, so that small ones are in every fold.
    dealt = sorted(order.tolist(), key=lambda place: (of_person[people[place]], outcome[people[place]]))
    fold = np.empty(len(people), dtype=np.int64)
    fold[dealt] = np.arange(len(people)) % most
    return fold[np.searchsorted(people, data.enrolment_ids)]


def time_split(data: Dataset) -> tuple["Flags", "Flags"] | None:
    """Earlier starts to learn from and the last ones to judge on; None where all started at about the same time."""
    import numpy as np

    begun = starts(data)
    found = np.unique(begun)
    for border in found[::-1]:
        later = begun >= border
        people = len(np.unique(data.enrolment_ids[later]))
        if people * 5 < len(np.unique(data.enrolment_ids)) and border != found[0]:
            continue  # too few to judge on: take the start before with them
        earlier = ~later
        if not earlier.any() or not all(_both(data.y[part]) for part in (earlier, later)):
            return None
        return earlier, later
    return None


def _both(y: "Floats") -> bool:
    return bool((y == 1).sum() >= LEAST_EACH and (y == 0).sum() >= LEAST_EACH)


def _at(cohorts: Sequence[str], wanted: str) -> "Flags":
    import numpy as np

    return np.array([cohort == wanted for cohort in cohorts], dtype=np.bool_)


def moment(seconds: float) -> datetime:
    """Seconds since 1970 as a moment."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
