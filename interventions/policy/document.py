"""The policy as a typed, immutable document: every number that decides about acting.

Stored as JSON in ``interventions.models.Policy.document``; ``load`` and ``dump`` are each other's inverse.
Faults raise ``PolicyFault`` with the place and the mend.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from interventions.policy import triggering, when
from interventions.policy.triggering import Triggers

RISK_BANDS = ("medium", "high")
IMPACTS = ("standard", "elevated", "critical")
ATTEMPTS = (0, 1, 2)  # 2 stands for two or more
ACTIONS = ("monitor", "nudge", "lesson", "lesson_nudge", "manager", "coach")

# In place of a model's name: whatever the gate promoted, as long as it was not taken back.
LIVE = "live"

ActionName = Literal["monitor", "nudge", "lesson", "lesson_nudge", "manager", "coach"]


class Fault(NamedTuple):
    """One thing wrong with a document: where ("bands.medium"), and what to mend."""

    place: str
    message: str


class PolicyFault(ValueError):
    """The document cannot be used; says where and what to mend. ``faults`` lists all of it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(" ".join(f"{fault.place}: {fault.message}" for fault in faults))


class Bands(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A risk strictly above a bound is in its band."""

    medium: float = 0.45
    high: float = 0.75
    hysteresis: float = 0.05  # how far below the bound it must fall before it counts as recovered
    min_coverage: float = 0.5
    high_needs_signals: int = 2


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
    working_from: str = (
        "09:00"  # of somebody whose zone nobody knows, only these hours count, from Monday to Friday
    )
    working_to: str = "17:00"
    hold_hours: float = 72  # a send held longer than this expires
    approval_hours: float = 72  # an approval nobody gives lapses after this
    out_of_slots: int = 2  # so many capped decisions in a row make a learner "unreachable"
    declined_days: float = 14  # after a person said no, the same step is not asked again for so long
    unanswered_days: float = 7
    coach_hours_week: float = 8  # what one coach has for cases; previews compare with it


class Costs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Minutes of somebody's time."""

    nudge: float = 0.5
    lesson: float = 6
    lesson_nudge: float = 6.5
    manager: float = 15
    coach: float = 45


class Lift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Prior on the gain in recovery from an action, as a share, and its spread. The literature: often none."""

    mean: float
    sd: float


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What acting is worth: lift × value(impact) × minutes_per_recovery − cost."""

    standard: float = 1
    elevated: float = 2
    critical: float = 4
    minutes_per_recovery: float = 1200  # what one recovered learner is worth, in minutes of work
    # How likely it must be that the expected value is above zero. Under a normal posterior 0.5 says the same as
    # "the expected value is above zero"; more asks for more certainty.
    least_probability: float = 0.5
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
    """Which learner-directed actions may earn going out without a person's yes, and what it takes (docs/automation.md).

    What reaches a manager or a coach is no place here: nothing can switch that on.
    """

    nudge: bool = False
    lesson: bool = False
    lesson_nudge: bool = False
    bar: float = 0.8  # the lower end of the interval of the share judged right, to earn it
    lost_below: float = 0.7  # the same, below which it is lost
    least: int = 30  # judgements, to earn it
    newest: int = 100  # judgements that count, the newest
    judged_days: float = 180  # no older than this
    fresh_least: int = 5  # judgements within ``fresh_days``; with fewer, people look again
    fresh_days: float = 60
    ask_one_in: int = 10  # so many episodes ask a person all the same


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
    model: str = LIVE  # the model version it trusts
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
    timing: when.Strategy = "immediate"
    timings: when.Timings = when.Timings()
    first_action_hours: float = 48
    first_action: when.FirstAction = when.FirstAction()
    pilot_courses: tuple[str, ...] = ()  # course IRIs; empty: every course


def load(document: Mapping[str, Any]) -> Document:
    """The typed document, checked. Raises PolicyFault naming each place."""
    loaded = _convert(document)
    found = faults(loaded)
    if found:
        raise PolicyFault(found)
    return loaded


def dump(document: Document) -> dict[str, Any]:
    """The document as JSON-ready values."""
    # By way of JSON, so that it is what the database gives back: lists, where the document has tuples.
    built: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document))
    return built


