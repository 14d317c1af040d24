"""Which lessons live in an LMS, where, and who was put into their course there."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from consent import audit
from consent.actors import Party
from interventions import framework_places, platform_enrolments
from interventions.models import LessonPlace, LessonText, PlatformEnrolment
from interventions.views.record_admin import RecordAdmin
from learners.access import asked_by


class LessonPlaceForm(forms.ModelForm):
    address = forms.URLField(
        assume_scheme="https",
        max_length=500,
        required=False,
        widget=forms.URLInput(attrs={"size": 80}),
        help_text="The page as a learner opens it, such as https://moodle.example.com/mod/page/view.php?id=7. "
        "Empty: the address that the lesson gives in the learner's language.",
    )

    class Meta:
        model = LessonPlace
        fields = ("lesson", "address", "moodle_course")
        help_texts = {
            "moodle_course": "The number in the course's address (course/view.php?id=…). Learners are enrolled there "
            "only while a Moodle connection says that it enrols."
        }

    def clean_address(self) -> str:
        address = str(self.cleaned_data["address"])
        if address and not address.startswith(("https://", "http://")):
            raise forms.ValidationError("An address begins with https://.")
        return address

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        lesson = cleaned.get("lesson")
        if lesson is not None and not cleaned.get("address") and "address" not in self.errors:
            texts = LessonText.objects.filter(lesson=lesson, replaced_at__isnull=True)
            if not texts.exclude(address="").exists():
                self.add_error("address", "Give the page's address: the lesson's own texts name none.")
        return cleaned


@admin.register(LessonPlace)
class LessonPlaceAdmin(admin.ModelAdmin):
    """Every link to such a lesson leads to the place in the LMS instead of our own page."""

    form = LessonPlaceForm
    list_display = ("lesson", "leads_to", "moodle_course")
    list_select_related = ("lesson",)
    search_fields = ("lesson__key", "address")

    @admin.display(description="leads to")
    def leads_to(self, place: LessonPlace) -> str:
        return place.address or "the address that the lesson gives"

    def save_model(self, request: HttpRequest, obj: LessonPlace, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        framework_places.declare(obj.lesson)  # what people do there counts for its competency
        _note("lesson.placed", request, obj.pk, form.changed_data)

    def delete_model(self, request: HttpRequest, obj: LessonPlace) -> None:
        _note("lesson.placed_no_more", request, obj.pk, [])
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[LessonPlace]) -> None:
        for pk in queryset.values_list("pk", flat=True):
            _note("lesson.placed_no_more", request, pk, [])
        super().delete_queryset(request, queryset)


def _note(action: str, request: HttpRequest, lesson_id: int, fields: list[str]) -> None:
    audit.record(
        actor=Party("user", asked_by(request)),
        action=action,
        target=Party("lesson", UUID(int=lesson_id)),
        now=timezone.now(),
        detail={"fields": fields},
    )


@admin.register(PlatformEnrolment)
class PlatformEnrolmentAdmin(RecordAdmin):
    """Who was put into a course of the LMS for a suggested lesson. Those given up can be tried again."""

    list_display = ("created_at", "learner", "moodle_course", "state", "answer")
    list_display_links = None
    list_filter = ("state",)
    list_select_related = ("decision__enrolment",)
    actions = ("try_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[PlatformEnrolment]:
        return (
            super()
            .get_queryset(request)
            .defer("decision__snapshot", "decision__eligible", "decision__reasons")
        )

    @admin.action(description="Try again (only what was given up)", permissions=["view"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[PlatformEnrolment]) -> None:
        now = timezone.now()
        done = sum(platform_enrolments.try_again(pk, now=now) for pk in queryset.values_list("pk", flat=True))
        self.message_user(request, f"{done} queued again.")
