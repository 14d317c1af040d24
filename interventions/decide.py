"""The decision itself: from a snapshot and a policy to one choice with its reasons.

``decide`` is pure. It reads no clock, no database and no chance: where several lessons fit, the draw is a hash.
"""

import hashlib
from datetime import datetime, timedelta

import msgspec

from interventions import automation, triggers
from interventions.policy.document import ACTIONS, Document
from interventions.snapshot import CONTEST, HELP, MANAGER, EpisodeView, RuleHit, Snapshot
from interventions.triggers import HIGH, MEDIUM
from interventions.value import Worth, objection, worth

LEARNER_DIRECTED = ("nudge", "lesson", "lesson_nudge")
WITH_LESSON = ("lesson", "lesson_nudge")
HUMAN_DIRECTED = ("manager", "coach")
ON_LEAVE = "leave"
LOOK_AGAIN = timedelta(days=7)
# What somebody asked for → why a person comes without an attempt first.
EXEMPTIONS = {HELP: "learner_asked", CONTEST: "contest", MANAGER: "manager_asked"}


class Choice(msgspec.Struct, frozen=True):
    """What to do, why, and when to look again."""

    action: str
    reasons: tuple[str, ...]  # keys, see interventions.explain
    open_episode: bool = False
    end_episode: str = ""  # why the open episode ends now
    triggers: tuple[str, ...] = ()
    signal_at: datetime | None = None
    ladder: str = ""
    band: str | None = None
    exemption: str = ""
    lesson: str = ""
    eligible: tuple[Worth, ...] = ()
    propensity: float = 1.0
    expected_value: float | None = None
    review_at: datetime | None = None
    rule: tuple[str, int] | None = None  # key and version of the rule that chose it
    asks: bool = False  # waits for a person's yes first


def decide(snapshot: Snapshot, policy: Document) -> Choice:
    """The one choice that follows from a snapshot under a policy. "Do nothing" is a choice."""
    episode = snapshot.episode
    if not snapshot.active:
        return Choice("monitor", ("course_ended",), end_episode="course_ended" if episode else "")
    watched = "record" in snapshot.scopes and "profile" in snapshot.scopes
    if not watched and snapshot.request is None:  # a call for help is heard even where we may not watch
        return Choice("monitor", ("no_consent",), end_episode="consent" if episode else "")
    if (
        not watched and snapshot.request == MANAGER
    ):  # the wish of another does not count against the learner's no
        return Choice("monitor", ("no_consent",), end_episode="consent" if episode else "")
    held = triggers.held(snapshot, policy)
    armed, why_not = triggers.opening(held, snapshot, policy)
    if episode is not None and episode.rule:
        return _of_rule(snapshot, policy, armed)
    # A manager who has it, perhaps put off, is no answer to a call for help; a coach is.
    with_coach = episode is not None and episode.with_person and episode.waited_since is None
    if snapshot.request is not None and not with_coach:
        return _human(snapshot, policy, EXEMPTIONS[snapshot.request], held)
    if episode is not None:
        waiting = _wait(snapshot, policy)
        if waiting is not None:
            return waiting
    else:
        review_at = triggers.next_review_at(snapshot, policy)
        if not armed:
            by_rule = _by_rule(snapshot, policy)
            if by_rule is not None:
                return by_rule
            if held:
                return Choice("monitor", (why_not,), triggers=_keys(held), review_at=review_at)
            unsure = triggers.risk_band(snapshot, policy) is None
            return Choice("monitor", ("too_little_known" if unsure else "no_trigger",), review_at=review_at)
        held = armed
        if not snapshot.in_pilot:
            return Choice("monitor", ("not_in_pilot",), triggers=_keys(held))
        rest = _rest_until(snapshot, policy)
        if rest is not None and rest > snapshot.now:
            return Choice("monitor", ("recovered_lately",), triggers=_keys(held), review_at=rest)
    if not held:
        return Choice("monitor", ("easing",), review_at=_in_a_day(snapshot))
    return _act(snapshot, policy, held)


