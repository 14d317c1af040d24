"""Would a policy step in more often, sooner or harder than another? Judged place by place. Pure.

A place nobody has sorted yet counts as louder whenever it changes: better one question too many.
"""

from collections.abc import Callable
from datetime import time
from typing import Any, NamedTuple

from interventions.policy import triggering, when
from interventions.policy.document import ACTIONS, IMPACTS, Document, differences


class Reason(NamedTuple):
    """Why a draft needs a second yes: where, and in which way."""

    place: str
    why: str


LOWER = "a lower bound lets more people in"
SOONER = "a shorter time means the next step comes sooner"
WIDER = "it holds for more people, or for longer"
CHEAPER = "a lower cost makes more steps worth it"
WORTH_MORE = "a higher worth makes more steps worth it"
AUTOMATIC = "it may earn going out without a person's yes"
EARNED = "going out without a person's yes is earned more easily, or kept longer"
STRONGER = "a stronger step"
LESS_QUIET = "fewer quiet hours"
OFTENER = "the same trouble counts again sooner"
MORE_COURSES = "it acts in more courses"
OTHER_MODEL = "it acts on risks that did not count before"
UNSORTED = "it changes, and nobody has said in which direction it is louder"
CRITICAL = "it concerns critical roles"

_REPEATS = ("first", "relapse", "every")  # the later, the louder

# Louder when the number (or the time of day, written 09:00) falls, or when it rises.
_FALLS = {
    "bands.medium": LOWER,
    "bands.high": LOWER,
    "bands.min_coverage": LOWER,
    "bands.high_needs_signals": LOWER,
    "triggers.mastery.with_days_inactive": SOONER,
    "triggers.inactivity.days": SOONER,
    "triggers.inactivity.times_usual_gap": SOONER,
    "ladder.normal_hours": SOONER,
    "ladder.fast_hours": SOONER,
    "ladder.rearm_days": SOONER,
    "first_action_hours": SOONER,
    "limits.out_of_slots": SOONER,
    "limits.declined_days": SOONER,
    "limits.unanswered_days": SOONER,
    **{f"costs.{action}": CHEAPER for action in ACTIONS[1:]},
    "triggers.pace.steps_due": LOWER,
    "triggers.failures.on_one_concept": LOWER,
    "triggers.failures.in_a_row": LOWER,
    "triggers.engagement.active_days_before": LOWER,
    "triggers.min_signals": LOWER,
    "value.least_probability": LOWER,
    "limits.working_from": LESS_QUIET,
    **{f"automation.{name}": EARNED for name in ("bar", "lost_below", "least", "fresh_least")},
}
_RISES = {
    "bands.hysteresis": WIDER,
    "triggers.mastery.below": WIDER,
    "triggers.mastery.recovered_at": WIDER,
    "triggers.pace.below": WIDER,
    "triggers.pace.recovered_at": WIDER,
    "triggers.certificate.days": WIDER,
    "triggers.deadline.days": WIDER,
    "triggers.deadline.done_below": WIDER,
    "triggers.deadline.recovered_at": WIDER,
    "triggers.engagement.below": WIDER,
    "triggers.engagement.recovered_at": WIDER,
    "limits.working_to": LESS_QUIET,
    **{f"automation.{name}": EARNED for name in ("newest", "judged_days", "fresh_days", "ask_one_in")},
    "ladder.episode_days": WIDER,
    "limits.hold_hours": WIDER,
    "limits.approval_hours": WIDER,
    "value.minutes_per_recovery": WORTH_MORE,
    **{f"value.{impact}": WORTH_MORE for impact in IMPACTS},
    **{f"value.lifts.{action}.mean": WORTH_MORE for action in ACTIONS[1:]},
}
# Louder when it is switched on.
_ON = {
    **{f"triggers.{name}.enabled": WIDER for name in triggering.KEYS},
    **{f"automation.{action}": AUTOMATIC for action in ("nudge", "lesson", "lesson_nudge")},
}
_NEITHER = {
    "timing",
    "limits.coach_hours_week",
    *(f"timings.{name}" for name in when.Timings.__struct_fields__),
    *(f"value.lifts.{action}.sd" for action in ACTIONS[1:]),
}
_QUIET = ("limits.quiet_from", "limits.quiet_to", "limits.quiet_weekends")


