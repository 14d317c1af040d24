"""Models that could not be used, and how many second looks coaches are asked for."""

from django.contrib import admin

from consent.read_only import ReadOnly
from signals.models import ModelFault, SecondLookBudget


@admin.register(SecondLookBudget)
class SecondLookBudgetAdmin(admin.ModelAdmin):
    """A unit without a number of its own has that of the unit above it, and at the top the one of no unit."""

    list_display = ("unit", "per_week")
    list_select_related = ("unit",)


@admin.register(ModelFault)
class ModelFaultAdmin(ReadOnly, admin.ModelAdmin):
    """Found by scoring, and over when the model can be read again."""

    list_display = ("version", "noticed_at", "over_at", "scored_with", "says")
    list_select_related = ("version",)
    date_hierarchy = "noticed_at"
