"""Sets of cases, in the words of the inbox."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import models
from django.db.models import Count, Q

from consent import gate
from consent.scopes import Scope
from learners import access
from learners.models import User

if TYPE_CHECKING:
    from coaching.models import Case  # noqa: F401  (generic parameter)

DONE_FOR = timedelta(days=7)
# Who asked for a person is heard by one, whatever they said about coaches before.
ASKED_THEMSELVES = ("learner_asked", "contest")


class CaseQuerySet(models.QuerySet["Case"]):
    def visible_to(self, user: User, *, now: datetime) -> "CaseQuerySet":
        """The cases a coach may see: of learners in their care (or in nobody's) who allow it; never their own."""
        return self.of(access.in_care_of(user, on=now.date()))

    def of(self, learner_ids: Collection[UUID]) -> "CaseQuerySet":
        """The same, where it is known already who is in the coach's care."""
        return self.filter(enrolment__learner_id__in=learner_ids).allowed()

    def allowed(self) -> "CaseQuerySet":
        """Those whose learner lets coaches see them, or asked for a person."""
        willing = gate.only_allowing(
            self.model._default_manager.all(), Scope.COACH, field="enrolment__learner_id"
        )
        return self.filter(
            Q(pk__in=willing.order_by().values("pk"))
            | Q(is_escalation=True, decision__escalation__exemption__in=ASKED_THEMSELVES)
        )

    def without_coach(self) -> dict[str, int]:
        """How many open cases nobody is suggested for, by why."""
        rows = self.open().filter(assignee__isnull=True).order_by("suggested_because")
        return dict(rows.values_list("suggested_because").annotate(cases=Count("pk")))

    def open(self) -> "CaseQuerySet":
        return self.exclude(state="closed")

    def view(self, key: str, *, by: UUID, now: datetime) -> "CaseQuerySet":
        """The cases of one view of the inbox, the most urgent (or the latest closed) first."""
        rows = self.filter(VIEWS[key](by, now))
        return rows.order_by("-closed_at", "pk") if key == "done" else rows.order_by("due_at", "pk")

    def counts(self, *, by: UUID, now: datetime) -> dict[str, int]:
        """How many cases each view holds, in one query."""
        return self.order_by().aggregate(
            **{key: Count("pk", filter=condition(by, now)) for key, condition in VIEWS.items()},
            overdue=Count("pk", filter=Q(state="open", due_at__lt=now)),
        )

    def for_reading(self) -> "CaseQuerySet":
        """With everything a row of the list shows."""
        return self.select_related(
            "enrolment__course",
            "enrolment__learner__job_role",
            "episode",
            "decision__policy",
            "decision__lesson",
            "decision__escalation__attempt",
            "assignee",
            "suggested_to",
        ).defer("decision__snapshot", "decision__eligible", "decision__policy__document")


VIEWS: dict[str, Callable[[UUID, datetime], Q]] = {
    "needs": lambda by, now: Q(state="open"),
    "mine": lambda by, now: Q(assignee_id=by) & Q(state__in=("open", "accepted")),
    "snoozed": lambda by, now: Q(state="snoozed"),
    "working": lambda by, now: Q(state="accepted"),
    "done": lambda by, now: Q(state="closed", closed_at__gte=now - DONE_FOR),
}
