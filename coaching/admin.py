"""Cases in the admin, to look at only: deciding is done in the inbox."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from coaching.models import Case, Verdict


class ReadOnly:
    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class VerdictInline(ReadOnly, admin.TabularInline):
    model = Verdict
    extra = 0


@admin.register(Case)
class CaseAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "state", "is_escalation", "opened_at", "due_at", "closed_at")
    list_filter = ("state", "is_escalation")
    date_hierarchy = "opened_at"
    inlines = (VerdictInline,)