def _by_rule(snapshot: Snapshot, policy: Document) -> Choice | None:
    """The step of a rule that acts where no trigger does, in an episode of its own; None where none applies.

    It goes through everything a step of the matrix does: pilot, consent, a channel, expected value, and later approval,
    cap and quiet hours. Whom a person has just asked to leave alone, a rule leaves alone too.
    """
    hit = next((hit for hit in snapshot.rules if hit.opens and hit.action in LEARNER_DIRECTED), None)
    if hit is None or not snapshot.in_pilot:
        return None
    rested = snapshot.settled_at is None or (
        snapshot.settled_at + timedelta(days=policy.limits.declined_days) <= snapshot.now
    )
    if not rested:
        return None
    chosen = worth(hit.action, snapshot.impact, policy, snapshot.compared)
    nobody_may_look = "" if "coach" in snapshot.scopes else "no_coach_consent"
    cannot = _cannot_reach(snapshot, policy) or objection(chosen, policy) or nobody_may_look
    if cannot:
        return Choice(
            "monitor",
            (cannot, _named(hit)),
            expected_value=chosen.expected,
            review_at=triggers.next_review_at(snapshot, policy),
        )
    if snapshot.hold is not None:
        return _held(snapshot, policy, (), triggers.risk_band(snapshot, policy), chosen, (chosen,))
    lesson, propensity = _lesson(snapshot, hit.action, 0, hit)
    return Choice(
        action=hit.action,
        reasons=(_named(hit),),
        open_episode=True,
        triggers=(f"rule-{hit.key}",),
        signal_at=hit.since or snapshot.now,
        ladder="normal",
        band=triggers.risk_band(snapshot, policy),
        lesson=lesson,
        propensity=propensity,
        eligible=tuple(worth(name, snapshot.impact, policy, snapshot.compared) for name in LEARNER_DIRECTED),
        expected_value=chosen.expected,
        rule=(hit.key, hit.version),
        asks=True,  # nobody was flagged, so there is nothing by which it could be measured how often that was right
    )


def _of_rule(snapshot: Snapshot, policy: Document, armed: tuple[triggers.Held, ...]) -> Choice:
    """An episode that a rule opened is its one step: it ends when that is over, or when there is real trouble."""
    episode = snapshot.episode
    assert episode is not None
    if episode.with_person:
        return Choice("monitor", ("with_a_person",))
    if snapshot.request is not None or (armed and snapshot.in_pilot):
        return Choice("monitor", ("trouble_first",), end_episode="rule_done", review_at=snapshot.now)
    if episode.under_way:
        end = episode.opened_at + timedelta(days=policy.ladder.episode_days)
        if snapshot.now < end:
            return Choice("monitor", ("step_under_way",), review_at=_judged_by(snapshot, episode, end))
    return Choice(
        "monitor",
        ("rule_done",),
        end_episode="rule_done",
        review_at=triggers.next_review_at(snapshot, policy),
    )


def _named(hit: RuleHit) -> str:
    return f"rule:{hit.key}:{hit.version}"


def _keys(held: tuple[triggers.Held, ...]) -> tuple[str, ...]:
    return tuple(trigger.key for trigger in held)


def _judged_by(snapshot: Snapshot, episode: EpisodeView, end: datetime) -> datetime:
    """When to look at a step that is under way. One whose window has closed is judged first, and that asks for a look.

    Looking at once instead would find the same again and again, a row each time, until it is judged.
    """
    at = episode.window_ends_at or end
    return at if at > snapshot.now else _in_a_day(snapshot)


def _in_a_day(snapshot: Snapshot) -> datetime:
    return snapshot.now + timedelta(days=1)


def _rest_until(snapshot: Snapshot, policy: Document) -> datetime | None:
    """Until when a person who just recovered, or whose case a human just ended, is left alone."""
    moments = []
    if snapshot.recovered_at is not None:
        moments.append(snapshot.recovered_at + timedelta(days=policy.ladder.rearm_days))
    if snapshot.settled_at is not None:
        moments.append(snapshot.settled_at + timedelta(days=policy.limits.declined_days))
    return max(moments, default=None)


