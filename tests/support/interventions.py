"""The smallest valid rows of deciding and acting. Situations are named; write the values you assert on."""

from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from interventions import catalogue_data, limits, webhooks
from interventions.catalogue_data.install import install
from interventions.models import (
    AlertSlot,
    Approval,
    Attempt,
    AutomaticRoute,
    Decision,
    Delivery,
    Episode,
    Escalation,
    HelpRequest,
    Lesson,
    LessonText,
    LessonVisit,
    ManagerAsk,
    MessageText,
    Policy,
    PolicyProposal,
    Rule,
    WebhookEndpoint,
    WebhookMessage,
)
from interventions.policy import store
from interventions.policy.document import Document, dump
from learners.models import Competency, Course, Enrolment, Learner, Role, User

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)  # a Monday
_number = count(1)


def make_contents() -> None:
    """The lessons and messages we ship, for tests that begin on an emptied database."""
    install(lesson=Lesson, lesson_text=LessonText, message_text=MessageText, competency=Competency)
    shipped = [starter.key for starter in catalogue_data.lessons()]
    Lesson.objects.filter(key__in=shipped, owner=None, expires_on=None).update(origin="shipped")


def make_admin() -> User:
    return User.objects.create_user(f"admin-{uuid4()}@works.example", roles=[Role.ADMIN])


def make_enrolment(*, learner: Learner | None = None) -> Enrolment:
    """A learner in a course of their own."""
    number = next(_number)
    course = Course.objects.create(iri=f"https://lms.example/courses/{uuid4()}", name=f"Course {number}")
    return Enrolment.objects.create(
        learner=learner or Learner.objects.create(name="Robin Fielding", email="robin@works.example"),
        course=course,
        starts_on=date(2026, 2, 2),
        enrolled_at=NOW - timedelta(days=28),
    )


def make_policy(*, state: str = "draft", document: Document | None = None) -> Policy:
    """A policy beside the one in force."""
    last = Policy.objects.order_by("-version").first() or store.live()
    return Policy.objects.create(
        version=last.version + 1,
        document=dump(document or Document()),
        state=state,
        created_at=NOW,
        live_at=None if state == "draft" else NOW,
    )


def make_proposal(*, policy: Policy | None = None, **fields: Any) -> PolicyProposal:
    """A draft that waits for a second yes."""
    made: dict[str, Any] = {
        "policy": policy or make_policy(),
        "base_version": 1,
        "digest": "0" * 64,
        "needs": [["bands.medium", "a lower bound lets more people in"]],
        "reason": "More help",
        "proposed_by": uuid4(),
        "proposed_at": NOW,
    }
    return PolicyProposal.objects.create(**{**made, **fields})


def make_episode(*, enrolment: Enrolment | None = None, **fields: Any) -> Episode:
    """An open episode."""
    made: dict[str, Any] = {
        "enrolment": enrolment or make_enrolment(),
        "triggers": ["inactivity"],
        "ladder": "normal",
        "opened_at": NOW,
        "signal_at": NOW,
    }
    return Episode.objects.create(**{**made, **fields})


def make_decision(*, episode: Episode | None = None, **fields: Any) -> Decision:
    """A decision to nudge, in an episode."""
    episode = episode or make_episode()
    made: dict[str, Any] = {
        "enrolment": episode.enrolment,
        "episode": episode,
        "step": episode.step,
        "policy": store.live(),
        "action": "nudge",
        "reasons": ["matrix:standard:medium:0"],
        "snapshot": {"impact": "standard"},
        "known_seq": 1,
        "at": NOW,
    }
    return Decision.objects.create(**{**made, **fields})


def make_approval(*, decision: Decision | None = None, **fields: Any) -> Approval:
    """A step that waits for a yes."""
    return Approval.objects.create(**{"decision": decision or make_decision(), "asked_at": NOW, **fields})


def make_automatic_route(**fields: Any) -> AutomaticRoute:
    """Nudges at medium risk in standard roles go out by themselves: 30 of 30 were right."""
    made: dict[str, Any] = {
        "action": "nudge",
        "band": "medium",
        "impact": "standard",
        "earned_at": NOW,
        "earned_right": 30,
        "earned_judged": 30,
        "earned_low": 0.886,
        "bar": 0.8,
        "policy": store.live(),
    }
    return AutomaticRoute.objects.create(**{**made, **fields})


def make_delivery(*, decision: Decision | None = None, state: str = "queued", **fields: Any) -> Delivery:
    """One queued e-mail."""
    decision = decision or make_decision()
    made: dict[str, Any] = {
        "decision": decision,
        "learner": decision.enrolment.learner,
        "channel": "email",
        "subject": "Pick up where you left",
        "body": "Ten minutes are enough.",
        "due_at": NOW,
        "expires_at": NOW + timedelta(hours=72),
        "state": state,
        "sent_at": NOW if state == "sent" else None,
    }
    return Delivery.objects.create(**{**made, **fields})


