"""Days off, and findings as a list to search; what to do about them is on /quality/."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from signals.models import DayOff, Finding


@admin.register(DayOff)
class DayOffAdmin(admin.ModelAdmin):
    """Holidays: on these days no source is expected to send as usual."""

    list_display = ("day", "name")
    date_hierarchy = "day"


@admin.register(Finding)
class FindingAdmin(admin.ModelAdmin):
    list_display = ("source", "model", "kind", "opened_at", "closed_at", "ending", "says")
    list_filter = ("kind", "ending", "source")
    date_hierarchy = "opened_at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # monitors open and close them; "this is normal now" is a button on /quality/

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
