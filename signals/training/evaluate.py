"""Trains on some runs and judges on others: what a model is worth on a year it has not seen."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from signals.training import dataset, guards, measure
from signals.training.baseline import composite
from signals.training.learn import Learning, learn, probabilities
from signals.training.population import DEFAULT_DAYS
from signals.training.presentations import Presentation, find, own_ids
from signals.training.rows import usable

if TYPE_CHECKING:
    from signals.training.dataset import Dataset, Floats

LABEL = "passed_by_end@1"
BEYOND = 14  # days after the last one asked for that are still learned from
COLUMNS = ("module", "presentation", "learner", "day", "probability", "label")


class CannotEvaluate(ValueError):
    """The question cannot be answered; the message says why."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model of the training runs, and the other runs with what it says of them."""

    learning: Learning
    test: "Dataset"
    probability: "Floats"
    baseline: "Floats"
    presentations: dict[int, Presentation]  # by course
    trained_on: tuple[str, ...]
    mark_lag_days: int


def evaluate(
    *,
    train: Sequence[str],
    test: Sequence[str],
    days: Sequence[int],
    now: datetime,
    label: str = LABEL,
    method: str = "",
    mark_lag_days: int = 0,
) -> Evaluation:
    """How a model of these presentations does on those. Raises CannotEvaluate, UnknownPresentation, CannotTrain,
    NothingToLearnFrom, UnfitForTraining.
    """
    both = sorted(set(train) & set(test))
    if both:
        raise CannotEvaluate(
            f"{', '.join(both)} cannot be both learned from and judged on: a model knows the answers of what it learned"
            " from."
        )
    if not days:
        raise CannotEvaluate("Say at least one day.")
    learn_from, judge_on = find(train), find(test)
    learned = dataset.build(
        label=label,
        days=learning_days(days),
        course_ids=[one.course_id for one in learn_from],
        now=now,
        mark_lag_days=mark_lag_days,
    )
    learn_from_rows = usable(learned)
    guards.check(learn_from_rows, now=now)
    learning = learn(learn_from_rows, method=method)
    judged = dataset.build(
        label=label,
        days=sorted(set(days)),
        course_ids=[one.course_id for one in judge_on],
        now=now,
        mark_lag_days=mark_lag_days,
    )
    return Evaluation(
        learning,
        judged,
        probabilities(learning.model, judged),
        composite(judged),
        {one.course_id: one for one in judge_on},
        tuple(sorted(set(train))),
        mark_lag_days,
    )


def learning_days(days: Sequence[int]) -> list[int]:
    """The days asked for and those around them: days near each other teach each other."""
    return sorted({*days, *(day for day in DEFAULT_DAYS if day <= max(days) + BEYOND)})


def told(found: Evaluation, *, rounds: int = measure.ROUNDS) -> dict[str, Any]:
    """Everything about it, as JSON has it."""
    import numpy as np

    days = np.unique(found.test.day).tolist()
    fairness = {
        f"day {day}": measure.fair(found.test, found.probability, found.test.day == day, rounds=rounds)
        for day in days
    }
    answer = {
        "trained_on": list(found.trained_on),
        "tested_on": sorted({one.name for one in found.presentations.values()}),
        "label": found.test.label,
        "mark_lag_days": found.mark_lag_days,
        "method": found.learning.model.kind,
        "tried": [
            {"method": one.method, "auc": one.auc, "ap": one.ap, "on": one.on} for one in found.learning.tried
        ],
        "features": list(found.learning.model.keys),
        "metrics": measure.by_day(found.test, found.probability, rounds=rounds),
        "baseline": measure.by_day(found.test, found.baseline, rounds=rounds),
        "slices": {
            f"day {day}": measure.by_course(found.test, found.probability, found.test.day == day)
            for day in days
        },
        "fairness": fairness,
        "tpr_gap_top_20": {day: measure.gaps(one) for day, one in fairness.items()},
    }
    built: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(answer))
    return built


def write_predictions(found: Evaluation, path: Path) -> int:
    """How many rows were written: everybody enrolled on each day, by the source's own names. Label 1: not passed."""
    ids = own_ids(found.test.enrolment_ids.tolist())
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(COLUMNS)
        for enrolment, course, day, probability, y in zip(
            found.test.enrolment_ids.tolist(),
            found.test.course_ids.tolist(),
            found.test.day.tolist(),
            found.probability.tolist(),
            found.test.y.tolist(),
            strict=True,
        ):
            one = found.presentations[course]
            out.writerow(
                (
                    one.module,
                    one.name,
                    ids.get(enrolment, ""),
                    day,
                    f"{probability:.6f}",
                    "" if y != y else int(y),
                )
            )
    return len(found.test)
