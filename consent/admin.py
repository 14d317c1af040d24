"""Scopes and their texts can be edited; the ledger, the audit log and requests can only be read."""

from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from consent import audit
from consent.actors import Party
from consent.models import AuditEntry, ConsentChange, ConsentScope, ScopeText, Standing, SubjectRequest
from consent.read_only import ReadOnly


class EvidenceAdmin(ReadOnly, admin.ModelAdmin):
    """Evidence: to be read, never changed. Searched by whole uuids, which its indexes answer."""

    list_per_page = 50
    search_uuids: tuple[str, ...] = ("subject",)
    search_help_text = "A whole uuid."

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return self.search_uuids

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        try:
            wanted = UUID(search_term.strip())
        except ValueError:
            return queryset.none(), False
        return self.about(queryset, wanted), False

    def about(self, queryset: QuerySet[Any], wanted: UUID) -> QuerySet[Any]:
        condition = Q()
        for name in self.search_uuids:
            condition |= Q(**{name: wanted})
        return queryset.filter(condition)


class ScopeTextForm(forms.ModelForm):
    language = forms.ChoiceField(choices=settings.LANGUAGES)

    class Meta:
        model = ScopeText
        fields = ("language", "text")


class ScopeTextInline(admin.TabularInline):
    """Adding a text publishes it as the next version in its language; published versions are read-only."""

    model = ScopeText
    form = ScopeTextForm
    extra = 0
    fields = ("version", "language", "text", "published_at")
    readonly_fields = ("version", "published_at")
    verbose_name = "text"
    verbose_name_plural = "texts (a published text never changes: add one, and it becomes the next version)"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ConsentScope)
class ConsentScopeAdmin(admin.ModelAdmin):
    list_display = ("name", "key", "lawful_basis", "retention_days", "is_blocked")
    list_filter = ("lawful_basis", "is_blocked")
    inlines = (ScopeTextInline,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # the code asks for the scopes it knows

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # Appraisal stays blocked: the database says so too. Any other purpose can be blocked and opened again.
        return ("key", "is_blocked") if obj is not None and obj.key == "appraisal" else ("key",)

    def save_model(
        self, request: HttpRequest, obj: ConsentScope, form: forms.ModelForm, change: bool
    ) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            if form.changed_data:
                _note(request, "scope.changed", obj, {name: getattr(obj, name) for name in form.changed_data})

    def save_formset(
        self, request: HttpRequest, form: forms.ModelForm, formset: forms.BaseModelFormSet, change: bool
    ) -> None:
        with transaction.atomic():
            # One publisher at a time, so that two of them do not both take the next version.
            ConsentScope.objects.select_for_update().get(pk=form.instance.pk)
            for text in formset.save(commit=False):
                published = ScopeText.objects.filter(scope=text.scope, language=text.language)
                text.version = (published.aggregate(last=Max("version"))["last"] or 0) + 1
                text.published_at = timezone.now()
                text.save()
                detail = {"version": text.version, "language": text.language}
                _note(request, "scope.text_published", text.scope, detail)
            formset.save_m2m()


def _note(request: HttpRequest, action: str, scope: ConsentScope, detail: dict[str, Any]) -> None:
    audit.record(
        actor=Party("user", UUID(str(request.user.pk))),
        action=action,
        target=Party("scope", audit.NOBODY),
        now=timezone.now(),
        detail={"scope": scope.key, **detail},
    )


@admin.register(Standing)
class StandingAdmin(EvidenceAdmin):
    list_display = ("subject", "scope", "allowed", "since")
    list_filter = ("scope", "allowed")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # Rows that a send-claim made to have something to lock say nothing about anybody.
        return super().get_queryset(request).filter(allowed__isnull=False)


@admin.register(ConsentChange)
class ConsentChangeAdmin(EvidenceAdmin):
    list_display = ("at", "subject", "scope", "allowed", "by_kind", "by_uuid", "text_version", "language")
    list_filter = ("scope", "allowed", "by_kind")
    search_uuids = ("subject", "by_uuid")
    date_hierarchy = "at"
    ordering = ("-at", "-pk")


@admin.register(AuditEntry)
class AuditEntryAdmin(EvidenceAdmin):
    list_display = ("at", "action", "actor_kind", "actor_uuid", "target_kind", "target_uuid", "sealed")
    list_filter = ("actor_kind", "target_kind", "action")
    list_select_related = ("seal",)
    search_uuids = ("target_uuid", "actor_uuid")
    search_help_text = "A whole uuid: of who acted, of what was acted upon, or of somebody a page showed."
    date_hierarchy = "at"
    ordering = ("-pk",)
    show_full_result_count = False

    def about(self, queryset: QuerySet[Any], wanted: UUID) -> QuerySet[Any]:
        return queryset.filter(Q(actor_uuid=wanted) | Q(pk__in=audit.about(wanted).values("pk")))

    @admin.display(boolean=True, description="sealed")
    def sealed(self, entry: AuditEntry) -> bool:
        return hasattr(entry, "seal")


@admin.register(SubjectRequest)
class SubjectRequestAdmin(EvidenceAdmin):
    list_display = ("at", "kind", "subject", "by_kind", "by_uuid")
    list_filter = ("kind",)
    date_hierarchy = "at"
