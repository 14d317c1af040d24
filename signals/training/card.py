"""The model card: what a trained version is, what it was made of, how well it does, for whom, and its limits.

Written once, at training, into ``ModelVersion.card``; read by the admin pages, by drift (which compares with
``training_distribution``), by readiness (which ranks missing signals by ``ablation``) and by ``manage.py model_card``.
A card of another release is read as far as it is understood: what is missing is left out of the page.
"""

from collections.abc import Mapping
from math import isfinite, log
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from signals.array_types import Flags, Floats
    from signals.training.dataset import Dataset

FORMAT = 1
BINS = 10  # of a feature's distribution
SCORE_BINS = 20
CALIBRATION_BINS = 15
LEAST_ROWS = 100  # of a day, for its own distribution
_FLOOR = 1e-4  # an empty bin would make an index without an end
LEAST_SHOWN = 5  # a group of fewer people is never shown


class UnreadableCard(ValueError):
    """This is no model card, or one whose shape this release does not know."""


class Figure(msgspec.Struct, frozen=True):
    """A figure with its interval (95 %), and the rows it was measured on."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0


class Data(msgspec.Struct, frozen=True):
    """What was learned from."""

    hash: str = ""
    rows: int = 0
    people: int = 0
    positives: int = 0
    cohorts: tuple[str, ...] = ()  # "AAA/2013J"
    days: tuple[int, ...] = ()  # days since the start at which people were looked at
    treated: int = 0  # rows on which somebody had acted


class Dates(msgspec.Struct, frozen=True):
    """ISO moments."""

    made_at: str = ""
    as_of: str = ""  # nothing known later was used
    first: str = ""  # of the rows
    last: str = ""


class Label(msgspec.Struct, frozen=True):
    key: str = ""  # "passed_by_end@1"
    question: str = ""
    warns_of: str = ""  # what y = 1 means, in words
    horizon_days: int | None = None
    censored: int = 0


class FeatureUse(msgspec.Struct, frozen=True):
    key: str
    version: int
    name: str = ""
    group: str = ""  # the signal it belongs to, as ``ablation`` names them
    importance: float | None = None  # mean absolute contribution, in log-odds
    unknown: float | None = None  # share of rows in which it was not known
    sensitivity: str = ""


class Method(msgspec.Struct, frozen=True):
    kind: str = ""
    says: str = ""  # one sentence
    calibration: str = ""
    parameters: dict[str, Any] = {}
    code_version: str = ""
    libraries: dict[str, str] = {}


class Bin(msgspec.Struct, frozen=True):
    """Of those given about this probability, how many it came true for."""

    said: float  # mean probability
    came_true: float
    n: int


class Ablation(msgspec.Struct, frozen=True):
    """What the model loses when it is trained without a group of features."""

    group: str
    features: tuple[str, ...]
    drop: Figure  # of average precision
    missing: float | None = None  # share of the group's values that were not known


class Distribution(msgspec.Struct, frozen=True):
    """A feature's values in training: shares between edges (among what was known), and the share not known."""

    edges: tuple[float, ...]
    shares: tuple[float, ...]  # one more than edges
    unknown: float
    # How far (as a population stability index) the run that was furthest from all of them was. Courses differ: their
    # plans, their calendars, how much there is to click. No further than that is no drift.
    between_runs: float = 0.0


class Card(msgspec.Struct, frozen=True):
    """Everything is optional: an honest page says what is missing."""

    format: int = FORMAT
    data: Data = Data()
    dates: Dates = Dates()
    label: Label = Label()
    method: Method = Method()
    features: tuple[FeatureUse, ...] = ()
    # By where it was measured ("day 14", "all days"), then by metric: auc, ap, ece, brier, precision_at_10.
    metrics: dict[str, dict[str, Figure]] = {}
    measured_on: str = ""  # what the metrics were measured on, in a sentence
    # By attribute ("course", "role", "day"), group, metric. Groups under LEAST_SHOWN people are left out.
    slices: dict[str, dict[str, dict[str, Figure]]] = {}
    fairness: dict[str, Any] = {}  # signals.training.fairness.dump
    calibration: tuple[Bin, ...] = ()
    scores: tuple[int, ...] = ()  # how many scores fell in each of SCORE_BINS equal bins
    ablation: tuple[Ablation, ...] = ()
    training_distribution: dict[str, Distribution] = {}
    # The same by day since the start: late in a course people differ from early on, and that is no drift.
    distribution_by_day: dict[str, dict[str, Distribution]] = {}
    tried: tuple[str, ...] = ()  # the methods that were tried, the chosen one among them, and how each did
    limits: tuple[str, ...] = ()


