"""Which lessons live in an LMS, and where."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from consent import audit
from consent.actors import Party
from interventions.models import LessonPlace
from learners.access import asked_by


class LessonPlaceForm(forms.ModelForm):
    address = forms.URLField(
        assume_scheme="https",
        max_length=500,
        widget=forms.URLInput(attrs={"size": 80}),
        help_text="The page as a learner opens it, such as https://moodle.example.com/mod/page/view.php?id=7.",
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
        if not address.startswith(("https://", "http://")):
            raise forms.ValidationError("An address begins with https://.")
        return address


@admin.register(LessonPlace)
class LessonPlaceAdmin(admin.ModelAdmin):
    """Messages, the learner's page and the card lead to the place in the LMS instead of our own page."""

    form = LessonPlaceForm
    list_display = ("lesson", "address", "moodle_course")
    list_select_related = ("lesson",)
    search_fields = ("lesson__key", "address")

    def save_model(self, request: HttpRequest, obj: LessonPlace, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        audit.record(
            actor=Party("user", asked_by(request)),
            action="lesson.placed",
            target=Party("lesson", UUID(int=obj.pk)),
            now=timezone.now(),
            detail={"fields": form.changed_data},
        )
