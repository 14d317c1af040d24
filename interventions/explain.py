"""A decision in words: what was seen and tried, what is not known, how sure we are. No score, no cause."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from interventions.models import Attempt, Decision
from interventions.snapshot import Snapshot, restore
from interventions.wordlist import CONFIDENCE, REASONS, TRIED
from signals.mastery.choice import ANSWERS
from signals.risk import composite, reasons


@dataclass(frozen=True)
class Explanation:
    """Plain sentences about one decision, in one language."""

    sentences: list[str]
    tried: list[str]
    missing: list[str]
    confidence: str
    because: list[str] = field(default_factory=list)  # why this step and no other
    policy: str = ""
    model: str = ""


def why(decision: Decision, language: str = "en") -> Explanation:
    """What a learner, coach or manager may read about this decision."""
    language = "de" if language.startswith("de") else "en"
    policy = f"{decision.policy.version}"
    if decision.snapshot is None:  # the person was erased; what was decided stays, what it rested on does not
        return Explanation([], [], [], CONFIDENCE[language]["erased"], policy=policy)
    snapshot = restore(decision.snapshot)
    found = _reasons(snapshot, decision.enrolment.course.name)
    return Explanation(
        sentences=_asked(snapshot, language) + reasons.sentences(found, language),
        tried=_tried(decision, language),
        missing=reasons.missing(found, language),
        confidence=_confidence(snapshot, language),
        because=[REASONS[language][key] for key in _keys(decision.reasons) if key in REASONS[language]],
        policy=policy,
        model=snapshot.model or "",
    )


def _reasons(snapshot: Snapshot, course: str) -> list[dict[str, Any]]:
    seen = snapshot.seen
    features = {
        "mastery": seen.mastery,
        "mastery_mean": seen.mastery if seen.mastery_from == ANSWERS else None,
        "days_inactive": snapshot.days_inactive,
        "fail_rate": seen.fail_rate,
        "failures_in_a_row": seen.failures_in_a_row,
        "last_active_at": _iso(seen.last_active_at),
        "started_at": _iso(seen.started_at),
    }
    assessed = composite.assess(features, composite.Parameters.read({}), as_of=snapshot.now, course=course)
    return assessed.reasons


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _asked(snapshot: Snapshot, language: str) -> list[str]:
    return [REASONS[language][snapshot.request]] if snapshot.request in REASONS[language] else []


def _tried(decision: Decision, language: str) -> list[str]:
    """What reached the learner before this decision in the same episode, and what became of it."""
    texts = TRIED[language]
    attempts = (
        Attempt.objects.filter(episode_id=decision.episode_id, reached_at__lt=decision.at)
        .select_related("decision")
        .order_by("reached_at", "pk")
        if decision.episode_id
        else []
    )
    return [
        texts["line"].format(
            step=texts[attempt.decision.action],
            day=attempt.reached_at.strftime("%d.%m." if language == "de" else "%-d %b"),
            result=texts[attempt.verdict],
        )
        for attempt in attempts
    ]


def _confidence(snapshot: Snapshot, language: str) -> str:
    texts = CONFIDENCE[language]
    if snapshot.risk is None or snapshot.coverage < 0.5:
        return texts["unsure"]
    return texts["sure" if snapshot.coverage > 0.99 else "fairly"].format(known=snapshot.known_signals, all=3)


def _keys(stored: list[str]) -> list[str]:
    return [key.split(":")[0] for key in stored]