def _wait(snapshot: Snapshot, policy: Document) -> Choice | None:
    """The choice while an episode is open and nothing new should be done; None when a step is due."""
    episode = snapshot.episode
    assert episode is not None
    if triggers.recovered(snapshot, policy) and not episode.with_person:
        # Looked at once more with the episode closed: a rule may have a good word, and time goes on.
        return Choice("monitor", ("recovered",), end_episode="recovered", review_at=snapshot.now)
    if episode.with_person:
        silent_at = _silent_at(episode, policy)
        if silent_at is None or silent_at > snapshot.now:
            return Choice("monitor", ("with_a_person",), review_at=silent_at)
    end = episode.opened_at + timedelta(days=policy.ladder.episode_days)
    if snapshot.now >= end:
        return Choice("monitor", ("nothing_changed",), end_episode="expired")
    if episode.under_way:
        return Choice("monitor", ("step_under_way",), review_at=_judged_by(snapshot, episode, end))
    if episode.improved_at is not None:
        until = episode.improved_at + timedelta(hours=_window_hours(episode.ladder, policy))
        if until > snapshot.now:
            return Choice("monitor", ("improving",), review_at=until)
    quiet = {
        "declined": policy.limits.declined_days,
        "unanswered": policy.limits.unanswered_days,
        "superseded": policy.limits.declined_days,
        "cap": 1.0,
        "outbid": 1.0,
        "about_cap": 1.0,
        "manager_budget": 1.0,
        "no_manager": 7.0,
        "no_channel": 7.0,
        "failed": 3.0,
        "expired": 0.0,
    }.get(episode.lapsed_reason or "", 0.0)
    rests_until = None if episode.lapsed_at is None else episode.lapsed_at + timedelta(days=quiet)
    # Out of slots again and again: waiting for the next one is over, a person may take it up.
    gives_up = episode.lapsed_reason == "cap" and episode.capped_in_a_row >= policy.limits.out_of_slots
    if rests_until is not None and rests_until > snapshot.now and not gives_up:
        return Choice("monitor", ("resting_after", episode.lapsed_reason or ""), review_at=rests_until)
    return None


def _silent_at(episode: EpisodeView, policy: Document) -> datetime | None:
    """When a manager who was asked and is not heard of counts as no answer; None where a coach has it."""
    if episode.waited_since is None:
        return None
    return episode.waited_since + timedelta(days=max(policy.limits.unanswered_days, 1))


def _window_hours(ladder: str, policy: Document) -> float:
    return policy.ladder.fast_hours if ladder == "fast" else policy.ladder.normal_hours


def window_hours(ladder: str, policy: Document) -> float:
    """Hours that an automated step on this ladder has to show improvement."""
    return _window_hours(ladder, policy)


def _act(snapshot: Snapshot, policy: Document, held: tuple[triggers.Held, ...]) -> Choice:
    """The step the matrix asks for, if it is worth it and allowed."""
    episode = snapshot.episode
    band = triggers.risk_band(snapshot, policy)
    level = HIGH if band == HIGH else MEDIUM  # a trigger without a known risk is never treated as high
    failed = episode.failed_attempts if episode else 0
    action: str = policy.matrix[snapshot.impact][level][min(failed, 2)]
    reasons = [f"matrix:{snapshot.impact}:{level}:{min(failed, 2)}"]
    exemption = ""
    if action == "monitor":
        return _nothing(snapshot, policy, held, band, "left_at_watching")
    if action in LEARNER_DIRECTED:
        cannot = _cannot_reach(snapshot, policy)
        if cannot and level == HIGH:
            action, exemption = "coach", "unreachable"
            reasons.append(cannot)
        elif cannot:
            return _nothing(snapshot, policy, held, band, cannot)
    elif action == "manager" and episode is not None and episode.manager_asked:
        action = "coach"
        reasons.append("manager_asked_before")
    if action == "manager" and "manager" not in snapshot.scopes:
        action = "coach"
        reasons.append("no_manager_consent")
    if action == "coach" and "coach" not in snapshot.scopes:
        return _nothing(snapshot, policy, held, band, "no_coach_consent")
    if action in HUMAN_DIRECTED and failed == 0 and not exemption:
        if snapshot.impact != "critical":
            return _nothing(snapshot, policy, held, band, "no_failed_attempt")
        exemption = "critical_role"
    hit = _content(snapshot, action)
    if hit is not None:
        if action not in WITH_LESSON:  # a step that has a lesson anyway keeps its kind
            action = hit.action
        reasons.append(_named(hit))
    eligible = tuple(worth(name, snapshot.impact, policy, snapshot.compared) for name in ACTIONS[1:])
    chosen = next(one for one in eligible if one.action == action)
    against = objection(chosen, policy)
    if against:
        return _nothing(snapshot, policy, held, band, against, chosen.expected, eligible)
    if snapshot.hold is not None and (action != "coach" or snapshot.hold.reason == ON_LEAVE):
        return _held(snapshot, policy, held, band, chosen, eligible)
    lesson, propensity = _lesson(snapshot, action, episode.step if episode else 0, hit)
    asks = action == "manager"  # what reaches a manager is always seen by a human first
    if action in LEARNER_DIRECTED:
        asks, why = automation.asking(automation.Route(action, level, snapshot.impact), snapshot, policy)
        reasons += [why] if why else []
    if asks and "coach" not in snapshot.scopes:  # nobody may look at it, so nobody could ever say yes
        return _nothing(snapshot, policy, held, band, "no_coach_consent", chosen.expected, eligible)
    return Choice(
        action=action,
        reasons=tuple(reasons),
        open_episode=episode is None,
        triggers=_keys(held),
        signal_at=min(trigger.since for trigger in held),
        ladder=episode.ladder if episode else ("fast" if level == HIGH else "normal"),
        band=band,
        exemption=exemption,
        lesson=lesson,
        eligible=eligible,
        propensity=propensity,
        expected_value=chosen.expected,
        rule=(hit.key, hit.version) if hit else None,
        asks=asks,
    )


