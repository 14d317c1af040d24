"""The gate: may a candidate take the live model's place? Arithmetic on arrays, no database, no clock.

Both models have scored the same rows, which neither learned from. Every check says what was measured and what it is
held against; a candidate passes only if all of them pass.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from signals.training.card import LEAST_SHOWN
from signals.training.fairness import Report, report

if TYPE_CHECKING:
    from signals.array_types import Flags, Floats, Whole


class Bounds(msgspec.Struct, frozen=True):
    """What the checks are held against."""

    metric: str = "ap"
    least_people: int = 200
    least_each: int = 50  # people it came true for, and people it did not
    calibration_tolerance: float = 0.01  # of ECE
    slice_people: int = 50
    slice_each: int = 20
    slice_drop: float = 0.03  # of the metric, and surely a drop
    widest_gap: float = 0.10  # of the true positive rate at the top 20 %
    # A gap wider than that is let through where it is hardly wider than the live model's, or may well be chance: the
    # widest of many differences is never nought. Chance is no excuse beyond the last of these.
    gap_tolerance: float = 0.02
    gap_by_chance: float = 0.20
    least_verdicts: int = 20  # of people who looked where the two disagreed


# Checks of what stands around a comparison: they may change while the rows compared on stay the same.
AROUND = ("alerts", "trust", "looks")


class Check(msgspec.Struct, frozen=True):
    """One question of the gate."""

    key: str
    question: str
    passes: bool
    says: str  # what was measured, and against what


class SliceFigure(msgspec.Struct, frozen=True):
    name: str
    group: str
    people: int
    old: float
    new: float
    gain: float
    low: float
    high: float
    passes: bool


class GroupGap(msgspec.Struct, frozen=True):
    """How far apart the groups of one attribute are found, by either model; the interval is the new one's."""

    old: float | None  # None: the live model could not be judged
    new: float
    low: float | None
    high: float | None
    highest: str
    lowest: str


