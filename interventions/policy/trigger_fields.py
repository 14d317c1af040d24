"""The part of the policy's form that speaks of triggers."""

from typing import Any

from django import forms

from interventions.policy.places import Place, Section
from interventions.policy.triggering import KEYS

NAMES = {
    "mastery": "Low mastery and quiet",
    "inactivity": "Quiet for unusually long",
    "composite": "Risk above the medium bound",
    "pace": "Behind the plan",
    "failures": "Failures in a row",
    "deadline": "Due soon and much to do",
    "engagement": "Much less active than usual",
    "certificate": "A certificate ends soon",
}
REPEATS = (
    ("relapse", "Again after things were better in between"),
    ("every", "Every time it holds"),
    ("first", "Only the first time in a course"),
)
COMBINE = (("any", "Any of them"), ("all", "All that are on, together"))
_BOUNDS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "mastery": (
        ("below", "Mastery below", ""),
        ("with_days_inactive", "and quiet for days", ""),
        ("recovered_at", "Over when mastery reaches", ""),
    ),
    "inactivity": (
        ("days", "Days without activity", ""),
        ("times_usual_gap", "or times the usual gap", "The longer of the two counts."),
    ),
    "composite": (),
    "pace": (
        ("below", "Steps done against steps due, below", "0.7 is 70 % of the plan."),
        ("steps_due", "once this many steps are due", ""),
        ("recovered_at", "Over when it reaches", ""),
    ),
    "failures": (
        ("on_one_concept", "Failures on one concept", ""),
        ("in_a_row", "or one after the other", "Over with a passed result and nothing left open."),
    ),
    "deadline": (
        ("days", "Days before the course is due", ""),
        ("done_below", "with less of the plan done than", ""),
        ("recovered_at", "Over when this much is done", ""),
    ),
    "engagement": (
        ("below", "Active days of a week, against the usual week, below", "Their own past, never others."),
        ("active_days_before", "with active days in the four weeks before", ""),
        ("recovered_at", "Over when it reaches", ""),
    ),
    "certificate": (
        (
            "days",
            "Days before a certificate ends",
            "Over when it has been renewed. Days are the learner's own.",
        ),
    ),
}
SECTION = Section(
    "Triggers",
    "What opens an episode. Each can be switched off. What ends it lies further than what begins it, so that nobody "
    "goes in and out.",
    (
        Place("triggers.combine", "An episode opens when"),
        Place(
            "triggers.min_signals",
            "and independent signals speak",
            "Activity, results, plan and certificates are one signal each. The risk is made of the first three, "
            "and beside them adds none.",
        ),
        *(
            place
            for key in KEYS
            for place in (
                Place(f"triggers.{key}.enabled", NAMES[key]),
                *(
                    Place(f"triggers.{key}.{name}", label, help_text)
                    for name, label, help_text in _BOUNDS[key]
                ),
                Place(f"triggers.{key}.repeat", f"How often: {NAMES[key].lower()}"),
            )
        ),
        Place(
            "triggers.overrides",
            "Other values for some roles and courses",
            "One a line: for whom, a colon, and what is different. "
            "critical: mastery.below = 0.7, min_signals = 2. "
            "Or with the address of a course: https://lms.example/safety: deadline.enabled = yes. "
            "Or both: critical https://lms.example/safety: deadline.days = 10.",
        ),
    ),
)
WHOLE = (
    "triggers.min_signals",
    "triggers.pace.steps_due",
    "triggers.failures.on_one_concept",
    "triggers.failures.in_a_row",
    "triggers.engagement.active_days_before",
)


def field_of(place: str, **texts: Any) -> forms.Field | None:
    """The field of a place that is neither a number nor a tick; None for any other."""
    if place.endswith(".repeat"):
        return forms.ChoiceField(choices=REPEATS, **texts)
    if place == "triggers.combine":
        return forms.ChoiceField(choices=COMBINE, **texts)
    if place == "triggers.overrides":
        return OverridesField(required=False, **texts)
    return None


def shown(place: str, value: Any) -> str | None:
    """A value in words; None for a place that is none of these."""
    if place.endswith(".repeat"):
        return dict(REPEATS).get(value, str(value))
    if place == "triggers.combine":
        return dict(COMBINE).get(value, str(value))
    if place == "triggers.overrides":
        return "; ".join(written(override) for override in value or ()) or "none"
    return None


def written(override: dict[str, Any]) -> str:
    """One override as a line."""
    whom = " ".join(filter(None, (override.get("impact", ""), override.get("course", ""))))
    changes = ", ".join(f"{place} = {_value(value)}" for place, value in override.get("changes", {}).items())
    return f"{whom}: {changes}"


class OverridesField(forms.CharField):
    """Overrides as lines people can write; the value is what ``Triggers.overrides`` holds, JSON-ready."""

    widget = forms.Textarea(attrs={"rows": 3, "cols": 60})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(written(one) for one in value) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list):
            return value
        lines = (super().to_python(value) or "").splitlines()
        return [_read(line, number) for number, line in enumerate(lines, 1) if line.strip()]

    def validate(self, value: Any) -> None:
        """What the lines mean together is checked with the whole document."""

    def run_validators(self, value: Any) -> None:
        """The validators of text have nothing to say about a list."""


def _read(line: str, number: int) -> dict[str, Any]:
    # An address has a colon of its own; the one that counts is followed by a space.
    whom, colon, rest = line.strip().partition(": ")
    if not colon or not rest.strip():
        raise forms.ValidationError(
            f"Line {number}: write for whom, a colon and a space, and what is different."
        )
    impact, course = "", ""
    for word in whom.split():
        if ":" in word:
            course = word
        else:
            impact = word.lower()
    changes: dict[str, Any] = {}
    for part in rest.split(","):
        place, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not place or not value:
            raise forms.ValidationError(f"Line {number}: “{part.strip()}” is not written place = value.")
        changes[place] = _typed(value)
    return {"impact": impact, "course": course, "changes": changes}


def _typed(text: str) -> bool | int | float | str:
    if text.lower() in ("yes", "no"):
        return text.lower() == "yes"
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, int | float) else str(value)
