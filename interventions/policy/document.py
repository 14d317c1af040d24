"""The policy as a typed, immutable document: every number that decides about acting.

Stored as JSON in ``interventions.models.Policy.document``; ``load`` and ``dump`` are each other's inverse.
Faults raise ``PolicyFault`` with the place and the mend.
"""

from typing import Any, Literal

import msgspec

RISK_BANDS = ("medium", "high")
IMPACTS = ("standard", "elevated", "critical")
ATTEMPTS = (0, 1, 2)  # 2 stands for two or more
ACTIONS = ("monitor", "nudge", "lesson", "lesson_nudge", "manager", "coach")

ActionName = Literal["monitor", "nudge", "lesson", "lesson_nudge", "manager", "coach"]


class PolicyFault(ValueError):
    """The document cannot be used; says where and what to mend."""


class Bands(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A risk strictly above a bound is in its band."""

    medium: float = 0.45
    high: float = 0.75
    hysteresis: float = 0.05  # how far below the bound it must fall before it counts as recovered
    min_coverage: float = 0.5
    high_needs_signals: int = 2


class MasteryTrigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    enabled: bool = True
    below: float = 0.6
    recovered_at: float = 0.65
    with_days_inactive: float = 7  # low mastery alone is not a reason to step in; 0 switches the pairing off


class InactivityTrigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    enabled: bool = True
    days: float = 7
    times_usual_gap: float = 3  # no activity for max(days, times_usual_gap × own usual gap)


class CompositeTrigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    enabled: bool = True


class Triggers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mastery: MasteryTrigger = MasteryTrigger()
    inactivity: InactivityTrigger = InactivityTrigger()
    composite: CompositeTrigger = CompositeTrigger()


class Ladder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hours an automated step has to show improvement."""

    normal_hours: float = 72
    fast_hours: float = 48
    episode_days: int = 30  # an episode in which nothing changes closes after this
    rearm_days: float = 3  # quiet days after recovery before the same trouble opens a new episode


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    quiet_from: str = "18:00"
    quiet_to: str = "08:00"
    quiet_weekends: bool = True
    hold_hours: float = 72  # a send held longer than this expires
    approval_hours: float = 72  # an approval nobody gives lapses after this
    out_of_slots: int = 2  # so many capped decisions in a row make a learner "unreachable"
    declined_days: float = 14  # after a person said no, the same step is not asked again for so long
    unanswered_days: float = 7


class Costs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Minutes of somebody's time."""

    nudge: float = 0.5
    lesson: float = 6
    lesson_nudge: float = 6.5
    manager: float = 15
    coach: float = 45


class Lift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Prior on the gain in recovery from an action, as a share, with its spread. The literature: often nothing."""

    mean: float
    sd: float


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What acting is worth: lift × value(impact) × minutes_per_recovery − cost."""

    standard: float = 1
    elevated: float = 2
    critical: float = 4
    minutes_per_recovery: float = 1200  # what one recovered learner is worth, in minutes of work
    lifts: dict[str, Lift] = msgspec.field(
        default_factory=lambda: {
            "nudge": Lift(0.01, 0.02),
            "lesson": Lift(0.02, 0.03),
            "lesson_nudge": Lift(0.02, 0.03),
            "manager": Lift(0.03, 0.05),
            "coach": Lift(0.05, 0.08),
        }
    )


class Automation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Learner-directed routes that no longer ask a human first."""

    nudge: bool = False
    lesson: bool = False
    lesson_nudge: bool = False


def default_matrix() -> dict[str, dict[str, tuple[ActionName, ActionName, ActionName]]]:
    return {
        "standard": {
            "medium": ("nudge", "lesson", "manager"),
            "high": ("lesson_nudge", "coach", "coach"),
        },
        "elevated": {
            "medium": ("nudge", "lesson", "coach"),
            "high": ("lesson_nudge", "coach", "coach"),
        },
        "critical": {
            "medium": ("lesson", "manager", "coach"),
            "high": ("coach", "coach", "coach"),
        },
    }


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model: str = "composite-1"  # the model version it trusts
    bands: Bands = Bands()
    triggers: Triggers = Triggers()
    matrix: dict[str, dict[str, tuple[ActionName, ActionName, ActionName]]] = msgspec.field(
        default_factory=default_matrix
    )  # impact → band → action by failed attempts 0, 1, ≥ 2
    ladder: Ladder = Ladder()
    limits: Limits = Limits()
    costs: Costs = Costs()
    value: Value = Value()
    automation: Automation = Automation()
    timing: Literal["immediate", "next_working_morning"] = "immediate"
    first_action_hours: float = 48
    pilot_courses: tuple[str, ...] = ()  # course IRIs; empty: every course


def load(document: dict[str, Any]) -> Document:
    """The typed document, checked. Raises PolicyFault naming the place."""
    try:
        loaded = msgspec.convert(document, Document)
    except msgspec.ValidationError as fault:
        raise PolicyFault(f"The policy document is not usable: {fault}") from fault
    _check(loaded)
    return loaded


def dump(document: Document) -> dict[str, Any]:
    """The document as JSON-ready values."""
    built: dict[str, Any] = msgspec.to_builtins(document)
    return built


def _check(document: Document) -> None:
    if not 0 < document.bands.medium < document.bands.high < 1:
        raise PolicyFault("bands: medium must lie below high, both between 0 and 1.")
    if document.bands.hysteresis < 0 or document.bands.hysteresis >= document.bands.medium:
        raise PolicyFault("bands.hysteresis: must be at least 0 and smaller than the medium bound.")
    if document.triggers.mastery.recovered_at < document.triggers.mastery.below:
        raise PolicyFault("triggers.mastery.recovered_at: must not lie below the bound that triggers.")
    for impact in IMPACTS:
        for band in RISK_BANDS:
            if band not in document.matrix.get(impact, {}):
                raise PolicyFault(f"matrix.{impact}.{band}: this cell is empty; choose an action for each attempt.")
            if impact != "critical" and document.matrix[impact][band][0] in ("manager", "coach"):
                raise PolicyFault(
                    f"matrix.{impact}.{band}: the first step must be automated, unless the role is critical."
                )
    for action in ACTIONS[1:]:
        if action not in document.value.lifts:
            raise PolicyFault(f"value.lifts.{action}: the prior lift of this action is missing.")