class Comparison(msgspec.Struct, frozen=True):
    """What a promotion keeps."""

    candidate: str
    live: str
    rows: int = 0
    people: int = 0
    positives: int = 0
    data: str = ""  # what was compared on, as a hash: the same is not compared twice
    checks: tuple[Check, ...] = ()
    metrics: dict[str, dict[str, float]] = {}  # metric → old, new, gain, low, high
    slices: tuple[SliceFigure, ...] = ()
    too_small: int = 0  # slices that nothing can be said of
    gaps: dict[str, GroupGap] = {}  # by attribute

    @property
    def passes(self) -> bool:
        return bool(self.checks) and all(check.passes for check in self.checks)

    @property
    def refusal(self) -> str:
        """Why it does not pass, in sentences."""
        return " ".join(check.says for check in self.checks if not check.passes)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Rows that neither model learned from, scored by both. Arrays have one entry a row."""

    candidate: str
    live: str
    old: "Floats"
    new: "Floats"  # NaN: not sure
    y: "Floats"  # NaN: censored
    people: "Whole"
    runs: Sequence[str]  # whose list it stands in: course, start and day
    slices: Mapping[str, Sequence[str]] = field(default_factory=dict)  # "course", "role", "unit"
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)  # declared, for fairness
    data: str = ""
    stands_in: str = ""  # what scored in the place of a live model that cannot be used, and why


@dataclass(frozen=True, slots=True)
class Around:
    """What the database says besides."""

    alerts: Sequence[str] = ()  # open findings about models
    objections: Sequence[str] = ()  # of those who would act on the new model
    looked: int = 0  # verdicts of people on disagreements
    candidate_right: int = 0


def judge(evidence: Evidence, *, around: Around, bounds: Bounds | None = None, seed: int = 0) -> Comparison:
    """The comparison, with every check. Running it again gives the same."""
    import numpy as np

    from signals.training.paired import METRICS, compare

    bounds = bounds or Bounds()
    wanted = np.isfinite(evidence.y)
    y, people = evidence.y[wanted], evidence.people[wanted]
    known = len(y) and np.isfinite(evidence.old[wanted]).any() and np.isfinite(evidence.new[wanted]).any()
    positive, negative = len(np.unique(people[y == 1])), len(np.unique(people[y == 0]))
    everyone = len(np.unique(people))
    checks = [_labels(everyone, positive, negative, bounds)]
    metrics: dict[str, dict[str, float]] = {}
    slices: list[SliceFigure] = []
    gaps: dict[str, GroupGap] = {}
    too_small = 0
    if checks[0].passes and known:
        old, new = filled(evidence.old[wanted]), filled(evidence.new[wanted])
        for name, metric in METRICS.items():
            pair = compare(metric, y=y, old=old, new=new, people=people, seed=seed)
            metrics[name] = {
                "old": pair.old,
                "new": pair.new,
                "gain": pair.gain.value,
                "low": pair.gain.low,
                "high": pair.gain.high,
            }
        groups = {name: _kept(values, wanted) for name, values in evidence.slices.items()}
        attributes = {name: _kept(values, wanted) for name, values in evidence.attributes.items()}
        slices, too_small = _slices({**groups, **attributes}, y, old, new, people, bounds, seed)
        runs = _kept(evidence.runs, wanted)
        gaps = _gaps(
            *(report(probability=p, y=y, people=people, runs=runs, attributes=attributes) for p in (old, new))
        )
        checks += [
            _better(metrics[bounds.metric], bounds),
            _calibrated(metrics["ece"], bounds),
            _sliced(slices, too_small),
            _fair(gaps, bounds),
        ]
    elif checks[0].passes:
        checks.append(Check("scores", "Do both score these rows?", False, "One of the two is never sure."))
    if evidence.stands_in:
        checks.append(Check("stand_in", "Was it compared with what scores?", True, evidence.stands_in))
    checks += [_quiet(around), _trusted(around), _looked_at(around, bounds)]
    return Comparison(
        candidate=evidence.candidate,
        live=evidence.live,
        rows=len(y),
        people=everyone,
        positives=positive,
        data=evidence.data,
        checks=tuple(checks),
        metrics=metrics,
        slices=tuple(slices),
        too_small=too_small,
        gaps=gaps,
    )


def filled(p: "Floats") -> "Floats":
    """Where a model is not sure it counts as its own mean: leaving hard cases out must not look like skill."""
    import numpy as np

    return np.where(np.isfinite(p), p, np.nanmean(p) if np.isfinite(p).any() else 0.5)


def _kept(values: Sequence[str], wanted: "Flags") -> tuple[str, ...]:
    return tuple(value for value, keep in zip(values, wanted, strict=True) if keep)


# --- the checks --------------------------------------------------------------------------------------------------


def _labels(people: int, positive: int, negative: int, bounds: Bounds) -> Check:
    enough = people >= bounds.least_people and min(positive, negative) >= bounds.least_each
    return Check(
        "labels",
        "Do we know of enough people how it ended?",
        enough,
        f"How it ended is known of {people:,} people whom neither model learned from: {positive:,} of them it came"
        f" true for, {negative:,} it did not. Wanted: {bounds.least_people:,}, and {bounds.least_each:,} of each."
        + ("" if enough else " Wait until more courses have ended."),
    )


def _better(metric: Mapping[str, float], bounds: Bounds) -> Check:
    name = NAMES[bounds.metric]
    return Check(
        "better",
        f"Is it better: {name}?",
        metric["low"] > 0,
        f"{name} {metric['old']:.3f} → {metric['new']:.3f}: {metric['gain']:+.4f}, 95 % between {metric['low']:+.4f}"
        f" and {metric['high']:+.4f}. Wanted: surely above 0.",
    )


def _calibrated(ece: Mapping[str, float], bounds: Bounds) -> Check:
    return Check(
        "calibration",
        "Is it right about as often as it says?",
        ece["gain"] <= bounds.calibration_tolerance,
        f"Calibration error {ece['old']:.3f} → {ece['new']:.3f}. Wanted: no more than"
        f" {bounds.calibration_tolerance:.3f} worse.",
    )


def _sliced(slices: Sequence[SliceFigure], too_small: int) -> Check:
    worse = [one for one in slices if not one.passes]
    says = "; ".join(
        f"{one.name} {one.group}: {one.old:.3f} → {one.new:.3f} ({one.people} people)" for one in worse[:5]
    )
    return Check(
        "slices",
        "Does it do nobody a disservice?",
        not worse,
        (
            f"Surely worse for {len(worse)} of {len(slices)} groups: {says}."
            if worse
            else f"Surely worse for none of {len(slices)} groups."
        )
        + (f" {too_small} were too small to judge." if too_small else ""),
    )


def _fair(gaps: Mapping[str, GroupGap], bounds: Bounds) -> Check:
    wide = {name: gap for name, gap in gaps.items() if is_too_wide(gap, bounds)}
    told = "; ".join(
        f"{name}: {gap.new:.3f}{_around(gap)} between {gap.highest} and {gap.lowest}"
        for name, gap in (wide or gaps).items()
    )
    return Check(
        "fairness",
        "Does it find those who need help in all groups alike?",
        not wide,
        f"Gaps of the true positive rate at the top 20 %: {told or 'no attribute could be judged'}. Wanted: at most"
        f" {bounds.widest_gap:.2f}; or no wider than the live model's, or up to {bounds.gap_by_chance:.2f} where it may"
        " be chance.",
    )


def _around(gap: GroupGap) -> str:
    return "" if gap.low is None or gap.high is None else f" ({gap.low:.2f} to {gap.high:.2f})"


def is_too_wide(gap: GroupGap, bounds: Bounds) -> bool:
    """Whether this gap keeps a model from going live."""
    if gap.new <= max(bounds.widest_gap, (gap.old or 0.0) + bounds.gap_tolerance):
        return False
    surely = gap.low is None or gap.low > bounds.widest_gap
    return surely or gap.new > bounds.gap_by_chance


def _quiet(around: Around) -> Check:
    return Check(
        "alerts",
        "Is no alert about a model open?",
        not around.alerts,
        "Promotion is paused until somebody has acknowledged: " + "; ".join(around.alerts) + "."
        if around.alerts
        else "No alert is open.",
    )


def _trusted(around: Around) -> Check:
    return Check(
        "trust",
        "Would it be acted upon?",
        not around.objections,
        " ".join(around.objections) or "The policy in force trusts what is live.",
    )


def _looked_at(around: Around, bounds: Bounds) -> Check:
    question = "Where the two disagreed, was it right?"
    if around.looked < bounds.least_verdicts:
        return Check(
            "looks",
            question,
            True,
            f"People have looked at {around.looked} disagreements; {bounds.least_verdicts} are needed to count.",
        )
    upper = _wilson_upper(around.candidate_right, around.looked)
    return Check(
        "looks",
        question,
        upper >= 0.5,
        f"People who looked found it right in {around.candidate_right} of {around.looked} disagreements. Wanted: not"
        " surely under half.",
    )


def _wilson_upper(part: int, whole: int, z: float = 1.96) -> float:
    share = part / whole
    middle = share + z * z / (2 * whole)
    spread = z * ((share * (1 - share) + z * z / (4 * whole)) / whole) ** 0.5
    return (middle + spread) / (1 + z * z / whole)


NAMES = {"ap": "Average precision", "auc": "Area under the curve", "ece": "Calibration error"}


# --- by group ----------------------------------------------------------------------------------------------------


def _slices(
    groups: Mapping[str, Sequence[str]],
    y: "Floats",
    old: "Floats",
    new: "Floats",
    people: "Whole",
    bounds: Bounds,
    seed: int,
) -> tuple[list[SliceFigure], int]:
    """Every group that can be judged, and how many cannot. Looked at with 99 %: there are many of them."""
    import numpy as np

    from signals.training.paired import METRICS, compare

    found, too_small = [], 0
    for name, values in groups.items():
        column = np.array(values)
        for group in sorted(set(values) - {""}):
            inside = column == group
            who, truth = people[inside], y[inside]
            n = len(np.unique(who))
            each = min(len(np.unique(who[truth == 1])), len(np.unique(who[truth == 0])))
            if n < max(bounds.slice_people, LEAST_SHOWN) or each < bounds.slice_each:
                too_small += 1
                continue
            pair = compare(
                METRICS[bounds.metric],
                y=truth,
                old=old[inside],
                new=new[inside],
                people=who,
                rounds=200,
                share=0.99,
                seed=seed,
            )
            gain = pair.gain
            worse = gain.high < 0 and gain.value < -bounds.slice_drop
            found.append(
                SliceFigure(name, group, n, pair.old, pair.new, gain.value, gain.low, gain.high, not worse)
            )
    return found, too_small


def _gaps(old: Report, new: Report) -> dict[str, GroupGap]:
    gaps = {}
    for attribute in new.attributes:
        will = new.gap(attribute.name)
        if will is None or will.figure.value is None:
            continue
        was = old.gap(attribute.name)
        gaps[attribute.name] = GroupGap(
            old=was.figure.value if was else None,
            new=will.figure.value,
            low=will.figure.low,
            high=will.figure.high,
            highest=will.highest,
            lowest=will.lowest,
        )
    return gaps
