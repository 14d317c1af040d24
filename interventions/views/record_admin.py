"""Episodes, decisions, deliveries and alerts, read only. Reads are audited."""

import json
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from consent import audit
from consent.actors import Party
from consent.read_only import ReadOnly
from interventions import dead_letters, deliver
from interventions.models import (
    AlertSlot,
    Decision,
    Delivery,
    Episode,
    Suppression,
)
from learners.access import asked_by


class RecordAdmin(ReadOnly, admin.ModelAdmin):
    """Rows that are read and never edited here; who looked at whose is audited."""

    actions: tuple[str, ...] | None = None
    list_per_page = 50
    show_full_result_count = False  # counting a big table takes longer than reading the page

    def learner_id(self, row: Any) -> UUID:
        """Whose row this is."""
        return UUID(str(row.decision.enrolment.learner_id))

    @admin.display(description="learner")
    def learner(self, row: Any) -> str:
        return f"Learner {str(self.learner_id(row))[:4].upper()}"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        shown_list = (getattr(response, "context_data", None) or {}).get("cl")
        if shown_list is not None:
            self._audit(request, list(shown_list.result_list))
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        if row is not None:
            self._audit(request, [row])
        return super().change_view(request, object_id, form_url, extra_context)

    def _audit(self, request: HttpRequest, rows: list[Model]) -> None:
        audit.record_reads(
            actor=Party("user", asked_by(request)),
            action=f"admin.read.{self.opts.model_name}",
            targets=[self.learner_id(row) for row in rows],
            now=timezone.now(),
        )


@admin.register(Episode)
class EpisodeAdmin(RecordAdmin):
    list_display = ("id", "learner", "ladder", "triggers", "opened_at", "failed_attempts", "closed_at", "end")
    list_filter = ("ladder", "end", ("closed_at", admin.EmptyFieldListFilter))
    list_select_related = ("enrolment",)
    fields = (
        "id",
        "learner",
        "triggers",
        "ladder",
        "signal_at",
        "opened_at",
        "failed_attempts",
        "step",
        "closed_at",
        "end",
    )

    def learner_id(self, row: Episode) -> UUID:
        return row.enrolment.learner_id


@admin.register(Decision)
class DecisionAdmin(RecordAdmin):
    list_display = ("id", "at", "learner", "action", "reasons_in_short", "policy", "lapsed_at")
    list_filter = ("action", "policy", ("lapsed_at", admin.EmptyFieldListFilter))
    list_select_related = ("enrolment", "policy")
    fields = (
        "id",
        "at",
        "learner",
        "action",
        "lesson",
        "reasons_in_short",
        "policy",
        "episode",
        "step",
        "propensity",
        "expected_value",
        "eligible_in_lines",
        "known_seq",
        "lapsed_at",
        "snapshot_in_lines",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Decision]:
        return super().get_queryset(request).defer("snapshot", "eligible")

    def learner_id(self, row: Decision) -> UUID:
        return row.enrolment.learner_id

    @admin.display(description="reasons")
    def reasons_in_short(self, decision: Decision) -> str:
        return ", ".join(str(reason) for reason in decision.reasons) or "erased"

    @admin.display(description="eligible")
    def eligible_in_lines(self, decision: Decision) -> SafeString:
        return _lines(decision.eligible)

    @admin.display(description="snapshot")
    def snapshot_in_lines(self, decision: Decision) -> SafeString | str:
        return "erased" if decision.snapshot is None else _lines(decision.snapshot)


def _lines(value: Any) -> SafeString:
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False))


@admin.register(Delivery)
class DeliveryAdmin(RecordAdmin):
    """Those that failed for good are the dead letters: filter by state, then try again."""

    list_display = (
        "id",
        "learner",
        "channel",
        "state",
        "provider_answer",
        "what_follows",
        "tries",
        "due_at",
        "sent_at",
    )
    list_filter = ("state", "channel")
    list_select_related = ("decision__enrolment",)
    actions = ("try_again",)
    fields = (
        "id",
        "learner",
        "decision",
        "channel",
        "state",
        "message_text",
        "subject",
        "body",
        "due_at",
        "expires_at",
        "claimed_at",
        "sent_at",
        "read_at",
        "tries",
        "provider_answer",
        "what_follows",
    )

    def learner_id(self, row: Delivery) -> UUID:
        return row.learner_id

    @admin.display(description="what follows")
    def what_follows(self, delivery: Delivery) -> str:
        """Of a fault: whether it is for good."""
        if delivery.state == Delivery.State.FAILED:
            tried = delivery.tries >= deliver.MAX_TRIES
            return (
                f"given up after {delivery.tries} tries" if tried else "for good: not tried again by itself"
            )
        if delivery.state == Delivery.State.QUEUED and delivery.provider_answer:
            return f"tried again at {timezone.localtime(delivery.due_at):%H:%M}"
        return ""

    @admin.action(description="Try again (only what failed for good)")
    def try_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        by, now = Party("user", asked_by(request)), timezone.now()
        for delivery_id in queryset.values_list("pk", flat=True):
            outcome = dead_letters.try_again(delivery_id=delivery_id, by=by, now=now)
            self.message_user(request, f"{delivery_id}: {outcome.value}.")


@admin.register(Suppression)
class SuppressionAdmin(RecordAdmin):
    list_display = ("decision", "learner", "reason", "at")
    list_filter = ("reason",)
    list_select_related = ("decision__enrolment",)
    fields = ("decision", "learner", "reason", "at")


@admin.register(AlertSlot)
class AlertSlotAdmin(RecordAdmin):
    """The cap ledger."""

    list_display = ("learner", "kind", "place", "during", "state", "decision")
    list_filter = ("kind", "state")
    list_select_related = ("decision",)
    fields = ("learner", "kind", "place", "during", "state", "decision")

    def learner_id(self, row: AlertSlot) -> UUID:
        return row.learner_id
