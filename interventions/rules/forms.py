"""A rule as a form: conditions by choice, a number where one is needed, and what follows."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from django import forms
from django.db.models import Q

from interventions import catalogue, catalogue_data
from interventions.models import Lesson, MessageText, Rule
from interventions.rules import condition, store
from interventions.rules.condition import (
    AT_LEAST,
    BELOW,
    FACTS,
    IS,
    LATELY,
    MOST_CLAUSES,
    Clause,
    When,
    WhenFault,
)
from learners.models import Course, Role, User

UNITS = {"share": "per cent", "days": "days", "count": "times", "event": "days"}


def questions() -> list[tuple[str, str]]:
    """Everything a condition can ask, each with its comparison: "mastery:below", "impact:is:critical"."""
    found = [("", "–")]
    for fact in FACTS.values():
        unit = UNITS.get(fact.unit, "")
        if fact.unit == "event":
            found.append((f"{fact.key}:{LATELY}", f"{fact.name} (of what, within so many days)"))
        elif fact.key == "course":
            found += [
                (f"course:{IS}:{iri}", f"Course is {name}")
                for iri, name in Course.objects.order_by("name", "pk").values_list("iri", "name")
            ]
        elif fact.choices:
            found += [(f"{fact.key}:{IS}:{value}", f"{fact.name} is {value}") for value in fact.choices]
        else:
            found.append((f"{fact.key}:{BELOW}", f"{fact.name}, below ({unit})"))
            found.append((f"{fact.key}:{AT_LEAST}", f"{fact.name}, at least ({unit})"))
    return found


class LessonField(forms.ModelChoiceField):
    """The lessons that can be given today, by title. One that was chosen before stays, and says why nobody gets it."""

    def __init__(self, *, chosen: int | None, today: date, **kwargs: Any) -> None:
        self.today = today
        offered = Lesson.objects.filter(
            Q(pk__in=Lesson.objects.suggestible(on=today).values("pk")) | Q(pk=chosen)
        )
        super().__init__(
            offered.prefetch_related(catalogue.texts_in_use()).order_by("key"), required=False, **kwargs
        )

    def label_from_instance(self, lesson: Any) -> str:
        title = catalogue.lesson_text(lesson, "en").title if lesson.texts.all() else ""
        called = f"{title} ({lesson.key})" if title else lesson.key
        if closed := store.why_closed(lesson, self.today):
            return f"{called}: not suggested, {closed}"
        return f"{called}, until {lesson.expires_on:%-d %B %Y}" if lesson.expires_on else called


class RuleForm(forms.ModelForm):
    """A draft. ``when()`` is the typed condition of a valid form."""

    class Meta:
        model = Rule
        fields = (
            "title",
            "action",
            "lesson",
            "message",
            "acts_alone",
            "rest_days",
            "position",
            "owner",
            "expires_on",
        )
        labels = {
            "action": "Then send",
            "lesson": "Which lesson",
            "message": "In which words",
            "acts_alone": "Acts by itself, where no trigger has opened an episode",
            "rest_days": "Again for the same person after days",
            "position": "Position",
            "expires_on": "Expires on",
        }
        help_texts = {
            "acts_alone": "Without a tick it only chooses what a step of the routing matrix says.",
            "rest_days": "Empty: once for each person. For rules that act by themselves.",
            "position": "Where several rules apply, the lowest position counts.",
        }
        widgets = {"expires_on": forms.DateInput(attrs={"type": "date"})}

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            self.fields = {
                "key": forms.SlugField(
                    max_length=40,
                    label="Short name",
                    help_text="Small letters and hyphens; stays the same for ever.",
                ),
                **self.fields,
            }
        asked = questions()
        for number in range(MOST_CLAUSES):
            self.fields[f"ask_{number}"] = forms.ChoiceField(
                choices=asked, required=False, label=f"Condition {number + 1}"
            )
            self.fields[f"number_{number}"] = forms.FloatField(
                required=False, label="Number", widget=forms.NumberInput(attrs={"step": "any"})
            )
            self.fields[f"what_{number}"] = forms.CharField(
                required=False, max_length=500, label="Of what (address)"
            )
        self.fields["lesson"] = LessonField(
            chosen=self.instance.lesson_id,
            today=today,
            label=self.fields["lesson"].label,
            empty_label="The one that suits: of the weakest competency, else of the role",
        )
        keys = {starter.key for starter in catalogue_data.messages()}
        keys |= set(MessageText.objects.values_list("key", flat=True))
        self.fields["message"] = forms.ChoiceField(
            choices=[("", "The usual words of the step"), *((key, key) for key in sorted(keys))],
            required=False,
            label=self.fields["message"].label,
        )
        # Roles are a set; who has none can answer for nothing.
        owners = User.objects.filter(is_active=True, roles__overlap=[Role.ADMIN, Role.COACH, Role.STEWARD])
        self.fields["owner"] = forms.ModelChoiceField(
            owners.order_by("pk"), required=False, label="Who answers for it"
        )
        owner_field: Any = self.fields["owner"]
        owner_field.label_from_instance = lambda user: user.get_short_name()
        if self.instance.pk is not None and not self.is_bound:
            self._show(condition.load(self.instance.when))

    def rows(self) -> Iterator[tuple[forms.BoundField, forms.BoundField, forms.BoundField]]:
        """The conditions, each with its choice, its number and its "of what"."""
        for number in range(MOST_CLAUSES):
            yield self[f"ask_{number}"], self[f"number_{number}"], self[f"what_{number}"]

    def others(self) -> Iterator[forms.BoundField]:
        """Every other field, in order."""
        rows = {field.name for row in self.rows() for field in row}
        return (field for field in self if field.name not in rows)

    def clean_key(self) -> str:
        key: str = self.cleaned_data["key"]
        if Rule.objects.filter(key=key).exists():
            raise forms.ValidationError("There is a rule of this name; edit it as a new draft.")
        return key

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        clauses = []
        for number in range(MOST_CLAUSES):
            asked = cleaned.get(f"ask_{number}")
            if asked:
                clause = self._clause(number, asked, cleaned)
                if clause is not None:
                    clauses.append(clause)
        if not self.errors:
            try:
                condition.check(When(tuple(clauses)))
            except WhenFault as fault:
                self.add_error("ask_0", str(fault))
        self._when = When(tuple(clauses))
        if cleaned.get("action") == Rule.Step.NUDGE and cleaned.get("lesson"):
            self.add_error("lesson", "A message alone carries no lesson; choose a micro-lesson above.")
        if cleaned.get("rest_days") is not None and not cleaned.get("acts_alone"):
            self.add_error("rest_days", "Only a rule that acts by itself rests.")
        return cleaned

    def when(self) -> When:
        """The condition as filled in. Only after ``is_valid()``."""
        return self._when

    def chosen(self) -> dict[str, Any]:
        """What follows from it, for ``rules.store.draft``."""
        return {name: self.cleaned_data[name] for name in self._meta.fields or ()}

    def _clause(self, number: int, asked: str, cleaned: dict[str, Any]) -> Clause | None:
        key, op, *value = asked.split(":", 2)
        if value:
            return Clause(key, IS, value[0])
        bound = cleaned.get(f"number_{number}")
        if bound is None:
            if f"number_{number}" not in self.errors:
                self.add_error(f"number_{number}", "Write a number.")
            return None
        if FACTS[key].unit == "share":
            bound = bound / 100
        what = cleaned.get(f"what_{number}", "").strip() if op == LATELY else ""
        if op == LATELY and not what:
            self.add_error(f"what_{number}", "Write the address of what was completed.")
            return None
        return Clause(key, BELOW if op == BELOW else LATELY if op == LATELY else AT_LEAST, bound, what)

    def _show(self, when: When) -> None:
        for number, clause in enumerate(when.clauses):
            asked = f"{clause.fact}:{clause.op}"
            if isinstance(clause.value, str):
                asked += f":{clause.value}"
            else:
                shown = clause.value * 100 if FACTS[clause.fact].unit == "share" else clause.value
                self.initial[f"number_{number}"] = f"{shown:g}"
            self.initial[f"ask_{number}"] = asked
            self.initial[f"what_{number}"] = clause.what
