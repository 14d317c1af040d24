"""Business-critical weeks in the admin. Calendar files are read on their own page (/team/busy-weeks/)."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from interventions import busy_periods
from interventions.models import BusyPeriod
from learners.access import asked_by


class BusyPeriodForm(forms.ModelForm):
    class Meta:
        model = BusyPeriod
        fields = ("unit", "name", "first_date", "last_date")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                busy_periods.check(cleaned["first_date"], cleaned["last_date"])
            except busy_periods.NotAPeriod as fault:
                self.add_error("last_date", str(fault))
        return cleaned

    def validate_constraints(self) -> None:
        """Said above in plain words; the constraints themselves have only their names to say."""


@admin.register(BusyPeriod)
class BusyPeriodAdmin(admin.ModelAdmin):
    """Declared and taken back, so that each is on record; who needs other days takes back and declares."""

    form = BusyPeriodForm
    list_display = ("name", "unit", "first_date", "last_date", "source", "declared_at")
    list_filter = ("source",)
    list_select_related = ("unit",)
    date_hierarchy = "first_date"
    autocomplete_fields = ("unit",)

    def has_change_permission(self, request: HttpRequest, obj: BusyPeriod | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: BusyPeriod, form: Any, change: bool) -> None:
        made = busy_periods.declare(
            unit=obj.unit,
            name=obj.name,
            first=obj.first_date,
            last=obj.last_date,
            source=BusyPeriod.Source.ADMIN,
            by=asked_by(request),
            now=timezone.now(),
        )
        obj.pk = made.pk

    def delete_model(self, request: HttpRequest, obj: BusyPeriod) -> None:
        busy_periods.take_back(obj, by=asked_by(request), now=timezone.now())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[BusyPeriod]) -> None:
        for period in queryset.select_related("unit"):
            self.delete_model(request, period)
