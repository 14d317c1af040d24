"""What a policy says about triggers: their bounds, when they count as over, and how they combine. Pure.

Kept apart from ``policy.document``, which holds it as ``triggers``. An override changes bounds for one role impact, one
course or both; of several that fit, the later ones win.
"""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

MASTERY = "mastery"
INACTIVITY = "inactivity"
COMPOSITE = "composite"
PACE = "pace"
FAILURES = "failures"
DEADLINE = "deadline"
ENGAGEMENT = "engagement"
CERTIFICATE = "certificate"
# In the order in which triggers are told.
KEYS = (MASTERY, INACTIVITY, COMPOSITE, PACE, FAILURES, DEADLINE, ENGAGEMENT, CERTIFICATE)
# What a trigger looks at. Two triggers of one group are one signal; the composite is made of the others' signals, so it
# counts as one only where it stands alone.
GROUPS = {
    MASTERY: "results",
    FAILURES: "results",
    INACTIVITY: "activity",
    ENGAGEMENT: "activity",
    PACE: "plan",
    DEADLINE: "plan",
    CERTIFICATE: "certificates",
}

Repeat = Literal["first", "every", "relapse"]
REPEATS: tuple[Repeat, ...] = ("first", "every", "relapse")


class MasteryTrigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    enabled: bool = True
    below: float = 0.6
    recovered_at: float = 0.65
    with_days_inactive: float = 7  # low mastery alone is not a reason to step in; 0 switches the pairing off
    repeat: Repeat = "relapse"


class InactivityTrigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    enabled: bool = True
    days: float = 7
    times_usual_gap: float = 3  # no activity for max(days, times_usual_gap × own usual gap)
    repeat: Repeat = "relapse"


class CompositeTrigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    enabled: bool = True
    repeat: Repeat = "relapse"


class PaceTrigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Steps of the plan done, against those due by now."""

    enabled: bool = False
    below: float = 0.7
    recovered_at: float = 0.8
    steps_due: int = 3  # with fewer steps due, one late step would be a third of the plan
    repeat: Repeat = "relapse"


class FailuresTrigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Results below the pass mark: on one concept, or one after the other on anything."""

    enabled: bool = False
    on_one_concept: int = 2
    in_a_row: int = 2
    repeat: Repeat = "relapse"


class DeadlineTrigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The course is due soon, and too little of its plan is done."""

    enabled: bool = False
    days: float = 5
    done_below: float = 0.6
    recovered_at: float = 0.7
    repeat: Repeat = "relapse"


class EngagementTrigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Active days of the last seven, against the learner's own average week of the four before."""

    enabled: bool = False
    below: float = 0.5
    recovered_at: float = 0.75
    active_days_before: int = 8  # fewer in four weeks are no habit to fall short of
    repeat: Repeat = "relapse"


class CertificateTrigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate ends soon, and nothing newer has been earned in its place."""

    enabled: bool = False
    days: float = 30
    repeat: Repeat = "relapse"


class Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Other values of triggers for one role impact, one course (its IRI), or one in the other; empty: any."""

    impact: str = ""
    course: str = ""
    changes: dict[str, bool | int | float | str] = msgspec.field(
        default_factory=dict
    )  # "mastery.below" → 0.7


class Triggers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mastery: MasteryTrigger = MasteryTrigger()
    inactivity: InactivityTrigger = InactivityTrigger()
    composite: CompositeTrigger = CompositeTrigger()
    pace: PaceTrigger = PaceTrigger()
    failures: FailuresTrigger = FailuresTrigger()
    deadline: DeadlineTrigger = DeadlineTrigger()
    engagement: EngagementTrigger = EngagementTrigger()
    certificate: CertificateTrigger = CertificateTrigger()
    combine: Literal["any", "all"] = "any"  # of the triggers that are on
    min_signals: int = 1  # independent signals that must speak before an episode opens
    overrides: tuple[Override, ...] = ()


