"""Forms for the catalogue: they keep words that judge, and questions without an answer, from being saved."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.conf import settings

from interventions import catalogue
from interventions.models import LessonText, MessageText

NOTATION = (
    "Each question starts with ?, its four choices with - (the right one with *), and its reason with =. For example: "
    "? What comes first? / - Run / * Look / - Shout / - Wait / = Looking takes a second and shows the way."
)


class QuestionsField(forms.CharField):
    """Questions in a notation people can write by hand; the value is what LessonText.questions holds."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        blocks = []
        for question in value:
            lines = [f"? {question['text']}"]
            for number, choice in enumerate(question["choices"]):
                lines.append(f"{'*' if number == question['answer'] else '-'} {choice}")
            lines.append(f"= {question['because']}")
            blocks.append("\n".join(lines))
        return "\n\n".join(blocks)

    def to_python(self, value: Any) -> Any:
        return value if isinstance(value, list) else _parse(super().to_python(value) or "")

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != (initial or []))
        except forms.ValidationError:
            return True

    def validate(self, value: Any) -> None:
        faults = catalogue.faults_of_questions(value)
        if faults:
            raise forms.ValidationError([fault.message for fault in faults])

    def run_validators(self, value: Any) -> None:
        """The validators of text have nothing to say about a list."""


def _parse(text: str) -> list[dict[str, Any]]:
    questions: list[dict[str, Any]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        mark, content = line.strip()[:1], line.strip()[1:].strip()
        if not mark:
            continue
        if mark not in "?-*=" or (mark != "?" and not questions):
            raise forms.ValidationError(
                f"Line {number}: start each line with ? (question), - or * (choices) or = (the reason)."
            )
        if mark == "?":
            questions.append({"text": content, "choices": [], "answer": -1, "because": ""})
        elif mark == "=":
            questions[-1]["because"] = content
        else:
            if mark == "*":
                # A second right choice leaves no answer, and is refused as such.
                questions[-1]["answer"] = (
                    -2 if questions[-1]["answer"] != -1 else len(questions[-1]["choices"])
                )
            questions[-1]["choices"].append(content)
    return questions


def _languages() -> list[tuple[str, str]]:
    return [(code, str(name)) for code, name in settings.LANGUAGES]


class LessonTextForm(forms.ModelForm):
    """A lesson in one language. Its title is read in a message's subject, so it obeys the same words."""

    language = forms.ChoiceField(choices=_languages)
    questions = QuestionsField(
        help_text=NOTATION, widget=forms.Textarea(attrs={"rows": 20, "cols": 90, "class": "vLargeTextField"})
    )

    class Meta:
        model = LessonText
        fields = ("language", "title", "body", "questions")
        widgets = {"body": forms.Textarea(attrs={"rows": 24, "cols": 90})}
        help_texts = {"body": "Plain text. An empty line starts a new paragraph; about 250 to 350 words."}

    def clean_title(self) -> str:
        title = str(self.cleaned_data["title"])
        _refuse(catalogue.faults_of_words("title", title))
        return title


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


def _refuse(faults: Iterable[catalogue.Fault]) -> None:
    messages = [fault.message for fault in faults]
    if messages:
        raise forms.ValidationError(messages)