def with_changes(document: Document, changes: Mapping[str, Any]) -> Document:
    """The document with other values at these places ("bands.medium": 0.5). Raises PolicyFault."""
    values = dump(document)
    for place, value in changes.items():
        *path, last = place.split(".")
        section: Any = values
        try:
            for name in path:
                section = section[name]
            key = int(last) if isinstance(section, list) else last
            section[key]  # must be there already
        except (KeyError, IndexError, TypeError, ValueError):
            raise PolicyFault([Fault(place, "there is no such place in a policy.")]) from None
        section[key] = value
    return load(values)


class Difference(NamedTuple):
    place: str
    before: Any
    after: Any


def differences(before: Document, after: Document) -> list[Difference]:
    """The places at which two documents differ, in the document's order."""
    old, new = dict(flat(before)), dict(flat(after))
    return [
        Difference(place, old.get(place), new.get(place))
        for place in dict.fromkeys((*old, *new))
        if old.get(place) != new.get(place)
    ]


def flat(document: Document) -> Iterator[tuple[str, Any]]:
    """Every value with its place."""
    yield from _flat("", dump(document))


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{name}.", value)
        elif prefix.startswith("matrix."):
            yield from ((f"{prefix}{name}.{attempts}", action) for attempts, action in enumerate(value))
        else:
            yield f"{prefix}{name}", value


def _convert(document: Mapping[str, Any]) -> Document:
    try:
        return msgspec.convert(document, Document)
    except msgspec.ValidationError as fault:
        what, _, where = str(fault).partition(" - at `$")
        place = where.strip("`.").replace("[...]", "") or "document"
        raise PolicyFault([Fault(place, f"{what}.")]) from fault


_CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d")
# Place → (smallest, largest value that makes sense). Bounds that hang together are in ``faults``.
BOUNDS: dict[str, tuple[float, float]] = {
    "bands.min_coverage": (0, 1),
    "bands.high_needs_signals": (1, 10),
    **{f"triggers.{place}": bounds for place, bounds in triggering.BOUNDS.items()},
    "ladder.normal_hours": (1, 720),
    "ladder.fast_hours": (1, 720),
    "ladder.episode_days": (1, 365),
    "ladder.rearm_days": (0, 90),
    "limits.hold_hours": (1, 720),
    "limits.approval_hours": (1, 720),
    "limits.out_of_slots": (1, 20),
    "limits.declined_days": (0, 365),
    "limits.unanswered_days": (0, 365),
    "limits.coach_hours_week": (0, 60),
    "first_action_hours": (1, 720),
    **when.BOUNDS,
    "value.minutes_per_recovery": (0, 100_000),
    "automation.bar": (0.5, 0.99),
    "automation.lost_below": (0.5, 0.99),
    "automation.least": (10, 1000),
    "automation.newest": (10, 1000),
    "automation.judged_days": (7, 730),
    "automation.fresh_least": (1, 1000),
    "automation.fresh_days": (7, 365),
    "automation.ask_one_in": (2, 20),
    **{f"value.{impact}": (0, 100) for impact in IMPACTS},
    **{f"costs.{action}": (0, 10_000) for action in ACTIONS[1:]},
    **{f"value.lifts.{action}.mean": (-1, 1) for action in ACTIONS[1:]},
    **{f"value.lifts.{action}.sd": (0, 1) for action in ACTIONS[1:]},
}


def faults(document: Document) -> list[Fault]:
    """Everything that keeps this document from being used."""
    values = dict(flat(document))
    found = []
    for place, (least, most) in BOUNDS.items():
        value = values.get(place)
        if value is None:
            found.append(Fault(place, "this value is missing."))
        elif not least <= value <= most:
            found.append(Fault(place, f"must lie between {least:g} and {most:g}."))
    return (
        found
        + _faults_of_thresholds(document)
        + _faults_of_limits(document)
        + _faults_of_matrix(document)
        + _faults_of_automation(document)
    )