# Place below "triggers" → (smallest, largest value that makes sense).
BOUNDS: dict[str, tuple[float, float]] = {
    "mastery.below": (0, 1),
    "mastery.recovered_at": (0, 1),
    "mastery.with_days_inactive": (0, 365),
    "inactivity.days": (1, 365),
    "inactivity.times_usual_gap": (0, 20),
    "pace.below": (0, 1),
    "pace.recovered_at": (0, 2),
    "pace.steps_due": (1, 100),
    "failures.on_one_concept": (2, 20),
    "failures.in_a_row": (2, 20),
    "deadline.days": (1, 90),
    "deadline.done_below": (0, 1),
    "deadline.recovered_at": (0, 1),
    "engagement.below": (0, 1),
    "engagement.recovered_at": (0, 2),
    "engagement.active_days_before": (4, 28),
    "certificate.days": (1, 365),
    "min_signals": (1, 4),
}
# What says how the triggers combine, beside the sections of each.
TOGETHER = ("combine", "min_signals")
# (what triggers, what ends it): the second never lies below the first, so nobody goes in and out.
MARGINS = (
    ("mastery.below", "mastery.recovered_at"),
    ("pace.below", "pace.recovered_at"),
    ("deadline.done_below", "deadline.recovered_at"),
    ("engagement.below", "engagement.recovered_at"),
)


def for_whom(triggers: Triggers, *, impact: str, course: str) -> Triggers:
    """The triggers that count for somebody whose role has this impact, in this course."""
    changes: dict[str, Any] = {}
    for override in triggers.overrides:
        if override.impact in ("", impact) and override.course in ("", course):
            changes |= override.changes
    return changed(triggers, changes) if changes else triggers


def changed(triggers: Triggers, changes: dict[str, Any]) -> Triggers:
    """The triggers with other values at these places ("mastery.below"). Raises LookupError, msgspec.ValidationError."""
    values: dict[str, Any] = msgspec.to_builtins(triggers)
    for place, value in changes.items():
        section, _, name = place.partition(".")
        if place in TOGETHER:
            values[place] = value
        elif section in KEYS and name in values[section]:
            values[section][name] = value
        else:
            raise LookupError(place)
    return msgspec.convert(values, Triggers)


def faults(triggers: Triggers, impacts: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """What does not fit together, as place below "triggers" and sentence. Bounds of single values are ``BOUNDS``."""
    yield from _margins(triggers, "")
    yield from _never_opens(triggers, "min_signals", "")
    for number, override in enumerate(triggers.overrides, 1):
        place = "overrides"
        if override.impact and override.impact not in impacts:
            yield place, f"override {number}: there is no role impact “{override.impact}”."
        if not override.impact and not override.course:
            yield place, f"override {number}: say for which role impact or course."
        if not override.changes:
            yield place, f"override {number}: say what is different."
        try:
            other = changed(triggers, override.changes)
        except LookupError as missing:
            yield place, f"override {number}: there is no place {missing.args[0]} among the triggers."
            continue
        except msgspec.ValidationError as wrong:
            yield place, f"override {number}: {str(wrong).partition(' - at')[0]}."
            continue
        for at, (least, most) in BOUNDS.items():
            if at in override.changes and not least <= _value(other, at) <= most:
                yield place, f"override {number}: {at} must lie between {least:g} and {most:g}."
        for _, message in (
            *_margins(other, f"override {number}: "),
            *_never_opens(other, place, f"override {number}: "),
        ):
            yield place, message


def _value(triggers: Triggers, place: str) -> float:
    section, _, name = place.partition(".")
    found: float = getattr(getattr(triggers, section), name) if name else getattr(triggers, section)
    return found


def _never_opens(triggers: Triggers, place: str, prefix: str) -> Iterator[tuple[str, str]]:
    groups = {GROUPS[key] for key in KEYS if key in GROUPS and getattr(triggers, key).enabled}
    if triggers.min_signals > max(len(groups), 1):
        yield (
            place,
            f"{prefix}the triggers that are on look at {len(groups)} independent signals, so nothing would ever open.",
        )


def _margins(triggers: Triggers, prefix: str) -> Iterator[tuple[str, str]]:
    for low, high in MARGINS:
        section, _, name = low.partition(".")
        trigger = getattr(triggers, section)
        if getattr(trigger, high.partition(".")[2]) < getattr(trigger, name):
            yield high, f"{prefix}must not lie below the bound that triggers."
