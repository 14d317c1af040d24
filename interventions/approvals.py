"""A human's yes, no or "rather so" to a step that waits for it."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from consent import audit
from consent.actors import Party
from interventions import route, turns
from interventions.decide import LEARNER_DIRECTED
from interventions.models import Approval, Decision, Episode, Escalation, Lesson, Suppression
from interventions.policy import store
from interventions.situation import snapshots


class NotWaiting(Exception):
    """The step no longer waits for approval: somebody answered, or it lapsed."""


class RouteNotOpen(ValueError):
    """This route cannot be chosen here; the message says why."""


def approve(*, decision: Decision, by: UUID, now: datetime) -> None:
    """Lets the step go ahead."""
    with transaction.atomic():
        turns.wait_for([decision.enrolment_id])
        _answer(decision, Approval.State.APPROVED, by=by, now=now)
        _go_ahead(decision, now)


def decline(*, decision: Decision, by: UUID, now: datetime) -> None:
    """Stops the step; the same step is not asked again for the policy's ``declined_days``."""
    with transaction.atomic():
        turns.wait_for([decision.enrolment_id])
        _answer(decision, Approval.State.DECLINED, by=by, now=now)
        route.call_off(decision_ids=[decision.pk], reason=Suppression.Reason.DECLINED, now=now)


def change_route(*, decision: Decision, action: str, by: UUID, now: datetime) -> Decision:
    """Takes another route instead and lets it go ahead; returns the decision that stands now.

    Raises RouteNotOpen where the route needs a failed attempt that is not there.
    """
    policy_row = store.live()
    policy = store.document(policy_row)
    assert decision.episode_id is not None  # an acting decision has an episode (constraint)
    with transaction.atomic():
        turns.wait_for([decision.enrolment_id])
        episode = Episode.objects.select_for_update().get(pk=decision.episode_id)
        proof = episode.attempts.filter(verdict="no_improvement").order_by("-judged_at").first()
        if action not in (*LEARNER_DIRECTED, "manager", "coach"):
            raise RouteNotOpen("Choose a nudge, a lesson, both, the manager or a coach.")
        impact = (decision.snapshot or {}).get("impact", "standard")
        if action in ("manager", "coach") and proof is None and impact != "critical":
            raise RouteNotOpen(
                "No automated step has been tried and found wanting yet. Approve one, or dismiss the case."
            )
        _answer(decision, Approval.State.CHANGED, by=by, now=now)
        route.call_off(decision_ids=[decision.pk], reason=Suppression.Reason.SUPERSEDED, now=now)
        snapshot = snapshots(
            [decision.enrolment_id], policy=policy, policy_version=policy_row.version, now=now
        )[decision.enrolment_id]
        lesson = None
        if action in ("lesson", "lesson_nudge"):
            left = Lesson.objects.suggestible(on=now.date())
            lesson = (
                left.filter(pk__in=[decision.lesson_id]).first()
                or left.filter(key__in=snapshot.lessons).order_by("key").first()
            )
        changed = Decision.objects.create(
            enrolment_id=decision.enrolment_id,
            episode=episode,
            step=decision.step,
            policy=policy_row,
            action=action,
            lesson=lesson,
            eligible=decision.eligible,
            propensity=1.0,
            expected_value=decision.expected_value,
            reasons=["changed_by_a_person", f"instead_of:{decision.action}"],
            snapshot=decision.snapshot,
            known_seq=decision.known_seq,
            at=now,
        )
        Approval.objects.create(
            decision=changed,
            state=Approval.State.APPROVED,
            asked_at=now,
            answered_at=now,
            answered_by=by,
            collected_at=now,
        )
        if action in ("manager", "coach"):
            Escalation.objects.create(
                decision=changed,
                episode=episode,
                attempt=proof,
                attempt_verdict="no_improvement" if proof else None,
                exemption="" if proof else "critical_role",
                at=now,
                collected_at=now if action == "manager" else None,
            )
        _go_ahead(changed, now)
        return changed


def _answer(decision: Decision, state: Approval.State, *, by: UUID, now: datetime) -> None:
    moved = Approval.objects.filter(pk=decision.pk, state=Approval.State.WAITING).update(
        state=state, answered_at=now, answered_by=by
    )
    if not moved:
        raise NotWaiting("This step no longer waits for an answer.")
    audit.record(
        actor=Party("user", by),
        action=f"approval.{state}",
        target=Party("decision", decision.pk),
        now=now,
        detail={"action": decision.action},
    )


def _go_ahead(decision: Decision, now: datetime) -> None:
    if decision.action in LEARNER_DIRECTED:
        route.route([decision], policy=store.document(store.live()), now=now)
    elif decision.action == "manager":
        route.route_to_manager(decision, now=now)