def write(card: Card) -> dict[str, Any]:
    """The card as ``ModelVersion.card`` keeps it."""
    built: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(card))
    return built


def read(stored: Mapping[str, Any]) -> Card:
    """The card of a version; an empty one where none was written. Raises UnreadableCard."""
    if stored.get("format", FORMAT) != FORMAT:
        raise UnreadableCard(f"The card has format {stored['format']}; this release reads {FORMAT}.")
    try:
        # Not strict: JSON knows no tuples, and a whole number may stand for a fraction.
        return msgspec.convert(stored, Card, strict=False)
    except msgspec.ValidationError as fault:
        raise UnreadableCard(f"The card cannot be read: {fault}.") from fault


# --- what training fills in --------------------------------------------------------------------------------------


def distribution(values: "Floats") -> Distribution:
    """How a feature was distributed: NaN is not known. Edges are quantiles, so that shares are alike."""
    import numpy as np

    known = values[np.isfinite(values)]
    unknown = 1 - len(known) / len(values) if len(values) else 1.0
    if not len(known):
        return Distribution((), (), unknown)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))
    return Distribution(
        tuple(float(edge) for edge in edges),
        tuple(float(share) for share in shares_between(known, edges)),
        float(unknown),
    )


def distributions(data: "Dataset") -> tuple[dict[str, Distribution], dict[str, dict[str, Distribution]]]:
    """``training_distribution`` and ``distribution_by_day`` of a training set."""
    import numpy as np

    names = np.array(data.cohorts)

    def of(wanted: "Flags") -> dict[str, Distribution]:
        rows, runs = data.features[wanted], names[wanted]
        large = [
            name
            for name, people in zip(*np.unique(runs, return_counts=True), strict=True)
            if people >= LEAST_ROWS
        ]
        found = {}
        for place, key in enumerate(data.keys):
            whole = distribution(rows[:, place])
            furthest = max((psi(whole, rows[runs == name, place]) for name in large), default=0.0)
            found[key] = msgspec.structs.replace(whole, between_runs=furthest)
        return found

    return of(np.ones(len(data), dtype=np.bool_)), {
        str(day): of(data.day == day)
        for day in np.unique(data.day).tolist()
        if (data.day == day).sum() >= LEAST_ROWS
    }


def psi(then: Distribution, values: "Floats") -> float:
    """The population stability index against training; "not known" is a bin like any other."""
    import numpy as np

    known = values[np.isfinite(values)]
    unknown = 1 - len(known) / len(values) if len(values) else 0.0
    shares = (
        shares_between(known, np.array(then.edges)).tolist()
        if then.shares
        # Nothing was known of it in training: whatever is known now is new.
        else [1.0 if len(known) else 0.0]
    )
    expected = [share * (1 - then.unknown) for share in then.shares or (0.0,)] + [then.unknown]
    actual = [share * (1 - unknown) for share in shares] + [unknown]
    return sum(
        (max(now, _FLOOR) - max(was, _FLOOR)) * log(max(now, _FLOOR) / max(was, _FLOOR))
        for was, now in zip(expected, actual, strict=True)
    )


def shares_between(known: "Floats", edges: "Floats") -> "Floats":
    """The share of the values in each bin. A value on an edge belongs to the bin above it."""
    import numpy as np

    places = np.searchsorted(edges, known, side="right")
    return np.bincount(places, minlength=len(edges) + 1) / max(len(known), 1)


def calibration(probability: "Floats", y: "Floats", bins: int = CALIBRATION_BINS) -> tuple[Bin, ...]:
    """Said against came true, in bins of equal width; a bin of fewer than LEAST_SHOWN is left out."""
    import numpy as np

    wanted = np.isfinite(probability) & np.isfinite(y)
    p, truth = probability[wanted], y[wanted]
    places = np.minimum((p * bins).astype(int), bins - 1)
    found = []
    for place in range(bins):
        inside = places == place
        n = int(inside.sum())
        if n >= LEAST_SHOWN:
            found.append(Bin(float(p[inside].mean()), float(truth[inside].mean()), n))
    return tuple(found)


def scores(probability: "Floats") -> tuple[int, ...]:
    """How many scores fell in each of SCORE_BINS equal bins."""
    import numpy as np

    known = probability[np.isfinite(probability)]
    places = np.minimum((known * SCORE_BINS).astype(int), SCORE_BINS - 1)
    return tuple(int(count) for count in np.bincount(places, minlength=SCORE_BINS))


def finite(value: float | None) -> float | None:
    """JSON knows no NaN."""
    return value if value is not None and isfinite(value) else None
