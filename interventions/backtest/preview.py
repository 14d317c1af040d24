"""The last eight weeks under a draft, beside the policy in force: for the page before it is put in force."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from interventions.backtest import run
from interventions.policy import store
from interventions.policy.document import Document
from interventions.policy.louder import Reason

SPAN = timedelta(weeks=8)
# Of these, more than now is louder; a hundredth more is the noise of a sample.
_COUNTED = (
    ("learner_alerts_per_week", "alerts to learners"),
    ("manager_alerts_per_week", "alerts to managers"),
    ("coach_cases_per_week", "cases for coaches"),
)
_NOISE = 1.01
PLACE = "preview"


def preview(
    before: Document, after: Document, *, version: int, now: datetime, is_over: Callable[[], bool]
) -> dict[str, Any] | None:
    """The figures of both policies; None where nothing is recorded yet. ``version``: the draft's number."""
    try:
        return run.backtest(
            span=run.Span(now - SPAN, now),
            base=run.Side(store.live().version, before),
            other=run.Side(version, after),
            reproduce=False,
            is_over=is_over,
        ).told
    except run.CannotBacktest:
        return None


def more_alerts(told: dict[str, Any] | None) -> list[Reason]:
    """What of a preview makes a draft need a second yes."""
    if told is None:
        return []
    live, draft = told["policies"]
    return [
        Reason(
            PLACE,
            f"the last eight weeks would have had {draft[key]:.1f} {words} a week rather than {live[key]:.1f}",
        )
        for key, words in _COUNTED
        if draft[key] > live[key] * _NOISE
    ]
