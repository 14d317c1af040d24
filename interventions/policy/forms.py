"""The policy as a form: one field for each place of the document, in the words of the people who decide."""

from collections.abc import Iterator
from typing import Any

from django import forms

from interventions.models.deciding import Action
from interventions.policy import trigger_fields, when
from interventions.policy.document import (
    ACTIONS,
    ATTEMPTS,
    BOUNDS,
    IMPACTS,
    LIVE,
    RISK_BANDS,
    Document,
    PolicyFault,
    flat,
    with_changes,
)
from interventions.policy.places import Place, Section
from learners.models import Course
from signals.models import ModelVersion

_ACTION_NAMES = {str(value): str(label) for value, label in Action.choices}
_IMPACT_NAMES = {"standard": "Standard role", "elevated": "Elevated role", "critical": "Critical role"}
_BAND_NAMES = {"medium": "Medium risk", "high": "High risk"}
ATTEMPT_NAMES = ("First step", "After one step that changed nothing", "After two or more")

SECTIONS = (
    Section(
        "Risk bands",
        "A risk strictly above a bound is in its band. Risks run from 0 to 1.",
        (
            Place(
                "model",
                "Trusted model",
                "Risks of any other model count as unknown; while another is live, the risk trigger is silent.",
            ),
            Place("bands.medium", "Medium above"),
            Place("bands.high", "High above"),
            Place("bands.hysteresis", "Recovered when this far below", "Keeps people from going in and out."),
            Place("bands.min_coverage", "Known share at least", "Below it we say that too little is known."),
            Place("bands.high_needs_signals", "High needs this many known signals"),
        ),
    ),
    trigger_fields.SECTION,
    Section(
        "Ladder and limits",
        "How long a step has to show, and what protects people from noise. "
        "Two alerts in seven days are the most anyone gets: the database keeps that, and no policy can change it.",
        (
            Place("ladder.normal_hours", "Normal ladder: hours for a step"),
            Place("ladder.fast_hours", "Fast ladder: hours for a step"),
            Place("ladder.episode_days", "An episode ends after days"),
            Place("ladder.rearm_days", "Quiet days after recovery"),
            Place("limits.quiet_from", "Quiet from", "In the zone of the person who gets the message."),
            Place("limits.quiet_to", "Quiet until"),
            Place("limits.quiet_weekends", "Weekends are quiet"),
            Place(
                "limits.working_from",
                "Unknown zone: only from",
                "Somebody whose zone nobody knows hears from us in the organisation's working hours only.",
            ),
            Place("limits.working_to", "Unknown zone: only until"),
            Place("limits.hold_hours", "A held message expires after hours"),
            Place("limits.approval_hours", "An approval lapses after hours"),
            Place("limits.out_of_slots", "Capped steps in a row until a person is asked"),
            Place("limits.declined_days", "Days of rest after a person said no"),
            Place("limits.unanswered_days", "Days of rest after nobody answered"),
            Place(
                "limits.coach_hours_week", "Hours a week one coach has for cases", "Previews compare with it."
            ),
        ),
    ),
    Section(
        "Costs and values",
        "We act where lift × value − cost is above zero. Everything is in minutes of somebody's work.",
        (
            *(Place(f"costs.{action}", f"Cost: {_ACTION_NAMES[action].lower()}") for action in ACTIONS[1:]),
            Place("value.minutes_per_recovery", "Worth of one recovered learner"),
            Place(
                "value.least_probability",
                "Act only if it pays with this probability",
                "0.5 asks for an expected value above zero, more for more certainty.",
            ),
            *(Place(f"value.{impact}", f"Weight: {_IMPACT_NAMES[impact].lower()}") for impact in IMPACTS),
            *(
                place
                for action in ACTIONS[1:]
                for place in (
                    Place(f"value.lifts.{action}.mean", f"Expected lift: {_ACTION_NAMES[action].lower()}"),
                    Place(f"value.lifts.{action}.sd", f"its spread: {_ACTION_NAMES[action].lower()}"),
                )
            ),
        ),
    ),
    Section(
        "When to act",
        "How soon, and at what time of day. Quiet hours, leave, holidays and business-critical weeks come on top.",
        (
            Place("timing", "Messages go out"),
            *(
                Place(f"timings.{action}", f"{_ACTION_NAMES[action]} goes out")
                for action in ("nudge", "lesson", "lesson_nudge")
            ),
            Place("timings.deadline_first_days", "Before a deadline: days, at first"),
            Place("timings.deadline_last_days", "Before a deadline: days, at last"),
            Place("timings.deadline_wait_days", "Nobody waits for that longer than days"),
            Place("timings.habit_weeks", "Best hour: weeks looked back on"),
            Place("timings.habit_least_days", "Best hour: active days at least"),
            Place("first_action_hours", "First action within hours", "Counted from the signal."),
            *(
                Place(f"first_action.{impact}", f"{_IMPACT_NAMES[impact]}: within hours", "0: as usual.")
                for impact in IMPACTS
            ),
            *(
                Place(f"first_action.{kind}", f"{kind.capitalize()}: within hours", "0: as usual.")
                for kind in when.KINDS
            ),
        ),
    ),
    Section(
        "Automation and pilot",
        "A person says yes to each step first. With a tick a route (an action for one risk band and one impact of the "
        "role) may earn going out by itself, and lose it again. What reaches a manager is always seen by a person.",
        (
            *(
                Place(f"automation.{action}", f"{_ACTION_NAMES[action]} may earn going out by itself")
                for action in ("nudge", "lesson", "lesson_nudge")
            ),
            Place(
                "automation.bar",
                "Earned from a share judged right of",
                "The lower end of its 95 % interval, 0 to 1.",
            ),
            Place("automation.lost_below", "Lost below", "The same lower end; not above the one that earns."),
            Place("automation.least", "Judgements it takes"),
            Place("automation.newest", "Only the newest judgements count, so many"),
            Place("automation.judged_days", "and none older than days"),
            Place("automation.fresh_least", "Of them fresh at least"),
            Place("automation.fresh_days", "Fresh means at most days old", "With fewer, people look again."),
            Place(
                "automation.ask_one_in",
                "Sample: one step in so many asks a person all the same",
                "So that we go on knowing how often it is right.",
            ),
            Place("pilot_courses", "Only in these courses", "Choose none to act in every course."),
        ),
    ),
)
WHATEVER_IS_LIVE = "Whatever the gate promoted"
TIMES = tuple(f"limits.{name}" for name in when.TIMES_OF_DAY)
TIMINGS = (
    ("immediate", "At once, outside quiet hours"),
    ("within_24h", "After a day to come back by oneself"),
    ("next_working_morning", "Next working morning, 9 o'clock"),
    ("before_deadline", "Before the deadline"),
    ("best_hour", "At the learner's own best hour"),
)
OWN_TIMINGS = tuple(f"timings.{action}" for action in ("nudge", "lesson", "lesson_nudge"))
AS_THE_POLICY = "As all messages"