def _faults_of_thresholds(document: Document) -> list[Fault]:
    bands, ladder = document.bands, document.ladder
    found = []
    if not 0 < bands.medium < 1:
        found.append(Fault("bands.medium", "must lie between 0 and 1."))
    if not 0 < bands.high < 1:
        found.append(Fault("bands.high", "must lie between 0 and 1."))
    if bands.high <= bands.medium:
        found.append(Fault("bands.high", "must lie above the medium bound."))
    if not 0 <= bands.hysteresis < bands.medium:
        found.append(Fault("bands.hysteresis", "must be at least 0 and smaller than the medium bound."))
    found += [
        Fault(f"triggers.{place}", message)
        for place, message in triggering.faults(document.triggers, IMPACTS)
    ]
    if ladder.fast_hours > ladder.normal_hours:
        found.append(Fault("ladder.fast_hours", "the fast ladder must not be slower than the normal one."))
    if ladder.normal_hours > ladder.episode_days * 24:
        found.append(Fault("ladder.episode_days", "must be at least one window of the normal ladder."))
    return found


def _faults_of_limits(document: Document) -> list[Fault]:
    limits = document.limits
    found = [
        Fault(f"limits.{name}", "a time of day is written 18:00.")
        for name in when.TIMES_OF_DAY
        if not _CLOCK.fullmatch(getattr(limits, name))
    ]
    if limits.quiet_from == limits.quiet_to:
        found.append(Fault("limits.quiet_to", "must differ from the start of the quiet hours."))
    if limits.working_from >= limits.working_to:
        found.append(Fault("limits.working_to", "must lie after the start of the working hours."))
    if document.timings.deadline_last_days > document.timings.deadline_first_days:
        found.append(
            Fault("timings.deadline_last_days", "must not be more than the days of the first moment.")
        )
    return found


def _faults_of_automation(document: Document) -> list[Fault]:
    wanted = document.automation
    found = []
    if wanted.lost_below > wanted.bar:
        found.append(Fault("automation.lost_below", "must not lie above the bar at which it is earned."))
    if wanted.newest < wanted.least:
        found.append(Fault("automation.newest", "must be at least the number that it takes."))
    if wanted.fresh_days > wanted.judged_days:
        found.append(Fault("automation.fresh_days", "must not be more than the days that count."))
    return found


def _faults_of_matrix(document: Document) -> list[Fault]:
    found = []
    for impact in IMPACTS:
        for band in RISK_BANDS:
            cell = document.matrix.get(impact, {}).get(band)
            if cell is None:
                found.append(Fault(f"matrix.{impact}.{band}.0", "choose an action for each attempt."))
            elif impact != "critical" and cell[0] in ("manager", "coach"):
                found.append(
                    Fault(
                        f"matrix.{impact}.{band}.0",
                        "the first step must be automated, unless the role is critical.",
                    )
                )
        found += _out_of_reach(impact, document.matrix.get(impact, {}))
    found += [
        Fault(f"matrix.{name}", "there is no such role impact.")
        for name in document.matrix
        if name not in IMPACTS
    ]
    found += [
        Fault(f"matrix.{impact}.{name}", "there is no such band.")
        for impact, row in document.matrix.items()
        for name in row
        if name not in RISK_BANDS
    ]
    return found


def _out_of_reach(impact: str, row: Mapping[str, Sequence[str]]) -> list[Fault]:
    """Steps after a number of attempts at which every band is only watched: it never grows beyond that."""
    stops = next((n for n in ATTEMPTS if all(cells[n] == "monitor" for cells in row.values())), None)
    return [
        Fault(
            f"matrix.{impact}.{band}.{attempts}",
            f"is never reached: after {stops} attempts nothing is tried, so there is no next one.",
        )
        for band, cells in row.items()
        for attempts in ATTEMPTS
        if stops is not None and attempts > stops and cells[attempts] != "monitor"
    ]
