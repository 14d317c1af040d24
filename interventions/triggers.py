"""Which triggers hold, whether that opens an episode, when they could next hold, and when they count as over.

Pure: a snapshot and a policy in, an answer out. Bounds of the risk bands are strict. What each trigger looks at is in
``interventions.conditions``.
"""

from collections.abc import Collection
from datetime import datetime

import msgspec

from interventions.conditions import CONDITIONS, came_back, inactivity_days, renewed
from interventions.policy.document import LIVE, Bands, Document
from interventions.policy.triggering import (
    CERTIFICATE,
    COMPOSITE,
    DEADLINE,
    ENGAGEMENT,
    FAILURES,
    GROUPS,
    INACTIVITY,
    KEYS,
    MASTERY,
    PACE,
    Triggers,
    for_whom,
)
from interventions.snapshot import PastEpisode, Snapshot

__all__ = [
    "CERTIFICATE",
    "COMPOSITE",
    "DEADLINE",
    "ENGAGEMENT",
    "FAILURES",
    "HIGH",
    "INACTIVITY",
    "LOW",
    "MASTERY",
    "MEDIUM",
    "PACE",
    "Held",
]

LOW = "low"
MEDIUM = "medium"
HIGH = "high"


class Held(msgspec.Struct, frozen=True):
    """A trigger whose condition is true, and since when."""

    key: str
    since: datetime


def band(risk: float | None, coverage: float, known_signals: int, bands: Bands) -> str | None:
    """The band of a risk, or None where there is no risk to speak of: unknown, or too little of it known."""
    if risk is None or coverage < bands.min_coverage:
        return None
    if risk > bands.high and known_signals >= bands.high_needs_signals:
        return HIGH
    if risk > bands.medium:
        return MEDIUM
    return LOW


def of(snapshot: Snapshot, policy: Document) -> Triggers:
    """The triggers that count for this person in this course: the policy's, with the overrides that fit."""
    return for_whom(policy.triggers, impact=snapshot.impact, course=snapshot.course)


def inactivity_threshold_days(snapshot: Snapshot, policy: Document) -> float:
    """Days without activity that are unusual for this learner."""
    return inactivity_days(snapshot, of(snapshot, policy))


def held(snapshot: Snapshot, policy: Document) -> tuple[Held, ...]:
    """The triggers that hold now, in a fixed order."""
    triggers = of(snapshot, policy)
    found = []
    for key in KEYS:
        if not getattr(triggers, key).enabled:
            continue
        if key == COMPOSITE:
            since = (
                (snapshot.risk_as_of or snapshot.now)
                if risk_band(snapshot, policy) in (MEDIUM, HIGH)
                else None
            )
        else:
            since = CONDITIONS[key].since(snapshot, triggers)
        if since is not None:
            found.append(Held(key, since))
    return tuple(found)


def opening(holding: tuple[Held, ...], snapshot: Snapshot, policy: Document) -> tuple[tuple[Held, ...], str]:
    """Those of the held triggers that may open an episode now; else none, and the key of the reason why."""
    if not holding:
        return (), ""
    triggers = of(snapshot, policy)
    armed = tuple(trigger for trigger in holding if _is_armed(trigger, snapshot, policy, triggers))
    if not armed:
        return (), "not_armed"
    keys = {trigger.key for trigger in holding}
    missing = triggers.combine == "all" and any(
        getattr(triggers, key).enabled and key not in keys for key in KEYS
    )
    if missing or signals_of(keys) < triggers.min_signals:
        return (), "too_few_signals"
    return armed, ""


def signals_of(keys: set[str]) -> int:
    """How many independent signals speak. The composite is made of the others', so beside them it adds none."""
    return len({GROUPS[key] for key in keys if key in GROUPS}) or int(COMPOSITE in keys)


def _is_armed(trigger: Held, snapshot: Snapshot, policy: Document, triggers: Triggers) -> bool:
    """May it open an episode once more? After one in which nothing changed, only what began anew is a relapse."""
    past = next((one for one in snapshot.past if one.trigger == trigger.key), None)
    repeat = getattr(triggers, trigger.key).repeat
    if past is None or repeat == "every":
        return True
    return repeat == "relapse" and (past.end != "expired" or _began_anew(trigger.key, past, snapshot, policy))


def _began_anew(key: str, past: PastEpisode, snapshot: Snapshot, policy: Document) -> bool:
    if key == COMPOSITE:
        return past.eased is not None and past.eased <= policy.bands.medium - policy.bands.hysteresis
    began_at = CONDITIONS[key].began_at(snapshot, of(snapshot, policy))
    return began_at is not None and began_at > past.closed_at


def risk_band(snapshot: Snapshot, policy: Document) -> str | None:
    """The band of the snapshot's risk, as long as the policy trusts the model it came from."""
    if snapshot.model is None or policy.model not in (LIVE, snapshot.model):
        return None
    return band(snapshot.risk, snapshot.coverage, snapshot.known_signals, policy.bands)


def recovered(snapshot: Snapshot, policy: Document) -> bool:
    """Is every trigger that opened the episode over, by its own rule and with hysteresis?"""
    episode = snapshot.episode
    if episode is None or episode.rule:
        return False  # what a rule opened ends with its step (interventions.decide)
    triggers = of(snapshot, policy)
    return all(_is_over(key, snapshot, policy, triggers, episode.opened_at) for key in episode.triggers)


def _is_over(key: str, snapshot: Snapshot, policy: Document, triggers: Triggers, opened_at: datetime) -> bool:
    if key == COMPOSITE:
        return snapshot.risk is not None and snapshot.risk <= policy.bands.medium - policy.bands.hysteresis
    if key in CONDITIONS:
        return CONDITIONS[key].is_over(snapshot, triggers, opened_at)
    return True  # somebody asked: a person ends it, or nothing else holds any more


def improved(
    *, before: Snapshot, after: Snapshot, opened_by: Collection[str], reached_at: datetime, policy: Document
) -> bool:
    """Did things get better between an attempt and the end of its window? ``opened_by``: the attempt's episode.

    Where the risk opened the episode, it has fallen by the margin; else by what was seen: the plan went on, the last
    result was no failure, or, where the trouble was silence, the learner came back.
    """
    if recovered(after, policy):
        return True
    opened = set(opened_by)
    if COMPOSITE in opened and before.risk is not None and after.risk is not None:
        return after.risk <= before.risk - policy.bands.hysteresis
    seen = after.seen
    answers = []
    if opened & {PACE, DEADLINE}:
        answers.append((seen.steps_done or 0) > (before.seen.steps_done or 0))
    if FAILURES in opened:
        answers.append(
            seen.last_result_at is not None
            and seen.last_result_at > reached_at
            and seen.failures_in_a_row == 0
        )
    if CERTIFICATE in opened:
        answers.append(renewed(after, reached_at))
    if not answers or opened & {INACTIVITY, MASTERY, ENGAGEMENT}:
        answers.append(came_back(after, reached_at))
    return any(answers)


def next_review_at(snapshot: Snapshot, policy: Document) -> datetime | None:
    """When time alone could next make a trigger or a rule true; None when only events can."""
    triggers = of(snapshot, policy)
    moments = [snapshot.rules_review_at] + [
        condition.next_at(snapshot, triggers)
        for key, condition in CONDITIONS.items()
        if getattr(triggers, key).enabled
    ]
    return min((moment for moment in moments if moment is not None and moment > snapshot.now), default=None)