def field_name(place: str) -> str:
    """The form field of a place in the document."""
    return place.replace(".", "__")


def label_of(place: str) -> str:
    """How people call a place in the document."""
    if place.startswith("matrix."):
        _, impact, band, attempts = place.split(".")
        return f"{_IMPACT_NAMES[impact]}, {_BAND_NAMES[band].lower()}, {ATTEMPT_NAMES[int(attempts)].lower()}"
    return _LABELS.get(place, place)


def shown(place: str, value: Any) -> str:
    """A value of the document in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if place.startswith("matrix."):
        return _ACTION_NAMES.get(str(value), str(value))
    in_words = trigger_fields.shown(place, value)
    if in_words is not None:
        return in_words
    if place == "timing" or place in OWN_TIMINGS:
        return dict((("", AS_THE_POLICY), *TIMINGS)).get(value, str(value))
    if place == "model":
        return WHATEVER_IS_LIVE if value == LIVE else f"Only {value}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "every course"
    return f"{value:g}" if isinstance(value, float) else str(value)


_LABELS = {place.place: place.label for section in SECTIONS for place in section.places}


class PolicyForm(forms.Form):
    """The whole document. ``document()`` is the typed result of a valid form."""

    def __init__(self, *args: Any, start: Document, **kwargs: Any) -> None:
        initial = {
            # 7 rather than 7.0: people count in whole days.
            field_name(place): int(value) if isinstance(value, float) and value.is_integer() else value
            for place, value in flat(start)
        }
        super().__init__(*args, **{"initial": initial, **kwargs})
        values = dict(flat(start))
        self._start = start
        self._checked: Document | None = None
        for section in SECTIONS:
            for place in section.places:
                self.fields[field_name(place.place)] = _field(place, values[place.place])
        for impact in IMPACTS:
            for band in RISK_BANDS:
                for attempts in ATTEMPTS:
                    self.fields[field_name(f"matrix.{impact}.{band}.{attempts}")] = forms.ChoiceField(
                        choices=[(action, _ACTION_NAMES[action]) for action in ACTIONS],
                        label=label_of(f"matrix.{impact}.{band}.{attempts}"),
                    )

    def sections(self) -> Iterator[tuple[Section, list[forms.BoundField]]]:
        """Every section with its fields, for the page."""
        for section in SECTIONS:
            yield section, [self[field_name(place.place)] for place in section.places]

    def matrix(self) -> Iterator[tuple[str, str, list[tuple[str, forms.BoundField]]]]:
        """The rows of the routing matrix: role impact, band, a field for each number of attempts, with its name."""
        for impact in IMPACTS:
            for band in RISK_BANDS:
                cells = [
                    (ATTEMPT_NAMES[attempts], self[field_name(f"matrix.{impact}.{band}.{attempts}")])
                    for attempts in ATTEMPTS
                ]
                yield _IMPACT_NAMES[impact], _BAND_NAMES[band], cells

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        try:
            self._checked = with_changes(
                self._start, {place: cleaned[field_name(place)] for place, _ in flat(self._start)}
            )
        except PolicyFault as refused:
            for fault in refused.faults:
                name = field_name(fault.place)
                message = fault.message[:1].upper() + fault.message[1:]
                self.add_error(
                    name if name in self.fields else None,
                    message if name in self.fields else f"{fault.place}: {message}",
                )
        return cleaned

    def document(self) -> Document:
        """The document as filled in. Only after ``is_valid()``."""
        assert self._checked is not None, "the form has not been checked, or has faults"
        return self._checked


def _field(place: Place, value: Any) -> forms.Field:
    """The field that suits the value's type."""
    texts: dict[str, Any] = {"label": place.label, "help_text": place.help}
    if place.place == "pilot_courses":
        chosen = [(iri, iri) for iri in value]
        courses = [
            (course.iri, course.name) for course in Course.objects.only("iri", "name").order_by("name", "pk")
        ]
        known = {iri for iri, _ in courses}
        return forms.MultipleChoiceField(
            choices=courses + [choice for choice in chosen if choice[0] not in known], required=False, **texts
        )
    if place.place == "model":
        names = [str(name) for name in ModelVersion.objects.order_by("name").values_list("name", flat=True)]
        # A name that is no model (any more) stays choosable, so that a draft can be kept as it is.
        wanted = dict.fromkeys([*names, *([value] if value != LIVE else [])])
        choices = [(LIVE, WHATEVER_IS_LIVE), *((name, f"Only {name}") for name in wanted)]
        return forms.ChoiceField(choices=choices, **texts)
    of_triggers = trigger_fields.field_of(place.place, **texts)
    if of_triggers is not None:
        return of_triggers
    if place.place == "timing":
        return forms.ChoiceField(choices=TIMINGS, **texts)
    if place.place in OWN_TIMINGS:
        return forms.ChoiceField(choices=(("", AS_THE_POLICY), *TIMINGS), required=False, **texts)
    if place.place in TIMES:
        return forms.CharField(widget=forms.TextInput(attrs={"size": 6, "placeholder": "18:00"}), **texts)
    if isinstance(value, bool):
        return forms.BooleanField(required=False, **texts)
    least, most = BOUNDS.get(place.place, (None, None))
    widget = forms.NumberInput(attrs={"step": "any", "class": "vIntegerField"})
    if place.place in _WHOLE:
        return forms.IntegerField(min_value=_whole(least), max_value=_whole(most), **texts)
    if isinstance(value, int | float):
        return forms.FloatField(min_value=least, max_value=most, widget=widget, **texts)
    return forms.CharField(max_length=120, **texts)


# Whole numbers by nature; any other number may have a fraction, even where its default has none.
_WHOLE = (
    *trigger_fields.WHOLE,
    "bands.high_needs_signals",
    "ladder.episode_days",
    "limits.out_of_slots",
    "timings.habit_least_days",
    "automation.least",
    "automation.newest",
    "automation.fresh_least",
    "automation.ask_one_in",
)


def _whole(bound: float | None) -> int | None:
    return None if bound is None else int(bound)
