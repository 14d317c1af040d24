"""What deciding and acting keeps about one learner: export, erasure, and a withdrawn consent."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from consent.scopes import Scope
from interventions import platform_enrolments, reachability, route, turns, webhooks
from interventions.expiry import expire
from interventions.models import (
    AlertSlot,
    Answer,
    Approval,
    Attempt,
    Decision,
    Delivery,
    Episode,
    HelpRequest,
    Hold,
    LessonVisit,
    ManagerAsk,
    Outcome,
    PlatformEnrolment,
    Suppression,
    UnreachableAddress,
    Watch,
    WebhookMessage,
)
from interventions.personal_fields import FIELDS
from learners.models import Enrolment

__all__ = ["FIELDS", "erase", "expire", "export", "withdraw"]


def export(subject: UUID) -> dict[str, Any]:
    """Everything kept here about the learner, in their own words and ours."""
    mine = Q(decision__enrolment__learner=subject)
    return {
        "episodes": _rows(
            Episode.objects.filter(enrolment__learner=subject).order_by("opened_at", "pk"),
            ("id", "enrolment_id", "triggers", "ladder", "opened_at", "signal_at", "closed_at", "end"),
        ),
        "decisions": _rows(
            Decision.objects.filter(enrolment__learner=subject).order_by("at", "pk"),
            (
                "id",
                "enrolment_id",
                "episode_id",
                "step",
                "policy__version",
                "action",
                "lesson__key",
                "rule__key",
                "rule__version",
                "reasons",
                "eligible",
                "propensity",
                "expected_value",
                "snapshot",
                "at",
                "lapsed_at",
            ),
        ),
        "suppressions": _rows(
            Suppression.objects.filter(mine).order_by("at", "pk"), ("decision_id", "reason", "at")
        ),
        "holds": _rows(
            Hold.objects.filter(mine).order_by("since", "pk"),
            ("decision_id", "reason", "name", "since", "until", "released_at"),
        ),
        "attempts": _rows(
            Attempt.objects.filter(mine).order_by("reached_at", "pk"),
            ("decision_id", "reached_at", "window_ends_at", "verdict", "judged_at"),
        ),
        "approvals": _rows(
            Approval.objects.filter(mine).order_by("asked_at", "pk"),
            ("decision_id", "state", "asked_at", "answered_at"),
        ),
        "deliveries": _rows(
            Delivery.objects.filter(learner=subject).order_by("due_at", "pk"),
            (
                "id",
                "decision_id",
                "channel",
                "subject",
                "body",
                "message_text__variant",
                "message_text__version",
                "state",
                "due_at",
                "sent_at",
                "read_at",
            ),
        ),
        "answers": _rows(
            Answer.objects.filter(mine).order_by("at", "pk"), ("decision_id", "kind", "helped", "at")
        ),
        "lessons": _rows(
            LessonVisit.objects.filter(learner=subject).order_by("started_at", "pk"),
            (
                "lesson__key",
                "text__language",
                "text__version",
                "decision_id",
                "started_at",
                "seconds",
                "completed_at",
                "answers",
                "score",
            ),
        ),
        "help_requests": _rows(
            HelpRequest.objects.filter(enrolment__learner=subject).order_by("asked_at", "pk"),
            ("id", "enrolment_id", "kind", "text", "asked_at", "escalated_at", "answered_at"),
        ),
        "manager_asks": _rows(
            ManagerAsk.objects.filter(enrolment__learner=subject).order_by("asked_at", "pk"),
            (
                "decision_id",
                "state",
                "note",
                "flag_was_right",
                "action_helped",
                "asked_at",
                "answered_at",
            ),
        ),
        "unreachable_addresses": _rows(
            UnreachableAddress.objects.filter(hash__in=reachability.known_hashes(subject)).order_by(
                "at", "pk"
            ),
            ("kind", "detail", "at"),
        ),
        "told_to_other_systems": _rows(
            WebhookMessage.objects.filter(subject=subject).order_by("created_at", "pk"),
            ("id", "endpoint__name", "event", "body", "state", "created_at", "sent_at"),
        ),
        "platform_enrolments": _rows(
            PlatformEnrolment.objects.filter(mine).order_by("created_at", "pk"),
            ("decision_id", "moodle_course", "state", "created_at", "done_at"),
        ),
        "outcomes": _rows(
            Outcome.objects.filter(mine).order_by("at", "pk"), ("decision_id", "measure", "value", "at")
        ),
    }


def erase(subject: UUID, *, now: datetime) -> dict[str, int]:
    """Takes away what was said and what decisions rested on; the bare rows stay as evidence.

    Nothing goes out any more afterwards.
    """
    with transaction.atomic():
        withdraw(subject, Scope.RECORD, now=now)
        return {
            "deliveries": Delivery.objects.filter(learner=subject).update(
                subject="", body="", provider_answer=""
            ),
            "help_requests": HelpRequest.objects.filter(enrolment__learner=subject).update(text=""),
            "manager_asks": ManagerAsk.objects.filter(enrolment__learner=subject).update(note=""),
            "decisions": Decision.objects.filter(enrolment__learner=subject).update(
                snapshot=None, reasons=[]
            ),
            "holds": Hold.objects.filter(decision__enrolment__learner=subject).delete()[0],
            "lesson_visits": LessonVisit.objects.filter(learner=subject).delete()[0],
            "platform_enrolments": PlatformEnrolment.objects.filter(
                decision__enrolment__learner=subject
            ).delete()[0],
            "unreachable_addresses": reachability.forget(subject),
            "webhook_messages": WebhookMessage.objects.filter(subject=subject).delete()[0],
        }


def withdraw(subject: UUID, scope: Scope, *, now: datetime) -> dict[str, int]:
    """Stops what this scope no longer allows, in the caller's transaction; returns what it stopped."""
    if scope == Scope.NUDGE:
        with transaction.atomic():
            return {**_stop_messages(subject, now), **_stop_word_to_others(subject)}
    if scope in (Scope.RECORD, Scope.PROFILE):
        with transaction.atomic():
            stopped = _stop_everything(subject, now)
            return {**stopped, **(_stop_word_to_others(subject) if scope == Scope.RECORD else {})}
    if scope == Scope.MANAGER:
        with transaction.atomic():
            return _stop_manager(subject, now)
    return {}