def louder(before: Document, after: Document) -> list[Reason]:
    """Every place at which ``after`` is louder than ``before``, in the document's order."""
    found = []
    for change in differences(before, after):
        why = _why(change.place, change.before, change.after)
        if why:
            found.append(Reason(change.place, why))
    if _quiet_minutes(before) - _quiet_minutes(after):
        found.append(Reason("limits.quiet_from", LESS_QUIET))
    return found


def touches_critical(before: Document, after: Document) -> list[Reason]:
    """The changed places that concern critical roles, in whichever direction."""
    return [
        Reason(change.place, CRITICAL)
        for change in differences(before, after)
        if change.place.startswith("matrix.critical.") or change.place == "value.critical"
    ]


def needs_second(before: Document, after: Document) -> list[Reason]:
    """Why a second administrator must say yes, as far as the documents tell; one reason a place."""
    found = louder(before, after)
    places = {reason.place for reason in found}
    return found + [reason for reason in touches_critical(before, after) if reason.place not in places]


def _why(place: str, before: Any, after: Any) -> str:
    if place in _NEITHER or place in _QUIET:
        return ""
    if place.startswith("matrix."):
        return STRONGER if _strength(after) > _strength(before) else ""
    if place in _OTHERWISE:
        return _OTHERWISE[place](before, after)
    if place in _ON:
        return _ON[place] if after else ""
    if before is None or after is None:
        return UNSORTED
    if place in _FALLS:
        return _FALLS[place] if after < before else ""
    if place in _RISES:
        return _RISES[place] if after > before else ""
    return UNSORTED


def _strength(action: Any) -> int:
    return ACTIONS.index(action) if action in ACTIONS else -1


def _courses(before: Any, after: Any) -> str:
    if not before:  # every course already
        return ""
    return MORE_COURSES if not after or set(after) - set(before) else ""


def _model(before: Any, after: Any) -> str:
    # A composite that is named comes into force with the policy, so this too may let other people in.
    return OTHER_MODEL


def _repeats(before: Any, after: Any) -> str:
    return OFTENER if _REPEATS.index(after) > _REPEATS.index(before) else ""


def _combines(before: Any, after: Any) -> str:
    return WIDER if after == "any" else ""


def _hours(before: Any, after: Any) -> str:
    """Nought stands for the hours that hold for everybody, which are judged at their own place."""
    return SOONER if after and (not before or after < before) else ""


def _overrides(before: Any, after: Any) -> str:
    return UNSORTED


_OTHERWISE: dict[str, Callable[[Any, Any], str]] = {
    "pilot_courses": _courses,
    "model": _model,
    "triggers.combine": _combines,
    "triggers.overrides": _overrides,
    **{f"triggers.{name}.repeat": _repeats for name in triggering.KEYS},
    **{f"first_action.{name}": _hours for name in when.FirstAction.__struct_fields__},
}


def _quiet_minutes(document: Document) -> set[tuple[bool, int]]:
    """The quiet minutes of a working day, and of a day at the weekend."""
    limits = document.limits
    start, end = time.fromisoformat(limits.quiet_from), time.fromisoformat(limits.quiet_to)
    first, last = start.hour * 60 + start.minute, end.hour * 60 + end.minute
    quiet = {
        minute
        for minute in range(24 * 60)
        if (first <= minute < last if first <= last else minute >= first or minute < last)
    }
    weekend = set(range(24 * 60)) if limits.quiet_weekends else quiet
    return {(False, minute) for minute in quiet} | {(True, minute) for minute in weekend}
