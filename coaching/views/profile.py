"""The learner's own profile: what they bring along, how they like to learn, what they want to reach."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from coaching.own_words import put_in_words, say
from coaching.views.me import myself
from coaching.views.pages import for_learner, is_part, show
from consent import gate
from consent.scopes import Scope
from learners import profiles
from learners.models import Competency, Course, Goal, Learner, Level, Preferences

LONGEST_WORDS = 1000


class LevelForm(forms.Form):
    competency = forms.ModelChoiceField(Competency.objects.all(), empty_label="Choose…")
    level = forms.TypedChoiceField(
        choices=[("", "Choose…"), *Level.choices], coerce=int, label="How able are you?"
    )


class PreferencesForm(forms.ModelForm):
    class Meta:
        model = Preferences
        fields = ("channel", "learning_format", "quiet_from", "quiet_to")
        labels = {
            "channel": "Where should suggestions reach you?",
            "learning_format": "How do you like to learn?",
            "quiet_from": "Nothing from",
            "quiet_to": "until",
        }
        widgets = {
            "quiet_from": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "quiet_to": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        }

    def validate_constraints(self) -> None:
        """Said below in plain words; the constraint itself has only its name to say."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        start, end = cleaned.get("quiet_from"), cleaned.get("quiet_to")
        if (start is None) != (end is None) and not self.errors:
            raise ValidationError(say("Quiet hours need both a beginning and an end, or neither."))
        if start is not None and start == end:
            raise ValidationError(say("Quiet hours cannot begin and end at the same time."))
        return cleaned


class GoalForm(forms.Form):
    competency = forms.ModelChoiceField(
        Competency.objects.all(), required=False, empty_label="—", label="A competency"
    )
    course = forms.ModelChoiceField(
        Course.objects.none(), required=False, empty_label="—", label="or a course"
    )
    by_date = forms.DateField(label="By", widget=forms.DateInput(attrs={"type": "date"}))
    words = forms.CharField(
        required=False,
        max_length=LONGEST_WORDS,
        label="In your own words",
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Stored encrypted, and shown to nobody but you.",
    )

    def __init__(self, *args: Any, learner: Learner, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = timezone.localdate(now)
        course = self.fields["course"]
        assert isinstance(course, forms.ModelChoiceField)
        course.queryset = Course.objects.filter(enrolments__learner=learner).distinct()

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("competency") and cleaned.get("course"):
            raise ValidationError(say("Choose a competency or a course, not both."))
        if not any(cleaned.get(name) for name in ("competency", "course", "words")) and not self.errors:
            raise ValidationError(
                say("Say what you want to reach: a competency, a course or your own words.")
            )
        return cleaned

    def clean_by_date(self) -> Any:
        day = self.cleaned_data["by_date"]
        if day < self.today:
            raise ValidationError(say("Choose a day from today on."))
        return day


@for_learner
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """The learner's own profile, and each change to it."""
    learner, now = myself(request), timezone.now()
    page = _Page(request, learner, now, sent=request.POST.get("do", ""))
    if request.method != "POST":
        return page.show()
    match request.POST.get("do"):
        case "level":
            return page.say_level()
        case "take_back":
            return page.take_back()
        case "preferences":
            return page.prefer()
        case "goal":
            return page.set_goal()
        case "reached" | "drop":
            return page.end_goal()
    raise Http404


class _Page:
    """The forms of the page, of which a request may have sent one."""

    def __init__(self, request: HttpRequest, learner: Learner, now: datetime, *, sent: str = "") -> None:
        self.request, self.learner, self.now = request, learner, now

        def data(do: str) -> Any:
            return request.POST if sent == do else None

        self.level = LevelForm(data("level"), auto_id="level-%s")
        self.preferences = PreferencesForm(
            data("preferences"),
            instance=Preferences.objects.filter(learner=learner).first(),
            auto_id="preferences-%s",
        )
        self.goal = GoalForm(data("goal"), learner=learner, now=now, auto_id="goal-%s")
        for form in (self.level, self.preferences, self.goal):
            put_in_words(form)

    def say_level(self) -> HttpResponse:
        if not self.level.is_valid():
            return self.show(status=422, focus="level-fault")
        chosen = self.level.cleaned_data
        profiles.say_level(
            learner=self.learner, competency=chosen["competency"], level=chosen["level"], now=self.now
        )
        return self.done(say("Noted: {name}.", name=chosen["competency"].name), "skills")

    def take_back(self) -> HttpResponse:
        competency = Competency.objects.filter(pk=_number(self.request.POST.get("competency"))).first()
        if competency is None or not profiles.take_back(learner=self.learner, competency=competency):
            raise Http404
        return self.done(say("Removed: your word on {name}.", name=competency.name), "skills")

    def prefer(self) -> HttpResponse:
        if not self.preferences.is_valid():
            return self.show(status=422, focus="preferences-fault")
        profiles.set_preferences(learner=self.learner, now=self.now, **self.preferences.cleaned_data)
        return self.done(say("Saved how you like to learn."), "preferences")

    def set_goal(self) -> HttpResponse:
        if self.goal.is_valid():
            try:
                profiles.set_goal(learner=self.learner, now=self.now, **self.goal.cleaned_data)
            except profiles.TooManyGoals:
                self.goal.add_error(
                    None,
                    say("You have {most} open goals. Finish or remove one first.", most=profiles.MOST_GOALS),
                )
            else:
                return self.done(say("Your goal is set."), "goals")
        return self.show(status=422, focus="goal-fault")

    def end_goal(self) -> HttpResponse:
        goal = Goal.objects.filter(learner=self.learner, pk=_number(self.request.POST.get("goal"))).first()
        if goal is None:
            raise Http404
        if self.request.POST.get("do") == "drop":
            goal.delete()
            return self.done(say("The goal is removed."), "goals")
        profiles.reach(goal=goal, now=self.now)
        return self.done(say("Well done. The goal is reached."), "goals")

    def done(self, said: str, focus: str) -> HttpResponse:
        """What was said, on a fresh page."""
        if not is_part(self.request):
            messages.info(self.request, said)
            return redirect("profile")
        return _Page(self.request, self.learner, self.now).show(say=said, focus=focus)

    def show(self, *, status: int = 200, say: str = "", focus: str = "") -> HttpResponse:
        context = {
            "abilities": profiles.abilities(self.learner),
            "profile_off": not gate.allows(self.learner.pk, Scope.PROFILE),
            "goals": Goal.objects.filter(learner=self.learner)
            .select_related("competency", "course")
            .order_by("-reached_at", "by_date", "pk"),
            "level_form": self.level,
            "preferences_form": self.preferences,
            "goal_form": self.goal,
        }
        return show(self.request, "profile.html", context, part="main", status=status, say=say, focus=focus)


def _number(text: str | None) -> int:
    """A row's number; 0, which no row has, for what is none."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 18 else 0
