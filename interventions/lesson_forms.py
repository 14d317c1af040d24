"""Forms for lessons: the facts about one, and its text in one language with questions to fill in."""

from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

from django import forms
from django.conf import settings

from interventions import authoring, catalogue
from interventions.authoring import MOST_QUESTIONS, Content
from interventions.models import Lesson, LessonText
from learners.models import User


def languages() -> list[tuple[str, str]]:
    """The languages of the installation, to choose from."""
    return [(code, str(name)) for code, name in settings.LANGUAGES]


PLACES = range(catalogue.CHOICES)


class OwnerField(forms.ModelChoiceField):
    def label_from_instance(self, obj: User) -> str:
        return obj.login  # an administrator reads it, who sees users anyway


class LessonForm(forms.ModelForm):
    """What a lesson is about, who answers for it, and until when."""

    class Meta:
        model = Lesson
        fields = ("key", "competency", "minutes", "owner", "expires_on")
        widgets = {"expires_on": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")}
        labels = {"expires_on": "Look again by"}
        help_texts = {
            "key": "Part of its address, such as spotting-phishing. It stays once somebody could see the lesson.",
            "minutes": f"1 to {authoring.MOST_MINUTES}.",
            "owner": "Who answers for what it says, and is told before it runs out.",
            "expires_on": "From this day it is suggested to nobody any more. The owner is mailed 30 days ahead.",
        }

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._today = today
        self.fields["owner"] = OwnerField(
            User.objects.filter(is_active=True).order_by("pk"),
            required=False,
            help_text=self.fields["owner"].help_text,
        )
        self.fields["minutes"] = forms.IntegerField(
            min_value=1,
            max_value=authoring.MOST_MINUTES,
            initial=5,
            help_text=self.fields["minutes"].help_text,
        )
        if (
            self.instance.pk is not None
            and LessonText.objects.filter(lesson=self.instance, is_draft=False).exists()
        ):
            self.fields["key"].disabled = True  # statements and links name it

    def clean_expires_on(self) -> date | None:
        day: date | None = self.cleaned_data["expires_on"]
        if day is not None and day <= self._today and "expires_on" in self.changed_data:
            raise forms.ValidationError("Choose a day in the future.")
        return day

    def save(self, commit: bool = True) -> Lesson:
        lesson: Lesson = super().save(commit=False)
        authoring.own(lesson=lesson, owner=lesson.owner, expires_on=lesson.expires_on)
        if commit:
            lesson.save()
        return lesson


class Choice(NamedTuple):
    """One choice of a question, as the page draws it."""

    place: int
    field: forms.BoundField
    is_right: bool


class Asked(NamedTuple):
    """The fields of one question, as the page draws them."""

    number: int
    text: forms.BoundField
    choices: list[Choice]
    right_name: str
    because: forms.BoundField
    errors: list[str]


class TextForm(forms.Form):
    """A lesson in one language: what it says, and up to five questions."""

    format = forms.ChoiceField(choices=LessonText.Format.choices, label="Format")
    title = forms.CharField(
        max_length=authoring.TITLE_LENGTH, help_text="Read in messages too: it never judges."
    )
    address = forms.CharField(
        required=False,
        max_length=authoring.ADDRESS_LENGTH,
        label="Address",
        help_text="Of the page, video or document elsewhere. Empty for a text of our own.",
        widget=forms.TextInput(attrs={"inputmode": "url"}),
    )
    body = forms.CharField(
        strip=True,
        required=False,
        label="Text",
        help_text="Plain text. An empty line starts a new paragraph, - a point of a list; about 250 to 350 words. "
        "For a video its transcript; for a link or document what it is about.",
        widget=forms.Textarea(attrs={"rows": 18}),
    )

    def __init__(self, *args: Any, content: Content | None = None, **kwargs: Any) -> None:
        if content is not None:
            kwargs["initial"] = _initial(content)
        super().__init__(*args, **kwargs)
        for number in range(1, MOST_QUESTIONS + 1):
            self.fields[f"q{number}_text"] = _line(f"Question {number}", 300)
            for place in PLACES:
                self.fields[f"q{number}_choice{place}"] = _line(f"Question {number}, choice {place + 1}", 200)
            self.fields[f"q{number}_right"] = forms.TypedChoiceField(
                choices=[(place, place + 1) for place in PLACES], coerce=int, required=False, empty_value=None
            )
            self.fields[f"q{number}_because"] = _line("Why is it right? One sentence", 400)

    def saying(self) -> list[forms.BoundField]:
        """The fields of what it says, as the page draws them."""
        return [self[name] for name in ("format", "title", "address", "body")]

    def questions(self) -> Iterator[Asked]:
        """The fields of each question with what is wrong with it."""
        for number in range(1, MOST_QUESTIONS + 1):
            right = self[f"q{number}_right"].value()
            yield Asked(
                number,
                self[f"q{number}_text"],
                [Choice(p, self[f"q{number}_choice{p}"], str(right) == str(p)) for p in PLACES],
                self.add_prefix(f"q{number}_right"),
                self[f"q{number}_because"],
                [*self.errors.get(f"q{number}_text", [])],
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        content = self.content()
        for fault in authoring.faults_of(content._replace(questions=())):
            if fault.field != "questions" and fault.field not in self.errors:
                self.add_error(fault.field, fault.message)
        asked = self._asked()
        for number, question in asked:
            for fault in catalogue.faults_of_questions([question]):
                self.add_error(f"q{number}_text", fault.message.removeprefix("Question 1: "))
        if not asked and content.format == LessonText.Format.TEXT:
            self.add_error("q1_text", "A lesson ends with at least one question.")
        return cleaned

    def content(self) -> Content:
        """What was written, faults and all."""
        said = self.cleaned_data
        return Content(
            format=said.get("format", ""),
            title=said.get("title", ""),
            body=said.get("body", "").replace("\r\n", "\n"),
            address=said.get("address", ""),
            questions=[question for _, question in self._asked()],
        )

    def _asked(self) -> list[tuple[int, dict[str, Any]]]:
        found = []
        for number in range(1, MOST_QUESTIONS + 1):
            said = {name: self.cleaned_data.get(f"q{number}_{name}") for name in ("text", "right", "because")}
            choices = [self.cleaned_data.get(f"q{number}_choice{place}") or "" for place in PLACES]
            # A choice marked right alone is no question: browsers keep marks.
            if said["text"] or said["because"] or any(choices):
                right = said["right"]
                found.append(
                    (
                        number,
                        {
                            "text": said["text"] or "",
                            "choices": choices,
                            "answer": -1 if right is None else right,
                            "because": said["because"] or "",
                        },
                    )
                )
        return found


def _line(label: str, longest: int) -> forms.CharField:
    return forms.CharField(required=False, max_length=longest, label=label)


def _initial(content: Content) -> dict[str, Any]:
    said: dict[str, Any] = {
        "format": content.format,
        "title": content.title,
        "body": content.body,
        "address": content.address,
    }
    for number, question in enumerate(content.questions, 1):
        said[f"q{number}_text"] = question["text"]
        said[f"q{number}_right"] = question["answer"]
        said[f"q{number}_because"] = question["because"]
        for place, choice in enumerate(question["choices"]):
            said[f"q{number}_choice{place}"] = choice
    return said
