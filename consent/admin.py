"""Scopes and their texts can be edited; the ledger, the audit log and requests can only be read."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from consent.models import AuditEntry, ConsentChange, ConsentScope, ScopeText, SubjectRequest


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """Evidence: to be read, never changed."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ScopeTextInline(admin.TabularInline):  # type: ignore[type-arg]
    """Published versions are read-only; a new version is a new row."""

    model = ScopeText
    extra = 0
    verbose_name = "text"
    verbose_name_plural = "texts (a published text never changes: add the next version)"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ConsentScope)
class ConsentScopeAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("key", "name", "lawful_basis", "retention_days", "is_blocked")
    inlines = (ScopeTextInline,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # the code asks for the scopes it knows

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("key", "is_blocked") if obj is not None and obj.is_blocked else ("key",)


@admin.register(ConsentChange)
class ConsentChangeAdmin(ReadOnly):
    list_display = ("at", "subject", "scope", "allowed", "by_kind", "text_version", "language")
    list_filter = ("scope", "allowed")
    search_fields = ("subject",)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    list_display = ("at", "action", "actor_kind", "actor_uuid", "target_kind", "target_uuid")
    list_filter = ("action",)
    search_fields = ("target_uuid", "actor_uuid")
    show_full_result_count = False


@admin.register(SubjectRequest)
class SubjectRequestAdmin(ReadOnly):
    list_display = ("at", "kind", "subject")
    list_filter = ("kind",)
    search_fields = ("subject",)
