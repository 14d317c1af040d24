"""Cases in the admin, to look at only: deciding is done in the inbox."""

from django.contrib import admin

from coaching.models import Case, Verdict
from coaching.views import room_admin
from consent.read_only import ReadOnly

__all__ = ["room_admin"]  # registers its page


class VerdictInline(ReadOnly, admin.TabularInline):
    model = Verdict
    extra = 0


@admin.register(Case)
class CaseAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "state", "is_escalation", "opened_at", "due_at", "closed_at")
    list_filter = ("state", "is_escalation")
    date_hierarchy = "opened_at"
    inlines = (VerdictInline,)
