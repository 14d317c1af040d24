"""Which rules in force apply to a batch of snapshots now, and what each would choose. Five queries, whatever its size.

The rules that applied are kept in the snapshot, so a decision can be decided again without them.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from interventions import seen
from interventions.models import Rule
from interventions.rules import condition
from interventions.rules.condition import When
from interventions.snapshot import Did, RuleHit, Snapshot
from learners.models import Enrolment
from signals.models import Event
from signals.models.events import Verb
from signals.xapi.keys import activity_key

# After a step that reached nobody a rule waits so long before it tries again.
AFTER_LAPSE = timedelta(days=7)
LATEST = 30  # days: as far back as a condition can ask what was completed


class InForce(NamedTuple):
    """A live rule with its condition."""

    rule: Rule
    when: When


def in_force(*, now: datetime) -> list[InForce]:
    """The live rules that have not expired, in the order in which they are asked."""
    rows = Rule.objects.filter(state=Rule.State.LIVE).select_related("lesson").order_by("position", "key")
    return [InForce(rule, condition.load(rule.when)) for rule in rows if not _is_over(rule, now)]


def _is_over(rule: Rule, now: datetime) -> bool:
    return rule.expires_on is not None and rule.expires_on <= now.date()


def apply(
    snapshots: Mapping[int, Snapshot],
    *,
    offers: Mapping[int, Collection[str]],
    now: datetime,
) -> dict[int, Snapshot]:
    """The same snapshots with the rules that apply to each. ``offers``: the keys of the lessons each may still be
    given."""
    rules = in_force(now=now)
    if not rules:
        return dict(snapshots)
    people = {snapshot.learner_id for snapshot in snapshots.values()}
    done = completed(people, condition.asks_about([one.when for one in rules]), now=now)
    fired = seen.fired([one.rule for one in rules], people)
    first = _first_enrolments(people) if any(one.rule.acts_alone for one in rules) else {}
    built = {}
    for pk, snapshot in snapshots.items():
        snapshot = msgspec.structs.replace(snapshot, did=done.get(snapshot.learner_id, ()))
        hits, moments = [], []
        for one in rules:
            moments.append(condition.begins_at(one.when, snapshot))
            if one.rule.acts_alone and not _may_act(one, snapshot, fired, first):
                continue
            if condition.holds(one.when, snapshot):
                hit = _hit(one.rule, snapshot, offers[pk])
                if hit is not None:
                    hits.append(hit)
            else:
                moments.append(condition.next_at(one.when, snapshot))
        built[pk] = msgspec.structs.replace(
            snapshot,
            rules=tuple(hits),
            rules_review_at=min((moment for moment in moments if moment is not None), default=None),
        )
    return built


def completed(
    learner_ids: set[UUID], iris: set[str], *, now: datetime, days: int = LATEST
) -> dict[UUID, tuple[Did, ...]]:
    """Learner → what of this they completed within so many days, in any course or outside of one."""
    keys = {activity_key(iri): iri for iri in iris}
    found: dict[UUID, list[Did]] = {}
    if not keys:
        return {}
    rows = (
        Event.objects.filter(
            learner_id__in=learner_ids,
            occurred_at__gt=now - timedelta(days=days),
            occurred_at__lte=now,
            verb__in=(Verb.COMPLETED, Verb.PASSED),
            activity__in=list(keys),
            voided_seq__isnull=True,
        )
        .order_by("occurred_at", "statement_id")
        .values_list("learner_id", "activity", "occurred_at")
    )
    for learner_id, activity, at in rows:
        found.setdefault(learner_id, []).append(Did(keys[activity], at))
    return {learner_id: tuple(done) for learner_id, done in found.items()}


def still_holds(rule: Rule, snapshot: Snapshot) -> bool:
    """Is the rule's condition still true? Asked once more before its step goes out."""
    return condition.holds(condition.load(rule.when), snapshot)


def is_in_force(rule: Rule, *, now: datetime) -> bool:
    """Nobody has retired it, and its day is not over."""
    return rule.state == Rule.State.LIVE and not _is_over(rule, now)


def _may_act(
    one: InForce,
    snapshot: Snapshot,
    fired: Mapping[tuple[str, UUID], list[tuple[int, datetime, bool]]],
    first: Mapping[UUID, int],
) -> bool:
    """Is it this enrolment's turn, and has the rule rested? What is true of a person is said once, not per course."""
    of_person = condition.is_about_person(one.when)
    if of_person and first.get(snapshot.learner_id) != snapshot.enrolment_id:
        return False
    for enrolment_id, at, lapsed in fired.get((one.rule.key, snapshot.learner_id), []):
        if not of_person and enrolment_id != snapshot.enrolment_id:
            continue
        if lapsed:
            if at + AFTER_LAPSE > snapshot.now:
                return False
        elif one.rule.rest_days is None or at + timedelta(days=one.rule.rest_days) > snapshot.now:
            return False
    return True


def _hit(rule: Rule, snapshot: Snapshot, offers: Collection[str]) -> RuleHit | None:
    """What the rule chooses for this person; None where its step needs a lesson and none is left to give."""
    lesson = ""
    if rule.action != Rule.Step.NUDGE:
        if (
            rule.lesson is None
        ):  # drawn when deciding; a lesson on anything would help nobody with what was seen
            if not snapshot.lessons_fit:
                return None
        elif rule.lesson.key in offers:
            lesson = rule.lesson.key
        else:
            return None
    return RuleHit(
        key=rule.key,
        version=rule.version,
        action=rule.action,
        lesson=lesson,
        opens=rule.acts_alone,
        message=rule.message,
    )


def _first_enrolments(learner_ids: set[UUID]) -> dict[UUID, int]:
    """Learner → the first of their active enrolments: where what is true of the person is acted upon."""
    return dict(
        Enrolment.objects.filter(learner_id__in=learner_ids, state=Enrolment.State.ACTIVE)
        .order_by("learner_id", "pk")
        .distinct("learner_id")
        .values_list("learner_id", "pk")
    )
