"""How well it went: scores, fails, and how hard the questions were."""

from typing import Any

from signals.features.activity import WHOLE
from signals.features.feature import COACH, DAY, LESSON, MANAGER, Computed, Family, Sensitivity, Source

LAST_SCORES = 5


_of = Family(
    source=Source.RESULTS,
    owner="assessment",
    sensitivity=Sensitivity.PERFORMANCE,
    speaks_for=(LESSON, MANAGER, COACH),
).feature


def _failures_in_a_row(t: Any) -> Any:
    """How many of the latest results failed before one that did not."""
    return (t.recency.min(where=~t.failed) - 1).coalesce(t.recency.count())


def _last(t: Any) -> Any:
    return t.score.max(where=t.score_recency == 1)


FEATURES: list[Computed] = [
    _of(
        "mastery",
        "Mean of the last five scores",
        "last 5 scores",
        "share",
        lambda t: t.score.mean(where=t.score_recency <= LAST_SCORES),
    ),
    _of(
        "fail_rate",
        "Share of results below the pass mark",
        WHOLE,
        "share",
        # From whole numbers: a decimal literal is a decimal to some engines, and so is the mean of it.
        lambda t: t.failed.ifelse(1, 0).cast("float64").mean(),
    ),
    _of(
        "failures_in_a_row",
        "Results below the pass mark in a row",
        WHOLE,
        "count",
        _failures_in_a_row,
        is_count=True,
    ),
    _of("results", "Results", WHOLE, "count", lambda t: t.recency.count(), is_count=True),
    _of(
        "results_30",
        "Results",
        "30 days",
        "count",
        lambda t: t.recency.count(where=t.as_of - t.moment < 30 * DAY),
        is_count=True,
    ),
    _of(
        "results_before_start",
        "Results from before the course began",
        "before the start",
        "count",
        lambda t: t.recency.count(where=t.moment < t.start_day.cast("float64") * DAY),
        is_count=True,
    ),
    _of(
        "last_result_at",
        "Last result",
        WHOLE,
        "time",
        lambda t: t.moment.max(),
        is_time=True,
        is_model_input=False,
    ),
    _of("score_mean", "Mean score", WHOLE, "share", lambda t: t.score.mean()),
    _of("score_min", "Lowest score", WHOLE, "share", lambda t: t.score.min()),
    _of("score_max", "Highest score", WHOLE, "share", lambda t: t.score.max()),
    _of("score_last", "Last score", WHOLE, "share", _last),
    _of(
        "score_trend",
        "Last score against the mean of those before",
        WHOLE,
        "share",
        lambda t: _last(t) - t.score.mean(where=t.score_recency > 1),
    ),
    _of(
        "days_since_result",
        "Days since the last result",
        WHOLE,
        "days",
        lambda t: (t.as_of - t.last_result_at).clip(lower=0.0) / DAY,
        Source.ENROLMENT,
    ),
    _of(
        "repeated_failures",
        "Most failed attempts on one competency or activity",
        WHOLE,
        "count",
        lambda t: t.failures.max(),
        Source.CONCEPTS,
        is_count=True,
    ),
    _of(
        "open_concepts",
        "Competencies or activities failed more than once and not passed since",
        WHOLE,
        "count",
        lambda t: t.failures.count(where=t.is_open & (t.failures >= 2)),
        Source.CONCEPTS,
        is_count=True,
    ),
    _of(
        "difficulty_met",
        "Mean difficulty of the questions answered",
        WHOLE,
        "logit",
        lambda t: t.difficulty.mean(),
        Source.ANSWERS,
    ),
    _of(
        "difficulty_met_30",
        "Mean difficulty of the questions answered",
        "30 days",
        "logit",
        lambda t: t.difficulty.mean(where=t.age < 30),
        Source.ANSWERS,
    ),
    _of(
        "answers_30",
        "Questions answered",
        "30 days",
        "count",
        lambda t: t.moment.count(where=t.is_item & (t.age < 30)),
        Source.ANSWERS,
        is_count=True,
    ),
    _of(
        "mastery_weakest",
        "Mastery of the weakest competency",
        WHOLE,
        "share",
        lambda t: t.weakest.min(),
        Source.MASTERY,
    ),
    _of(
        "mastery_mean",
        "Mean mastery of the course's competencies",
        WHOLE,
        "share",
        lambda t: t["mean"].min(),
        Source.MASTERY,
    ),
    _of(
        "mastery_known",
        "Competencies of which mastery is known",
        WHOLE,
        "count",
        lambda t: t.known.max(),
        Source.MASTERY,
        is_count=True,
    ),
]