def _wait_for(subject: UUID) -> None:
    """Whoever is deciding about this person comes wholly before us, and is undone, or finds what we have changed."""
    turns.wait_for(Enrolment.objects.filter(learner=subject).values_list("pk", flat=True))


def _stop_word_to_others(subject: UUID) -> dict[str, int]:
    """Other systems hear nothing any more of somebody who refuses suggestions or the use of their records."""
    return {
        "webhook_messages": webhooks.silence(subject),
        "platform_enrolments": platform_enrolments.call_off(subject),
    }


def _stop_messages(subject: UUID, now: datetime) -> dict[str, int]:
    _wait_for(subject)
    to_learner = Decision.objects.filter(
        enrolment__learner=subject, action__in=("nudge", "lesson", "lesson_nudge"), lapsed_at__isnull=True
    )
    return _call_off(to_learner.values_list("pk", flat=True), now)


def _stop_everything(subject: UUID, now: datetime) -> dict[str, int]:
    _wait_for(subject)
    acting = Decision.objects.filter(enrolment__learner=subject, lapsed_at__isnull=True).exclude(
        action="monitor"
    )
    # A coach's decision has no message and no approval to call off; the case itself is coaching's to close.
    stopped = _call_off(acting.exclude(action="coach").values_list("pk", flat=True), now)
    asks = ManagerAsk.objects.filter(enrolment__learner=subject)
    stopped["manager_asks"] = route.withdraw_asks(asks, now=now)
    open_episodes = list(
        Episode.objects.select_for_update(of=("self",))
        .filter(enrolment__learner=subject, closed_at__isnull=True)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    route.end_episodes(episode_ids=open_episodes, end=Episode.End.CONSENT, now=now)
    stopped["episodes"] = len(open_episodes)
    # Last, because calling a step off asks for another look, and there is nothing left to look at.
    stopped["watches"] = Watch.objects.filter(enrolment__learner=subject, review_at__isnull=False).update(
        review_at=None
    )
    return stopped


def _stop_manager(subject: UUID, now: datetime) -> dict[str, int]:
    _wait_for(subject)
    waiting = Decision.objects.filter(
        enrolment__learner=subject, action="manager", lapsed_at__isnull=True, manager_ask__isnull=True
    )
    stopped = _call_off(waiting.values_list("pk", flat=True), now)
    asks = ManagerAsk.objects.filter(enrolment__learner=subject)
    before = asks.filter(state__in=route.ASKS_BEFORE_THE_MANAGER)
    asked = list(before.values_list("enrolment_id", flat=True))
    stopped["manager_asks"] = route.withdraw_asks(asks, now=now)
    if asked:
        # The manager has it no longer: somebody else may be the next step.
        route.look_again(asked, at=now)
    return stopped


def _call_off(decision_ids: Iterable[UUID], now: datetime) -> dict[str, int]:
    """Calls these decisions off for want of consent; counts what that stops."""
    ids = list(decision_ids)
    queued = Delivery.objects.filter(decision__in=ids, state__in=route.NOT_YET).count()
    waiting = Approval.objects.filter(decision__in=ids, state=Approval.State.WAITING).count()
    reserved = AlertSlot.objects.filter(decision__in=ids, state=AlertSlot.State.RESERVED)
    held = reserved.count()
    lapsed = route.call_off(decision_ids=ids, reason=Suppression.Reason.CONSENT, now=now)
    return {"deliveries": queued, "approvals": waiting, "slots": held - reserved.count(), "decisions": lapsed}


def _rows(queryset: QuerySet[Any], fields: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {name.replace("__", "_"): _plain(value) for name, value in row.items()}
        for row in queryset.values(*fields)
    ]


def _plain(value: Any) -> Any:
    """A value that JSON can hold."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
