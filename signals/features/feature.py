"""What a feature is: its name for people, how far back it looks, and the expression that computes it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

DAY = 86_400

# Which of our steps a feature can speak for: what it says is something that this step can do something about.
NUDGE, LESSON, MANAGER, COACH = "nudge", "lesson", "manager", "coach"


class Source(StrEnum):
    """What a feature's expression is handed: rows to be summarised, or the one row of an enrolment.

    Every row carries enrolment_id and as_of, and nothing that happened, or became known, after as_of.
    """

    DAYS = "days"  # rollup, with age (days before as_of), gap (days since the active day before), from_start
    MATERIALS = (
        "materials"  # one row per activity opened, with age and new (days since the last and first time)
    )
    WATCHED = "watched"  # one row per video or sound with progress
    RESULTS = "results"  # judged results, with failed, score, recency and score_recency (1 is the latest)
    ANSWERS = "answers"  # every result, single questions too, with failed and age in days
    CONCEPTS = "concepts"  # one row per competency (or activity) tried, with failures and is_open
    STEPS = "steps"  # the plan's steps, with due_at, done_at, weight and score
    RATINGS = "ratings"  # what others said about the person, with recency and age in days
    GAPS = "gaps"  # one row per competency that the role asks for and whose level is known
    HISTORY = "history"  # one row: the person's earlier enrolments
    MASTERY = "mastery"  # one row: what item responses say of competencies
    ENROLMENT = "enrolment"  # the enrolment itself, with all features above


class Sensitivity(StrEnum):
    """What kind of knowledge about a person it is."""

    ACTIVITY = "activity"  # that and when they learned
    PERFORMANCE = "performance"  # how well
    PERSON = "person"  # who they are at work, apart from this course


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """What a feature is, however it is come by. A changed meaning is a new version."""

    key: str
    name: str  # for people
    window: str
    unit: str
    version: int
    owner: str
    sensitivity: Sensitivity
    speaks_for: tuple[str, ...]
    is_time: bool = False  # seconds since 1970, which readers get as an ISO date-time
    is_model_input: bool = True
    is_count: bool = False  # a whole number; of nothing it is nought, not unknown

    def __post_init__(self) -> None:
        if self.is_time and self.is_model_input:
            raise ValueError(f"{self.key}: a moment is no input of a model; say how long ago it was.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed(Feature):
    """One that an engine computes: a summary of its source's rows, or something made of an enrolment's one row."""

    source: Source
    expression: Callable[[Any], Any]  # of an Ibis table, giving an Ibis value


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentile(Feature):
    """Where another feature stands among those of the same course and start, by arithmetic."""

    of: str  # the key of what is compared


@dataclass(frozen=True, slots=True)
class Family:
    """What the features of one concept share. Some come from another source, or speak for other steps."""

    source: Source
    owner: str
    sensitivity: Sensitivity
    speaks_for: tuple[str, ...]

    def feature(
        self,
        key: str,
        name: str,
        window: str,
        unit: str,
        expression: Callable[[Any], Any],
        source: Source | None = None,
        *,
        version: int = 1,
        is_time: bool = False,
        is_count: bool = False,
        is_model_input: bool = True,
        speaks_for: tuple[str, ...] | None = None,
    ) -> Computed:
        """One feature of the family."""
        return Computed(
            key=key,
            name=name,
            window=window,
            unit=unit,
            version=version,
            owner=self.owner,
            sensitivity=self.sensitivity,
            speaks_for=self.speaks_for if speaks_for is None else speaks_for,
            is_time=is_time,
            is_model_input=is_model_input,
            is_count=is_count,
            source=self.source if source is None else source,
            expression=expression,
        )


def share(part: Any, whole: Any) -> Any:
    """part / whole, unknown where there is no whole."""
    return part.cast("float64") / whole.cast("float64").nullif(0.0)


def sum_within(column: str, days: int) -> Callable[[Any], Any]:
    """The expression: the sum of a column over rows of fewer days ago."""
    return lambda t: t[column].sum(where=t.age < days)


def count_within(column: str, days: int, *, by: str = "age") -> Callable[[Any], Any]:
    """The expression: how many rows are of fewer days ago."""
    return lambda t: t[column].count(where=t[by] < days)


def latest(left: Any, right: Any) -> Any:
    """The greater of two, either of which may be unknown."""
    return (left.isnull() | (right > left)).ifelse(right, left)


def end_of(day: Any) -> Any:
    """The last second of a day: what is due on a day is late only after it."""
    return (day + 1).cast("float64") * DAY - 1
