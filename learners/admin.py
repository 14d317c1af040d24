"""People, units, roles, courses and enrolments in the admin.

Lists show pseudonyms; a page about one learner shows who it is and leaves a trace. Searching asks for a whole e-mail
address, employee number or sign-in name, since only their keyed hashes can be looked up.
"""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import ForeignKey, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from learners import access
from learners.coaches.admin import COACH_INLINES
from learners.enrolments import due_date
from learners.forms import IdentifierForm, IdentifierFormSet, LearnerForm, OrgUnitForm, UserForm
from learners.framework.admin import (
    AskedByInline,
    CompetencyItemInline,
    CompetencyLessonInline,
    RoleCompetencyInline,
)
from learners.identity import canonical, change_address, employee_hash, identifier_hash, resolve
from learners.linking import admin as linking_admin
from learners.models import (
    BaselineSkill,
    Competency,
    Course,
    Enrolment,
    Identifier,
    JobRole,
    Learner,
    OrgUnit,
    Oversight,
    PlanStep,
    Role,
    User,
)
from learners.models.people import login_hash
from learners.scim import admin as scim_admin

__all__ = ["linking_admin", "scim_admin"]  # register the pages of their own


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


class UnitChoice(forms.ModelChoiceField):
    """A choice among units by their path."""

    def label_from_instance(self, obj: Any) -> str:
        return str(obj.path)


def unit_choice(db_field: "ForeignKey[Any, Any]") -> UnitChoice:
    return UnitChoice(
        queryset=OrgUnit.objects.with_path(),
        required=not db_field.blank,
        label=db_field.verbose_name.capitalize(),
    )


class HasRole(admin.SimpleListFilter):
    title = parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(role.value, str(role.label)) for role in Role]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(roles__contains=[self.value()]) if self.value() else queryset


class Kept(admin.ModelAdmin):
    """Rows that others hang on: an account is closed, a person is erased (subject_erase), neither is deleted here."""

    show_full_result_count = False
    list_per_page = 50

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(Kept):
    form = UserForm
    list_display = ("__str__", "role_names", "is_active", "last_login")
    list_filter = (HasRole, "is_active")
    search_fields = ("id",)
    search_help_text = "A whole sign-in name, or a uuid."
    raw_id_fields = ("learner",)
    readonly_fields = ("id", "last_login")

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        return COACH_INLINES if obj is not None and obj.has_role(Role.COACH) else ()

    @admin.display(description="roles")
    def role_names(self, user: User) -> str:
        return ", ".join(str(Role(role).label) for role in user.roles) or "—"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        if (pk := _uuid(search_term.strip())) is not None:
            return queryset.filter(pk=pk), False
        return queryset.filter(login_hash=login_hash(search_term)), False


class IdentifierInline(admin.TabularInline):
    model = Identifier
    form = IdentifierForm
    formset = IdentifierFormSet
    extra = 0


class OversightInline(admin.TabularInline):
    model = Oversight
    extra = 0
    raw_id_fields = ("user",)
    verbose_name_plural = "manager and coach (without one, the unit's)"


class BaselineSkillInline(admin.TabularInline):
    model = BaselineSkill
    extra = 0
    autocomplete_fields = ("competency",)
    verbose_name_plural = "baseline skills"


