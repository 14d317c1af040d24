"""Pages of the admin on which nothing is added, changed or deleted."""

from django.db.models import Model
from django.http import HttpRequest


class ReadOnly:
    """Put before ModelAdmin or an inline: its rows are written by the program alone, and people read them."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
