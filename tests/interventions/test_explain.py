"""A decision in words: by the reasons of the model that scored, as they were at the time."""

from datetime import timedelta
from typing import Any

import pytest

from interventions import explain
from interventions.decide import decide
from interventions.models import Decision
from interventions.policy import store
from interventions.snapshot import restore
from signals.models import FeatureRow, Risk
from signals.risk.score import live_model
from tests.support.coaching import NOW, make_circle, make_decision
from tests.support.models import make_version

pytestmark = pytest.mark.django_db
QUIET_SINCE = (NOW - timedelta(days=9)).isoformat()


def reason(signal: str, contribution: float, *, known: bool = True, **evidence: Any) -> dict[str, Any]:
    return {
        "signal": signal,
        "name": signal,
        "contribution": contribution,
        "known": known,
        "features": {key: contribution for key in evidence} if known else {},
        "evidence": {"course": "Safety", **evidence},
    }


REASONS = [
    reason("plan", 0.9, missing=2),
    reason("background", 0.5),
    reason("activity", 0.2, amount_7=10),
    reason("results", -0.6, mastery=0.9),
    reason("materials", 0.0, known=False),
]


def decided(*, triggers: list[str] | None = None, **risk: Any) -> Decision:
    """A decision about somebody whom a learned model scored."""
    enrolment = make_circle().enrolment
    made: dict[str, Any] = {
        "value": 0.6,
        "base": 0.1,
        "coverage": 0.8,
        "known_signals": 3,
        "reasons": REASONS,
        "model_version": make_version("trees-1", now=NOW),
        "as_of": NOW,
        "known_seq": 1,
    }
    Risk.objects.create(enrolment=enrolment, **{**made, **risk})
    FeatureRow.objects.create(
        enrolment=enrolment,
        feature_set="core-1",
        values={"last_active_at": QUIET_SINCE, "days_inactive": 9.0, "mastery": 0.9},
        as_of=NOW,
        known_seq=1,
    )
    return make_decision(enrolment, triggers=triggers or ["composite"])


def test_it_tells_the_reasons_of_the_model_that_scored() -> None:
    why = explain.why(decided())

    assert why.sentences == ["In Safety, two steps that were due are still open."]
    assert why.strengths == ["The scores in Safety are good."]
    assert why.missing == ["1 of 4 signals is not known: materials."]
    assert why.confidence == "Fairly sure: 3 of 4 signals are known."
    assert why.model == "trees-1"
    assert [key for key, _ in why.rests_on] == ["plan", "activity", "results"]


def test_it_tells_them_in_german() -> None:
    assert explain.why(decided(), "de").sentences == ["In Safety sind zwei fällige Schritte noch offen."]


def test_it_tells_first_what_the_trigger_noticed() -> None:
    decision = decided(triggers=["inactivity"])
    course = decision.enrolment.course.name

    assert explain.why(decision).sentences[0] == f"No activity in {course} since 21 February."


def test_it_tells_them_as_they_were() -> None:
    decision = decided()
    Risk.objects.update(reasons=[reason("results", 2.0, mastery=0.1)])

    assert explain.why(decision).sentences == ["In Safety, two steps that were due are still open."]


def test_it_reads_a_decision_from_before_reasons_were_kept() -> None:
    decision = decided()
    assert decision.snapshot is not None
    del decision.snapshot["reasons"]

    why = explain.why(decision)

    assert why.sentences[0].startswith("No activity in")
    assert why.confidence == "Fairly sure: 3 of 3 signals are known." or why.confidence.startswith(
        "Quite sure"
    )


def test_what_it_keeps_changes_no_decision() -> None:
    decision = decided()
    assert decision.snapshot is not None
    policy = store.document(store.live())

    with_reasons = decide(restore(decision.snapshot), policy)
    without = decide(restore({**decision.snapshot, "reasons": None}), policy)

    assert with_reasons == without


def test_it_says_that_it_is_not_sure() -> None:
    assert explain.why(decided(value=None, coverage=0.3)).confidence == "Not sure: too little is known."


def test_it_keeps_the_reasons_of_the_composite_too() -> None:
    decision = decided(
        base=None,
        known_signals=1,
        coverage=0.5,
        model_version=live_model(now=NOW),
        reasons=[
            {
                "feature": "mastery",
                "name": "Scores",
                "contribution": 0.6,
                "known": True,
                "evidence": {"course": "Safety", "mastery": 0.4},
            },
            {
                "feature": "fail_rate",
                "name": "Fails",
                "contribution": 0.0,
                "known": False,
                "evidence": {"course": "Safety"},
            },
        ],
    )

    why = explain.why(decision)

    assert why.sentences == ["The last scores in Safety leave room to grow."]
    assert why.confidence == "Fairly sure: 1 of 2 signals are known."