@admin.register(Learner)
class LearnerAdmin(Kept):
    form = LearnerForm
    list_display = ("pseudonym", "unit", "job_role", "language", "started_on", "left_on")
    list_filter = ("job_role", "language", ("left_on", admin.EmptyFieldListFilter))
    list_select_related = ("unit", "job_role")
    search_fields = ("id",)
    search_help_text = "A whole e-mail address or employee number, or a uuid."
    readonly_fields = ("id",)
    inlines = (IdentifierInline, OversightInline, BaselineSkillInline)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Learner]:
        return Learner.objects.visible_to(request.user)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if (pk := _uuid(term)) is not None:
            return queryset.filter(pk=pk), False
        if "@" in term:
            return queryset.filter(pk__in=resolve([identifier_hash(canonical("mbox", term))]).values()), False
        return queryset.filter(employee_hash=employee_hash(term)), False

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "unit":
            return unit_choice(db_field)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Learner, form: Any, change: bool) -> None:
        """Dates a change of role today, unless the form says when it was."""
        if change and "job_role" in form.changed_data and "role_since" not in form.changed_data:
            role = obj.job_role
            obj.job_role = Learner.objects.select_related("job_role").get(pk=obj.pk).job_role
            obj.change_role(role, on=timezone.now().date())
        super().save_model(request, obj, form, change)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        learner = self.get_object(request, object_id)
        if learner is not None:
            assert isinstance(request.user, User)  # the admin site lets nobody else in
            access.audited(request.user, [learner], action="admin.learner_read", now=timezone.now())
        return super().change_view(request, object_id, form_url, extra_context)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        # After the identifiers typed in by hand, which may hold the new address already.
        super().save_related(request, form, formsets, change)
        if "email" in form.changed_data:
            learner = form.instance
            old = form.initial.get("email", "") if change else ""
            change_address(learner=learner, old=old, new=learner.email, now=timezone.now())


@admin.register(OrgUnit)
class OrgUnitAdmin(admin.ModelAdmin):
    form = OrgUnitForm
    list_display = ("path", "code", "manager", "coach", "time_zone")
    list_display_links = ("path",)
    list_select_related = ("manager", "coach")
    search_fields = ("code", "name")
    raw_id_fields = ("manager", "coach")

    def get_queryset(self, request: HttpRequest) -> QuerySet[OrgUnit]:
        return OrgUnit.objects.with_path()

    @admin.display(description="unit", ordering="path")
    def path(self, unit: Any) -> str:
        return str(unit.path)

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "parent":
            return unit_choice(db_field)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


@admin.register(JobRole)
class JobRoleAdmin(admin.ModelAdmin):
    list_display = ("name", "code", "impact")
    list_editable = ("impact",)
    list_filter = ("impact",)
    search_fields = ("name", "code")
    inlines = (RoleCompetencyInline,)


@admin.register(Competency)
class CompetencyAdmin(admin.ModelAdmin):
    list_display = ("name", "key", "parent")
    list_select_related = ("parent",)
    search_fields = ("name", "key")
    autocomplete_fields = ("parent",)
    inlines = (AskedByInline, CompetencyLessonInline, CompetencyItemInline)


class PlanStepInline(admin.TabularInline):
    model = PlanStep
    extra = 0
    autocomplete_fields = ("competency",)


@admin.register(Course)
class CourseAdmin(admin.ModelAdmin):
    list_display = ("name", "kind", "starts_on", "length_days", "pass_mark")
    list_filter = ("kind",)
    search_fields = ("name", "iri")
    inlines = (PlanStepInline,)


@admin.register(Enrolment)
class EnrolmentAdmin(Kept):
    list_display = ("learner", "course", "state", "starts_on", "due_on")
    list_filter = ("state", "course")
    list_select_related = ("learner", "course")
    raw_id_fields = ("learner", "course")
    fields = ("learner", "course", "starts_on", "due_on", "state", "enrolled_at", "ended_at")
    readonly_fields = ("enrolled_at", "ended_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Enrolment]:
        return Enrolment.objects.visible_to(request.user)

    def save_model(self, request: HttpRequest, obj: Enrolment, form: Any, change: bool) -> None:
        now = timezone.now()
        if not change:
            obj.enrolled_at = now
            obj.due_on = obj.due_on or due_date(obj.course, obj.starts_on)
        if obj.state == Enrolment.State.ACTIVE:
            obj.ended_at = None
        else:
            obj.ended_at = obj.ended_at or now
        super().save_model(request, obj, form, change)