def make_attempt(*, decision: Decision | None = None, failed: bool = False, **fields: Any) -> Attempt:
    """A step that reached the learner; ``failed``: its window closed without improvement."""
    decision = decision or make_decision()
    made: dict[str, Any] = {
        "decision": decision,
        "episode": decision.episode,
        "reached_at": NOW,
        "window_ends_at": NOW + timedelta(hours=72),
    }
    if failed:
        made |= {"verdict": "no_improvement", "judged_at": NOW + timedelta(hours=72)}
    return Attempt.objects.create(**{**made, **fields})


def make_escalation(*, proof: Attempt, **fields: Any) -> Escalation:
    """A coach takes over on this proof."""
    decision = fields.pop("decision", None) or make_decision(episode=proof.episode, step=1, action="coach")
    made: dict[str, Any] = {
        "decision": decision,
        "episode": proof.episode,
        "attempt": proof,
        "attempt_verdict": proof.verdict,
        "at": NOW,
    }
    return Escalation.objects.create(**{**made, **fields})


def make_slot(
    *, decision: Decision | None = None, place: int = 1, at: datetime = NOW, **fields: Any
) -> AlertSlot:
    """A reserved place in the cap ledger, for 168 hours from ``at``."""
    decision = decision or make_decision()
    learner = decision.enrolment.learner
    made: dict[str, Any] = {
        "kind": "learner",
        "learner": learner,
        "holder": limits.holder(fields.get("kind", "learner"), learner.pk),
        "place": place,
        "during": DateTimeTZRange(at, at + timedelta(hours=168)),
        "decision": decision,
    }
    return AlertSlot.objects.create(**{**made, **fields})


def make_manager_ask(*, decision: Decision | None = None, **fields: Any) -> ManagerAsk:
    """An open ask on the manager's first place, in a critical role, with the yes that it takes."""
    decision = decision or make_decision(action="manager")
    assert decision.episode is not None
    Escalation.objects.get_or_create(
        decision=decision,
        defaults={"episode": decision.episode, "exemption": "critical_role", "at": NOW},
    )
    Approval.objects.get_or_create(
        decision=decision,
        defaults={"state": "approved", "asked_at": NOW, "answered_at": NOW, "answered_by": uuid4()},
    )
    made: dict[str, Any] = {
        "decision": decision,
        "enrolment": decision.enrolment,
        "place": 1,
        "asked_at": NOW,
    }
    if "manager" not in fields:
        made["manager"] = User.objects.create_user(f"{uuid4()}@works.example", roles=[Role.MANAGER])
    return ManagerAsk.objects.create(**{**made, **fields})


def make_rule(*, key: str = "", state: str = "live", **fields: Any) -> Rule:
    """A rule in force: 5 days of silence, then a message, in an episode that a trigger opened."""
    made: dict[str, Any] = {
        "key": key or f"rule-{next(_number)}",
        "version": 1,
        "title": "Quiet for five days",
        "when": {"clauses": [{"fact": "days_inactive", "op": "at_least", "value": 5}]},
        "action": "nudge",
        "state": state,
        "created_at": NOW,
        "live_at": None if state == "draft" else NOW,
        "expires_on": date(2099, 1, 1),
    }
    return Rule.objects.create(**{**made, **fields})


def make_help_request(*, enrolment: Enrolment | None = None, **fields: Any) -> HelpRequest:
    """The learner asks for a person."""
    made: dict[str, Any] = {
        "enrolment": enrolment or make_enrolment(),
        "kind": "help",
        "text": "Please explain part two",
        "asked_at": NOW,
    }
    return HelpRequest.objects.create(**{**made, **fields})


def make_webhook_endpoint(**fields: Any) -> WebhookEndpoint:
    """A system that wants to hear of everything."""
    made: dict[str, Any] = {
        "name": f"System {next(_number)}",
        "address": "http://127.0.0.1:9/",
        "secret": webhooks.new_secret(),
        "events": WebhookEndpoint.Event.values,
        "created_at": NOW,
    }
    return WebhookEndpoint.objects.create(**{**made, **fields})


def make_webhook_message(**fields: Any) -> WebhookMessage:
    """Word of an event that waits to be sent."""
    made: dict[str, Any] = {
        "event": "suggestion.sent",
        "body": {"type": "suggestion.sent", "data": {}},
        "created_at": NOW,
        "due_at": NOW,
    }
    endpoint = fields.pop("endpoint", None) or make_webhook_endpoint()
    return WebhookMessage.objects.create(endpoint=endpoint, **{**made, **fields})


def make_lesson_visit(*, learner: Learner, **fields: Any) -> LessonVisit:
    """A lesson begun."""
    lesson = fields.pop("lesson", None) or Lesson.objects.create(key=f"lesson-{uuid4()}")
    return LessonVisit.objects.create(**{"learner": learner, "lesson": lesson, "started_at": NOW, **fields})
