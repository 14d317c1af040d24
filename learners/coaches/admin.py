"""Coaches in the admin: what they know, how many cases they carry, where else they help, whom they are not to meet."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from consent import audit
from consent.actors import Party
from learners.access import asked_by
from learners.models import CoachConflict, CoachProfile, CoachSkill, UnitCoach


class CoachProfileInline(admin.StackedInline):
    model = CoachProfile
    extra = 0
    verbose_name_plural = "as a coach"


class CoachSkillInline(admin.TabularInline):
    model = CoachSkill
    extra = 0
    autocomplete_fields = ("competency", "course")
    verbose_name_plural = "knows their way about in (one of the two each; without any: in anything)"


class HelpsInInline(admin.TabularInline):
    model = UnitCoach
    extra = 0
    autocomplete_fields = ("unit",)
    verbose_name_plural = "helps in these units too, and below"


COACH_INLINES = (CoachProfileInline, CoachSkillInline, HelpsInInline)


@admin.register(UnitCoach)
class UnitCoachAdmin(admin.ModelAdmin):
    """One more coach for a unit, beside the one in charge."""

    list_display = ("unit", "user")
    list_select_related = ("unit", "user")
    autocomplete_fields = ("unit",)
    raw_id_fields = ("user",)


@admin.register(CoachConflict)
class CoachConflictAdmin(admin.ModelAdmin):
    """Two people who are not to meet. Nobody is asked why; open cases go to somebody else by themselves."""

    list_display = ("learner", "user", "said_by", "said_at")
    list_select_related = ("learner", "user")
    raw_id_fields = ("learner", "user")
    fields = ("learner", "user")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        shown = (getattr(response, "context_data", None) or {}).get("cl")
        if shown is not None:
            audit.record_reads(
                actor=Party("user", asked_by(request)),
                action="admin.read.coachconflict",
                targets=[row.learner_id for row in shown.result_list],
                now=timezone.now(),
            )
        return response

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)  # take it back and say it anew

    def save_model(self, request: HttpRequest, obj: CoachConflict, form: Any, change: bool) -> None:
        obj.said_by, obj.said_at = CoachConflict.By.ADMIN, timezone.now()
        super().save_model(request, obj, form, change)
        _note("coach.kept_apart", request, obj)

    def delete_model(self, request: HttpRequest, obj: CoachConflict) -> None:
        _note("coach.may_meet_again", request, obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[CoachConflict]) -> None:
        for obj in queryset:
            _note("coach.may_meet_again", request, obj)
        super().delete_queryset(request, queryset)


def _note(action: str, request: HttpRequest, obj: CoachConflict) -> None:
    audit.record(
        actor=Party("user", asked_by(request)),
        action=action,
        target=Party("learner", obj.learner_id),
        now=timezone.now(),
        detail={"coach": str(obj.user_id)},
    )
