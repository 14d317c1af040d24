"""Which conditions hold, since when, when they could next hold, and when they count as over.

Pure: a snapshot and a policy in, an answer out. Bounds of the risk bands are strict.
"""

from datetime import datetime, timedelta

import msgspec

from interventions.policy.document import LIVE, Bands, Document
from interventions.snapshot import Snapshot

MASTERY = "mastery"
INACTIVITY = "inactivity"
COMPOSITE = "composite"

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


def inactivity_threshold_days(snapshot: Snapshot, policy: Document) -> float:
    """Days without activity that are unusual for this learner."""
    trigger = policy.triggers.inactivity
    return max(trigger.days, trigger.times_usual_gap * (snapshot.seen.usual_gap_days or 0.0))


def held(snapshot: Snapshot, policy: Document) -> tuple[Held, ...]:
    """The triggers that hold now, in a fixed order."""
    found = []
    days = snapshot.days_inactive
    quiet_since = snapshot.seen.last_active_at or snapshot.seen.started_at
    mastery = policy.triggers.mastery
    if (
        mastery.enabled
        and snapshot.seen.mastery is not None
        and snapshot.seen.mastery < mastery.below
        and days is not None
        and quiet_since is not None
        and days >= mastery.with_days_inactive
    ):
        found.append(Held(MASTERY, quiet_since + timedelta(days=mastery.with_days_inactive)))
    if policy.triggers.inactivity.enabled and days is not None and quiet_since is not None:
        threshold = inactivity_threshold_days(snapshot, policy)
        if days >= threshold:
            found.append(Held(INACTIVITY, quiet_since + timedelta(days=threshold)))
    if policy.triggers.composite.enabled and risk_band(snapshot, policy) in (MEDIUM, HIGH):
        found.append(Held(COMPOSITE, snapshot.risk_as_of or snapshot.now))
    return tuple(found)


def risk_band(snapshot: Snapshot, policy: Document) -> str | None:
    """The band of the snapshot's risk, as long as the policy trusts the model it came from."""
    if snapshot.model is None or policy.model not in (LIVE, snapshot.model):
        return None
    return band(snapshot.risk, snapshot.coverage, snapshot.known_signals, policy.bands)


def recovered(snapshot: Snapshot, policy: Document) -> bool:
    """Is every trigger that opened the episode over, by its own rule and with hysteresis?"""
    episode = snapshot.episode
    if episode is None:
        return False
    return all(_is_over(key, snapshot, policy, episode.opened_at) for key in episode.triggers)


def _is_over(key: str, snapshot: Snapshot, policy: Document, opened_at: datetime) -> bool:
    came_back = snapshot.seen.last_active_at is not None and snapshot.seen.last_active_at > opened_at
    if key == INACTIVITY:
        return came_back
    if key == MASTERY:
        mastered = (
            snapshot.seen.mastery is not None
            and snapshot.seen.mastery >= policy.triggers.mastery.recovered_at
        )
        return mastered or came_back
    if key == COMPOSITE:
        return snapshot.risk is not None and snapshot.risk <= policy.bands.medium - policy.bands.hysteresis
    return True  # a request of the learner: a person ends it, or nothing else holds any more


def improved(*, before: Snapshot, after: Snapshot, reached_at: datetime, policy: Document) -> bool:
    """Did things get better between an attempt and the end of its window?"""
    if recovered(after, policy):
        return True
    last = after.seen.last_active_at
    came_back = last is not None and last > reached_at
    opened_by = set(after.episode.triggers) if after.episode else set()
    if before.risk is None or after.risk is None or opened_by <= {INACTIVITY, MASTERY}:
        return came_back
    return after.risk <= before.risk - policy.bands.hysteresis


def next_review_at(snapshot: Snapshot, policy: Document) -> datetime | None:
    """When time alone could next make a trigger true; None when only events can."""
    quiet_since = snapshot.seen.last_active_at or snapshot.seen.started_at
    if quiet_since is None:
        return None
    moments = []
    if policy.triggers.inactivity.enabled:
        moments.append(quiet_since + timedelta(days=inactivity_threshold_days(snapshot, policy)))
    mastery = policy.triggers.mastery
    if mastery.enabled and snapshot.seen.mastery is not None and snapshot.seen.mastery < mastery.below:
        moments.append(quiet_since + timedelta(days=mastery.with_days_inactive))
    return min((moment for moment in moments if moment > snapshot.now), default=None)
