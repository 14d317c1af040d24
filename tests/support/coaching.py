"""A coach, a manager and a learner who trust each other, and cases between them. Situations are named."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from coaching import inbox
from coaching.models import Case
from consent import record
from consent.actors import SYSTEM
from consent.scopes import Scope
from interventions.models import Approval, Attempt, Decision, Delivery, Episode, Escalation, ManagerAsk
from interventions.models import Policy as PolicyRow
from interventions.policy import store
from interventions.situation import snapshots
from interventions.snapshot import store as stored
from learners.models import Enrolment, Learner, Role, User
from tests.support import learners

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)  # a Monday
ALL = (Scope.RECORD, Scope.PROFILE, Scope.NUDGE, Scope.MANAGER, Scope.COACH)


@dataclass
class Circle:
    """One learner, who looks after them, and the course it is about."""

    learner: Learner
    account: User  # the learner's own
    manager: User
    coach: User
    enrolment: Enrolment


def allow(learner: Learner, *scopes: Scope, now: datetime = NOW) -> None:
    """The learner agrees to these scopes."""
    for scope in scopes or ALL:
        record.grant(subject=learner.pk, scope=scope, by=SYSTEM, now=now - timedelta(days=20))


def make_circle(*, coach: User | None = None, manager: User | None = None, **fields: Any) -> Circle:
    """A learner who agrees to everything, with a manager and a coach."""
    coach = coach or learners.make_coach()
    manager = manager or learners.make_manager()
    enrolment_fields = {key: fields.pop(key) for key in ("course", "starts_on", "due_on") if key in fields}
    learner = learners.make_learner(coach=coach, manager=manager, **fields)
    allow(learner)
    account = learners.make_user(Role.LEARNER, learner=learner, name=learner.name, language=learner.language)
    return Circle(
        learner, account, manager, coach, learners.make_enrolment(learner=learner, **enrolment_fields)
    )


def make_decision(
    enrolment: Enrolment, *, action: str = "nudge", now: datetime = NOW, **fields: Any
) -> Decision:
    """An acting decision with a real snapshot, in the enrolment's open episode (opened if there is none)."""
    policy: PolicyRow = store.live()
    episode = (
        fields.pop("episode", None) or Episode.objects.filter(enrolment=enrolment, closed_at=None).first()
    )
    if episode is None:
        episode = Episode.objects.create(
            enrolment=enrolment,
            triggers=fields.pop("triggers", ["inactivity"]),
            ladder="normal",
            opened_at=now,
            signal_at=now - timedelta(hours=1),
        )
    seen = snapshots([enrolment.pk], policy=store.document(policy), policy_version=policy.version, now=now)
    made: dict[str, Any] = {
        "enrolment": enrolment,
        "episode": episode,
        "step": episode.step,
        "policy": policy,
        "action": action,
        "reasons": [f"matrix:standard:medium:{min(episode.failed_attempts, 2)}"],
        "snapshot": stored(seen[enrolment.pk]),
        "known_seq": 0,
        "at": now,
    }
    return Decision.objects.create(**{**made, **fields})


def make_approval_case(circle: Circle, *, action: str = "nudge", now: datetime = NOW, **fields: Any) -> Case:
    """A step that waits for the coach's yes, collected into the inbox."""
    decision = make_decision(circle.enrolment, action=action, now=now, **fields)
    Approval.objects.create(decision=decision, asked_at=now)
    inbox.collect(now=now)
    return Case.objects.for_reading().get(decision=decision)


def make_failed_attempt(enrolment: Enrolment, *, now: datetime = NOW) -> Attempt:
    """A nudge that reached the learner three days ago and changed nothing."""
    decision = make_decision(enrolment, now=now - timedelta(days=4))
    make_card(decision, now=now - timedelta(days=3, hours=1))
    assert decision.episode is not None
    attempt = Attempt.objects.create(
        decision=decision,
        episode=decision.episode,
        reached_at=now - timedelta(days=3, hours=1),
        window_ends_at=now - timedelta(hours=1),
        verdict=Attempt.Verdict.NO_IMPROVEMENT,
        judged_at=now - timedelta(hours=1),
    )
    Episode.objects.filter(pk=attempt.episode_id).update(step=1, failed_attempts=1)
    return attempt


def make_escalation(
    circle: Circle, *, action: str = "coach", now: datetime = NOW, **fields: Any
) -> Escalation:
    """A person is asked to take over, on proof of a failed attempt; not yet collected."""
    attempt = make_failed_attempt(circle.enrolment, now=now)
    episode = Episode.objects.get(pk=attempt.episode_id)
    decision = make_decision(circle.enrolment, action=action, now=now, episode=episode)
    return Escalation.objects.create(
        decision=decision,
        episode=episode,
        attempt=attempt,
        attempt_verdict="no_improvement",
        at=now,
        **fields,
    )


def make_escalation_case(circle: Circle, *, now: datetime = NOW) -> Case:
    """A case in which a coach takes over."""
    escalation = make_escalation(circle, now=now)
    inbox.collect(now=now)
    return Case.objects.for_reading().get(decision=escalation.decision)


def make_ask(circle: Circle, *, place: int | None = 1, now: datetime = NOW, **fields: Any) -> ManagerAsk:
    """The manager is asked, with the proof and the approval that this takes."""
    attempt = make_failed_attempt(circle.enrolment, now=now)
    episode = Episode.objects.get(pk=attempt.episode_id)
    decision = make_decision(circle.enrolment, action="manager", now=now, episode=episode)
    Escalation.objects.create(
        decision=decision, episode=episode, attempt=attempt, attempt_verdict="no_improvement", at=now
    )
    Approval.objects.create(
        decision=decision,
        state=Approval.State.APPROVED,
        asked_at=now,
        answered_at=now,
        answered_by=circle.coach.pk,
        collected_at=now,
    )
    return ManagerAsk.objects.create(
        decision=decision,
        enrolment=circle.enrolment,
        manager=circle.manager,
        place=place,
        asked_at=now,
        **fields,
    )


def make_card(decision: Decision, *, now: datetime = NOW, **fields: Any) -> Delivery:
    """A message on the learner's page."""
    made: dict[str, Any] = {
        "decision": decision,
        "learner": decision.enrolment.learner,
        "channel": Delivery.Channel.CARD,
        "subject": "Pick up where you left",
        "body": "Ten minutes are enough to find your place again: https://rekindle.example/me/",
        "due_at": now,
        "expires_at": now + timedelta(hours=72),
        "state": Delivery.State.SENT,
        "sent_at": now,
    }
    return Delivery.objects.create(**{**made, **fields})
