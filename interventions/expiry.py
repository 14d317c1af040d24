"""What was said and what decisions rested on, once its purpose's period is over. The bare rows stay as evidence."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from django.db.models import F, Func, IntegerField, Q, QuerySet

from consent.crypto import BODY
from consent.retention import Step
from consent.scopes import Scope
from interventions.models import (
    Decision,
    Delivery,
    HelpRequest,
    Hold,
    LessonVisit,
    ManagerAsk,
    PlatformEnrolment,
    WebhookMessage,
)

# An encrypted empty text is this long: nonce and tag around nothing.
EMPTY = BODY.start + 16


def expire(scope: Scope, before: datetime, *, now: datetime) -> list[Step]:
    """What of this purpose is older than that moment."""
    match scope:
        case Scope.PROFILE:
            old = Decision.objects.filter(at__lt=before).exclude(snapshot__isnull=True, reasons=[])
            forget = partial(old.update, snapshot=None, reasons=[])
            return _step("decisions", old, forget, "enrolment__learner")
        case Scope.NUDGE:
            settled = (Delivery.State.SENT, Delivery.State.FAILED, Delivery.State.CANCELLED)
            said = _with_text(Delivery.objects.filter(due_at__lt=before, state__in=settled), "body")
            visits = LessonVisit.objects.filter(started_at__lt=before)
            holds = Hold.objects.filter(until__lt=before)
            told = WebhookMessage.objects.filter(created_at__lt=before)
            enrolled = PlatformEnrolment.objects.filter(created_at__lt=before)
            return [
                *_step("webhook_messages", told, told.delete, "subject"),
                *_step("platform_enrolments", enrolled, enrolled.delete, "decision__enrolment__learner"),
                *_step("deliveries", said, partial(said.update, subject="", body="", provider_answer="")),
                *_step("lesson_visits", visits, visits.delete),
                *_step("holds", holds, holds.delete, "decision__enrolment__learner"),
            ]
        case Scope.MANAGER:
            asked = _with_text(
                ManagerAsk.objects.filter(asked_at__lt=before, answered_at__isnull=False), "note"
            )
            return _step("manager_asks", asked, partial(asked.update, note=""), "enrolment__learner")
        case Scope.COACH:
            # One that nobody has answered yet is not past anything.
            help_asked = _with_text(
                HelpRequest.objects.filter(Q(answered_at__lt=before), asked_at__lt=before), "text"
            )
            return _step(
                "help_requests", help_asked, partial(help_asked.update, text=""), "enrolment__learner"
            )
    return []


def _step(store: str, rows: QuerySet[Any], remove: Callable[[], Any], person: str = "learner") -> list[Step]:
    count = rows.count()
    people = rows.order_by().values(person).distinct().count() if count else 0
    return [Step(store, count, remove, people=people)] if count else []


def _with_text(rows: QuerySet[Any], field: str) -> QuerySet[Any]:
    """Those whose encrypted text still says something."""
    length = Func(F(field), function="octet_length", output_field=IntegerField())
    return rows.alias(length=length).filter(length__gt=EMPTY)
