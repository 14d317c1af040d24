"""A model's two drawings as numbers for inline SVG: said against came true, and how the scores lie."""

from collections.abc import Sequence
from dataclasses import dataclass

from signals.training.card import Bin

SIDE = 260  # the drawing within its margins
HEIGHT = 120
BIGGEST, SMALLEST = 9.0, 2.5  # radius of a dot


@dataclass(frozen=True, slots=True)
class Dot:
    x: float
    y: float
    r: float
    says: str


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    says: str


def dots(bins: Sequence[Bin]) -> list[Dot]:
    """A dot for each bin: the further from the diagonal, the less it is right about as often as it says."""
    most = max((one.n for one in bins), default=1)
    return [
        Dot(
            round(SIDE * one.said, 1),
            round(SIDE * (1 - one.came_true), 1),
            round(max(BIGGEST * (one.n / most) ** 0.5, SMALLEST), 1),
            f"Said {one.said:.0%}, came true {one.came_true:.0%} ({one.n:,})",
        )
        for one in bins
    ]


def line(found: Sequence[Dot]) -> str:
    """The dots as the points of a line."""
    return " ".join(f"{dot.x},{dot.y}" for dot in found)


def bars(counts: Sequence[int]) -> list[Bar]:
    """A bar for each equal bin of scores."""
    most, step = max(counts, default=0), SIDE / max(len(counts), 1)
    if not most:
        return []
    return [
        Bar(
            round(place * step + 0.5, 1),
            round(HEIGHT - HEIGHT * count / most, 1),
            round(step - 1, 1),
            round(HEIGHT * count / most, 1),
            f"{place / len(counts):.0%} to {(place + 1) / len(counts):.0%}: {count:,}",
        )
        for place, count in enumerate(counts)
    ]
