"""Forms for messages and reasons; words that judge are not saved. Lessons have their own (lesson_forms)."""

from typing import Any

from django import forms
from django.conf import settings

from interventions import catalogue
from interventions.models import MessageText


def _languages() -> list[tuple[str, str]]:
    return [(code, str(name)) for code, name in settings.LANGUAGES]


class MessageTextForm(forms.ModelForm):
    """A message in one language."""

    language = forms.ChoiceField(choices=_languages)

    class Meta:
        model = MessageText
        fields = ("key", "language", "variant", "subject", "body")
        widgets = {
            "subject": forms.TextInput(attrs={"size": 70}),
            "body": forms.Textarea(attrs={"rows": 6, "cols": 80}),
        }
        help_texts = {
            "key": "An action (nudge), or an action and a trigger (nudge-inactivity) where it has its own words.",
            "variant": "Several variants of a key share its learners evenly; a learner always meets the same one.",
            "subject": f"At most {catalogue.SUBJECT_LENGTH} characters.",
            "body": "Two to four short sentences. Placeholders: "
            + ", ".join(f"{{{name}}} {meaning}" for name, meaning in catalogue.PLACEHOLDERS.items())
            + ".",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            # What it is the words of stays: another version of them takes the place of this one.
            for name in {"key", "language", "variant"} & self.fields.keys():
                self.fields[name].disabled = True

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        subject, body = str(cleaned.get("subject", "")), str(cleaned.get("body", ""))
        for fault in catalogue.faults_of_message(subject, body):
            self.add_error(fault.field, fault.message)
        return cleaned


class ReasonForm(forms.Form):
    """Why a policy comes into force, in a sentence that the record keeps."""

    reason = forms.CharField(
        max_length=300,
        label="Why?",
        help_text="One sentence. It is kept with the version.",
        widget=forms.TextInput(attrs={"size": 80, "class": "vTextField"}),
    )