def _content(snapshot: Snapshot, action: str) -> RuleHit | None:
    """The rule that chooses what a learner-directed step says: its lesson, or its words where the step is the same."""
    if action not in LEARNER_DIRECTED:
        return None
    return next(
        (
            hit
            for hit in snapshot.rules
            if not hit.opens and (hit.action in WITH_LESSON or hit.action == action)
        ),
        None,
    )


def _cannot_reach(snapshot: Snapshot, policy: Document) -> str:
    if "nudge" not in snapshot.scopes:
        return "no_nudge_consent"
    if not snapshot.reachable:
        return "no_channel"
    if snapshot.episode and snapshot.episode.capped_in_a_row >= policy.limits.out_of_slots:
        return "out_of_slots"
    return ""


def _nothing(
    snapshot: Snapshot,
    policy: Document,
    held: tuple[triggers.Held, ...],
    band: str | None,
    why: str,
    expected: float | None = None,
    eligible: tuple[Worth, ...] = (),
) -> Choice:
    return Choice(
        "monitor",
        (why,),
        triggers=_keys(held),
        band=band,
        eligible=eligible,
        expected_value=expected,
        review_at=triggers.next_review_at(snapshot, policy) or _in_a_day(snapshot),
    )


def _held(
    snapshot: Snapshot,
    policy: Document,
    held: tuple[triggers.Held, ...],
    band: str | None,
    chosen: Worth,
    eligible: tuple[Worth, ...],
) -> Choice:
    """Nothing is begun on leave, in a busy week or on a holiday; a coach, who can judge it, is kept by leave only."""
    assert snapshot.hold is not None
    why = f"{snapshot.hold.reason}:{snapshot.hold.name}"
    nothing = _nothing(snapshot, policy, held, band, why, chosen.expected, eligible)
    # Declared weeks are shortened and leave ends early, so a long hold is looked at again on the way.
    review_at = min(snapshot.hold.until, snapshot.now + LOOK_AGAIN)
    return msgspec.structs.replace(nothing, review_at=review_at)


def _human(snapshot: Snapshot, policy: Document, exemption: str, held: tuple[triggers.Held, ...]) -> Choice:
    """Somebody asked for a person, the learner or their manager: no attempt is needed first."""
    episode = snapshot.episode
    if exemption == EXEMPTIONS[MANAGER] and "coach" not in snapshot.scopes:
        return _nothing(snapshot, policy, held, triggers.risk_band(snapshot, policy), "no_coach_consent")
    return Choice(
        action="coach",
        reasons=(exemption,),
        open_episode=episode is None,
        triggers=_keys(held) or (exemption,),
        signal_at=snapshot.now,
        ladder=episode.ladder if episode else "fast",
        band=triggers.risk_band(snapshot, policy),
        exemption=exemption,
        eligible=(worth("coach", snapshot.impact, policy, snapshot.compared),),
        expected_value=worth("coach", snapshot.impact, policy, snapshot.compared).expected,
    )


def _lesson(snapshot: Snapshot, action: str, step: int, hit: RuleHit | None = None) -> tuple[str, float]:
    """A lesson for actions that carry one: the rule's, else drawn by hash, and the chance with which it was drawn."""
    if hit is not None and hit.lesson:
        return hit.lesson, 1.0
    if action not in WITH_LESSON or not snapshot.lessons:
        return "", 1.0
    digest = hashlib.sha256(f"lesson:{snapshot.enrolment_id}:{step}".encode()).digest()
    return snapshot.lessons[int.from_bytes(digest[:8], "big") % len(snapshot.lessons)], 1.0 / len(
        snapshot.lessons
    )
