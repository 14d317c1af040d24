"""For whom a model is right: rates by group with intervals, and gaps over the groups that can be judged.

The attributes are looked at here and never given to a model. A group of fewer than five people is not shown at all; a
group too small for its rates to mean anything is shown as "too small to judge" and takes no part in a gap.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from signals.training.card import LEAST_SHOWN, Figure

if TYPE_CHECKING:
    import numpy as np

    from signals.array_types import Flags, Floats, Whole

TOP = 0.2  # of each run's list: how many a team could look after
THRESHOLD = 0.5  # does not hang on any policy
LEAST_PEOPLE = 50
LEAST_EACH = 20  # people it came true for, and people it did not
ROUNDS = 300
WIDEST_GAP = 0.10
MEASURES = ("tpr", "fpr", "precision", "selection")
UNKNOWN = "not known"


class Group(msgspec.Struct, frozen=True):
    """One group: how many, and how the model does for them. Rates are None where nothing could be counted."""

    name: str
    people: int
    positives: int
    judged: bool
    rates: dict[str, Figure] = {}  # tpr, fpr, precision, selection
    calibration: Figure = Figure(None)  # mean of what was said minus what came true


class Gap(msgspec.Struct, frozen=True):
    """The widest difference of a rate between two groups that can be judged."""

    figure: Figure
    highest: str
    lowest: str


class Cut(msgspec.Struct, frozen=True):
    """One way of turning scores into "flagged"."""

    key: str  # "top" or "threshold"
    says: str
    groups: tuple[Group, ...]
    gaps: dict[str, Gap]
    hidden: int  # groups of fewer than five people: not shown


class Attribute(msgspec.Struct, frozen=True):
    name: str
    cuts: tuple[Cut, ...]


class Report(msgspec.Struct, frozen=True):
    attributes: tuple[Attribute, ...] = ()

    def gap(self, attribute: str, cut: str = "top", rate: str = "tpr") -> Gap | None:
        """One gap, None where fewer than two groups can be judged."""
        for one in self.attributes:
            if one.name == attribute:
                for found in one.cuts:
                    if found.key == cut:
                        return found.gaps.get(rate)
        return None


def dump(report: Report) -> dict[str, Any]:
    """The report as a card keeps it."""
    built: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(report))
    return built


def load(stored: Mapping[str, Any]) -> Report:
    """The report a card keeps; an empty one where it cannot be read."""
    try:
        return msgspec.convert(stored, Report, strict=False)
    except msgspec.ValidationError:
        return Report()


def report(
    *,
    probability: "Floats",
    y: "Floats",
    people: "Whole",
    runs: Sequence[str],
    attributes: Mapping[str, Sequence[str]],
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Report:
    """How the model does by each attribute. Rows without a label or without a score are left out."""
    import numpy as np

    from signals.training.paired import draws, numbered, top_share

    wanted = np.isfinite(probability) & np.isfinite(y)
    p, truth, who = probability[wanted], y[wanted], people[wanted]
    if not len(p):
        return Report()
    run = numbered(tuple(runs))[wanted]
    # Whole numbers of two bytes: 300 draws of 100,000 rows are 60 MB.
    weights = np.array([weight.astype(np.int16) for weight in draws(who, rounds=rounds, seed=seed)])
    cuts = (
        ("top", f"In the top {TOP:.0%} of the run's list", top_share(p, run, TOP)),
        ("threshold", f"Given more than {THRESHOLD:.0%}", p > THRESHOLD),
    )
    return Report(
        tuple(
            Attribute(
                name,
                tuple(
                    _cut(key, says, flagged, p, truth, who, _names(values, wanted), weights)
                    for key, says, flagged in cuts
                ),
            )
            for name, values in attributes.items()
        )
    )


def _names(values: Sequence[str], wanted: "Flags") -> list[str]:
    return [value or UNKNOWN for value, keep in zip(values, wanted, strict=True) if keep]


def _cut(
    key: str,
    says: str,
    flagged: "Flags",
    p: "Floats",
    y: "Floats",
    people: "Whole",
    names: Sequence[str],
    weights: "np.ndarray[Any, np.dtype[Any]]",
) -> Cut:
    import numpy as np

    from signals.training.paired import interval

    found = sorted(set(names))
    place = {name: number for number, name in enumerate(found)}
    group = np.array([place[name] for name in names])
    once = np.ones(len(y))

    def rates(weight: "Floats") -> dict[str, "Floats"]:
        def total(values: "Floats | Flags") -> "Floats":
            return np.bincount(group, weight * values, len(found)).astype(float)

        with np.errstate(divide="ignore", invalid="ignore"):
            return {
                "tpr": total(flagged * y) / total(y),
                "fpr": total(flagged * (1 - y)) / total(1 - y),
                "precision": total(flagged * y) / total(flagged),
                "selection": total(flagged) / total(once),
                "calibration": total(p - y) / total(once),
            }

    here = rates(once)
    drawn = [rates(weight) for weight in weights]
    spread = {rate: np.array([one[rate] for one in drawn]) for rate in here}
    counts = _counts(group, y, people, len(found))
    groups, judged = [], []
    for number, name in enumerate(found):
        n, positive, negative = counts[number]
        if n < LEAST_SHOWN:
            continue
        can = n >= LEAST_PEOPLE and positive >= LEAST_EACH and negative >= LEAST_EACH
        if can and name != UNKNOWN:
            judged.append(number)

        def figure(rate: str, number: int = number, n: int = n) -> Figure:
            value = float(here[rate][number])
            if not np.isfinite(value):
                return Figure(None, n=n)
            around = interval(value, spread[rate][:, number])
            return Figure(value, _finite(around.low), _finite(around.high), n)

        groups.append(
            Group(
                name,
                n,
                # A handful of people it came true for could be told apart by those who know the group.
                positive if min(positive, negative) >= LEAST_SHOWN else 0,
                can,
                {rate: figure(rate) for rate in MEASURES} if can else {},
                figure("calibration") if can else Figure(None),
            )
        )
    gaps = {}
    for rate in MEASURES if len(judged) > 1 else ():
        known = [number for number in judged if np.isfinite(here[rate][number])]
        if len(known) < 2:
            continue
        most = max(known, key=lambda number: here[rate][number])
        least = min(known, key=lambda number: here[rate][number])
        around = interval(
            float(here[rate][most] - here[rate][least]), spread[rate][:, most] - spread[rate][:, least]
        )
        gaps[rate] = Gap(
            Figure(around.value, _finite(around.low), _finite(around.high), len(known)),
            found[most],
            found[least],
        )
    return Cut(key, says, tuple(groups), gaps, sum(1 for n, _, _ in counts if n < LEAST_SHOWN))


def _counts(group: "Whole", y: "Floats", people: "Whole", number: int) -> list[tuple[int, int, int]]:
    """People in each group, those it came true for, and those it did not."""
    import numpy as np

    return [
        (
            len(np.unique(people[group == one])),
            len(np.unique(people[(group == one) & (y == 1)])),
            len(np.unique(people[(group == one) & (y == 0)])),
        )
        for one in range(number)
    ]


def _finite(value: float) -> float | None:
    from signals.training.card import finite

    return finite(value)
