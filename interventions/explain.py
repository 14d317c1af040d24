"""A decision in words: what was seen and tried, what is not known, how sure we are. No score, no cause."""

from dataclasses import dataclass, field
from typing import Any

from interventions import noticed
from interventions.decide import LEARNER_DIRECTED
from interventions.models import Approval, Attempt, Decision
from interventions.policy.weights import features
from interventions.snapshot import Snapshot, restore
from interventions.wordlist import CONFIDENCE, LOOKED_AT, REASONS, TRIED
from signals.risk import composite, evidence, reasons
from signals.risk.groups import NAMES


@dataclass(frozen=True)
class Explanation:
    """Plain sentences about one decision, in one language."""

    sentences: list[str]
    tried: list[str]
    missing: list[str]
    confidence: str
    strengths: list[str] = field(default_factory=list)  # what speaks for the learner
    rests_on: list[tuple[str, str]] = field(
        default_factory=list
    )  # signals of which something is known: key, name
    because: list[str] = field(default_factory=list)  # why this step and no other
    policy: str = ""
    model: str = ""
    looked_at: str = ""  # whether a person looked at it before it was sent; "" where nothing was


def why(decision: Decision, language: str = "en") -> Explanation:
    """What a learner, coach or manager may read about this decision."""
    language = "de" if language.startswith("de") else "en"
    policy = f"{decision.policy.version}"
    if decision.snapshot is None:  # the person was erased; what was decided stays, what it rested on does not
        return Explanation([], [], [], CONFIDENCE[language]["erased"], policy=policy)
    snapshot = restore(decision.snapshot)
    found = _reasons(snapshot, decision.enrolment.course.name)
    opened_by = decision.episode.triggers if decision.episode is not None else ()
    own = [noticed.sentence(trigger, snapshot, language) for trigger in opened_by]
    seen = [*filter(None, own), *_noticed(decision, snapshot, language)]
    told = list(dict.fromkeys([*seen, *reasons.sentences(found, language)]))
    told = told[: reasons.MOST]
    return Explanation(
        sentences=_asked(snapshot, language) + told,
        strengths=reasons.strengths(found, language, most=min(1, reasons.MOST - len(told))),
        rests_on=[(signal.value, NAMES[signal]) for signal in evidence.signals_of(found)],
        tried=_tried(decision, language),
        missing=reasons.missing(found, language),
        confidence=_confidence(snapshot, found, language),
        because=[REASONS[language][key] for key in _keys(decision.reasons) if key in REASONS[language]],
        policy=policy,
        model=snapshot.model or "",
        looked_at=_looked_at(decision, language),
    )


def _looked_at(decision: Decision, language: str) -> str:
    """Of what goes to the learner: did somebody say yes to it first?"""
    if decision.action not in LEARNER_DIRECTED:
        return ""
    approval = getattr(decision, "approval", None)
    if approval is None:
        return LOOKED_AT[language]["by_nobody"]
    return LOOKED_AT[language]["by_a_person"] if approval.state == Approval.State.APPROVED else ""


def _reasons(snapshot: Snapshot, course: str) -> list[dict[str, Any]]:
    """The reasons of the model that scored; for decisions that kept none, what the composite would have said."""
    if snapshot.reasons is not None:
        return list(snapshot.reasons)
    return _composite(snapshot, course)


def _composite(snapshot: Snapshot, course: str) -> list[dict[str, Any]]:
    seen = features(snapshot)
    assessed = composite.assess(seen, composite.Parameters.read({}), as_of=snapshot.now, course=course)
    return assessed.reasons


# What a trigger noticed is told first, whatever weighed most in the model beside it.
_NOTICED = {"inactivity": ("days_inactive",), "mastery": ("mastery", "days_inactive")}


def _noticed(decision: Decision, snapshot: Snapshot, language: str) -> list[str]:
    """What the triggers that opened the episode saw, where a learned model scored: it may speak of other things."""
    if snapshot.reasons is None or not any("signal" in reason for reason in snapshot.reasons):
        return []
    triggers = decision.episode.triggers if decision.episode is not None else ()
    wanted = {feature for trigger in triggers for feature in _NOTICED.get(trigger, ())}
    seen = _composite(snapshot, decision.enrolment.course.name)
    return reasons.sentences([reason for reason in seen if reason["feature"] in wanted], language)


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


def _confidence(snapshot: Snapshot, found: list[dict[str, Any]], language: str) -> str:
    texts = CONFIDENCE[language]
    if snapshot.risk is None or snapshot.coverage < 0.5:
        return texts["unsure"]
    counted = len(reasons.countable(found))
    known = min(snapshot.known_signals, counted)
    return texts["sure" if known == counted else "fairly"].format(known=known, all=counted)


def _keys(stored: list[str]) -> list[str]:
    return [key.split(":")[0] for key in stored]
