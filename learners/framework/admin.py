"""The competency framework and the names of job roles in the admin."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from consent.actors import Party
from learners import rolenames
from learners.models import CompetencyItem, CompetencyLesson, RoleCompetency, RoleName, User


class RoleCompetencyInline(admin.TabularInline):
    """What a role asks for; the same rows from the competency's side say who asks for it."""

    model = RoleCompetency
    extra = 0
    fields = ("competency", "level", "position")
    autocomplete_fields = ("competency",)


class AskedByInline(admin.TabularInline):
    model = RoleCompetency
    extra = 0
    fields = ("job_role", "level", "position")
    autocomplete_fields = ("job_role",)
    verbose_name = verbose_name_plural = "asked of job roles"


class CompetencyLessonInline(admin.TabularInline):
    model = CompetencyLesson
    extra = 0
    fields = ("name", "iri", "position")


class CompetencyItemInline(admin.TabularInline):
    model = CompetencyItem
    extra = 0
    fields = ("name", "iri", "lesson", "position")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "lesson":  # the lessons of this competency, not of all
            match = request.resolver_match
            here = match.kwargs.get("object_id") if match else None
            kwargs["queryset"] = CompetencyLesson.objects.filter(
                competency=here if str(here).isdigit() else None
            )
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class Waits(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("waiting", "Waits for a decision"), ("proposed", "Has a proposal"), ("decided", "Decided")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "waiting":
                return queryset.filter(pk__in=RoleName.objects.undecided())
            case "proposed":
                return queryset.filter(proposal__isnull=False)
            case "decided":
                return queryset.filter(decided_at__isnull=False)
        return queryset


@admin.register(RoleName)
class RoleNameAdmin(admin.ModelAdmin):
    """What systems call job roles. Accept a proposal, or open a name and say what it means."""

    list_display = ("name", "source", "job_role", "proposal", "similarity", "first_seen_at", "decided_at")
    list_filter = (Waits, "source")
    list_select_related = ("job_role", "proposal")
    search_fields = ("name",)
    fields = ("source", "name", "job_role", "proposal", "similarity", "first_seen_at", "decided_at")
    autocomplete_fields = ("job_role",)
    actions = ("accept",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        always = ("proposal", "similarity", "first_seen_at", "decided_at")
        return always if obj is None else ("source", "name", *always)

    def save_model(self, request: HttpRequest, obj: RoleName, form: Any, change: bool) -> None:
        now = timezone.now()
        if not change:
            obj.key, obj.first_seen_at = rolenames.spelling(obj.name), now
            wanted, obj.job_role = obj.job_role, None
            super().save_model(request, obj, form, change)
        else:
            wanted = obj.job_role
        self._decide(request, RoleName.objects.get(pk=obj.pk), wanted)

    @admin.action(description="Accept the proposal")
    def accept(self, request: HttpRequest, queryset: QuerySet[RoleName]) -> None:
        for row in queryset.filter(proposal__isnull=False).select_related("proposal"):
            self._decide(request, row, row.proposal)

    def _decide(self, request: HttpRequest, row: RoleName, job_role: Any) -> None:
        assert isinstance(request.user, User)  # the admin site lets nobody else in
        changed = rolenames.decide(
            role_name=row, job_role=job_role, by=Party("user", request.user.pk), now=timezone.now()
        )
        self.message_user(
            request,
            f"“{row.name}” means {job_role.name if job_role else 'no role we keep'}; "
            f"{changed} {'person has' if changed == 1 else 'people have'} another role by it.",
        )
