"""Rooms of coaches: where they are, when they are told, and what last went wrong."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from coaching import rooms
from consent import audit
from consent.actors import Party
from interventions.models import CoachRoom
from interventions.outgoing_forms import address_to_reach
from learners.access import asked_by


class CoachRoomForm(forms.ModelForm):
    """The address is a secret of its own, so it is not shown again."""

    address = forms.CharField(
        required=False,
        max_length=2000,
        widget=forms.PasswordInput(attrs={"size": 80, "autocomplete": "off"}),
        help_text="The incoming webhook's address, https://… Leave empty to keep what is stored.",
    )

    class Meta:
        model = CoachRoom
        fields = ("name", "kind", "address", "at", "is_active")
        help_texts = {
            "at": "Between 6:00 and 11:00, by the organisation's clock, on its working days.",
            "is_active": "Off by default. Choose a room that only coaches read.",
        }

    def validate_constraints(self) -> None:
        """Said in clean_at in plain words; the constraint itself has only its name to say."""

    def clean_at(self) -> Any:
        at = self.cleaned_data["at"]
        if not 6 * 60 <= at.hour * 60 + at.minute <= 11 * 60:
            raise forms.ValidationError("Choose a time between 6:00 and 11:00.")
        return at

    def clean_address(self) -> str:
        return address_to_reach(self.cleaned_data["address"], stored=self.instance.address)


@admin.register(CoachRoom)
class CoachRoomAdmin(admin.ModelAdmin):
    """Told once a working morning how many cases wait, with a link: no names, no courses."""

    form = CoachRoomForm
    list_display = ("name", "kind", "at", "is_active", "last_told_on", "last_error")
    readonly_fields = ("last_told_on", "last_error")
    actions = ("send_test",)

    def save_model(self, request: HttpRequest, obj: CoachRoom, form: Any, change: bool) -> None:
        now = timezone.now()
        if not change:
            obj.created_at = now
        super().save_model(request, obj, form, change)
        audit.record(
            actor=Party("user", asked_by(request)),
            action="room.changed" if change else "room.created",
            target=Party("room", UUID(int=obj.pk)),
            now=now,
            detail={"active": obj.is_active, "fields": form.changed_data},
        )

    @admin.action(description="Say it now, as a test (with a made-up number)")
    def send_test(self, request: HttpRequest, queryset: QuerySet[CoachRoom]) -> None:
        for room in queryset:
            said = rooms.say(room, rooms.FEWEST)
            room.refresh_from_db()
            self.message_user(
                request,
                f"{room}: {'said' if said else f'not said, {room.last_error}'}.",
                messages.SUCCESS if said else messages.ERROR,
            )
