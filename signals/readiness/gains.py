"""Which missing signals would be worth having: ranked by the gain that the live model's own card lets one expect."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from signals.models import ModelVersion
from signals.readiness.answers import Line, State, percent
from signals.training import card as cards
from signals.training import drift

MOST = 3


@dataclass(frozen=True, slots=True)
class Gain:
    """What knowing a group of features for everybody could bring."""

    group: str
    drop: float  # of average precision, when the model learns without it
    missing: float  # share not known
    expected: float  # an estimate: drop × missing

    @property
    def says(self) -> str:
        return (
            f"{self.group} (not known in {percent(self.missing)}; without it the model lost {self.drop:.4f} of average"
            f" precision; expected gain up to {self.expected:.4f})"
        )


def ranked(card: cards.Card, unknown_now: dict[str, float]) -> list[Gain]:
    """The groups that could bring something, the most promising first.

    What the model loses without a group, times the share in which it is not known: as if the unknown ones told as much
    as the known ones do. That is an estimate and no promise: those whose signal is missing may differ.
    """
    found = []
    for one in card.ablation:
        known = [unknown_now[key] for key in one.features if key in unknown_now]
        missing = sum(known) / len(known) if known else one.missing
        drop = one.drop.value
        if missing is None or drop is None or drop <= 0 or missing <= 0:
            continue
        found.append(Gain(one.group, drop, missing, drop * missing))
    return sorted(found, key=lambda gain: (-gain.expected, gain.group))


def missing_signals(now: datetime) -> Iterator[Line]:
    """Which missing signal would be worth having first?"""
    question = "Which missing signal would bring the most?"
    wanted = "an estimate: what the model loses without a signal × the share in which it is not known"
    # The live model where it was trained, else the newest that was: a composite tells nothing about signals.
    model = ModelVersion.objects.exclude(card={}).order_by("-is_live", "-created_at", "-pk").first()
    card = cards.Card()
    if model is not None:
        try:
            card = cards.read(model.card)
        except cards.UnreadableCard:
            model = None
    if model is None or not card.ablation:
        yield Line(
            "missing_signals",
            question,
            State.WARN,
            "No trained model says what each signal is worth"
            if model is None
            else f"The card of “{model.name}” does not say what it would lose without each signal",
            wanted,
            "Run manage.py train: its card can hold the comparison with and without each signal.",
        )
        return
    shifts = drift.stability(model, now=now).shifts
    gains = ranked(card, {shift.key: shift.unknown_now for shift in shifts})
    total = sum(gain.expected for gain in gains)
    worth = [gain for gain in gains if gain.expected >= 0.001]
    told = "; ".join(f"{place}. {gain.says}" for place, gain in enumerate(gains[:MOST], start=1))
    yield Line(
        "missing_signals",
        question,
        State.WARN if worth else State.PASS,
        told or "No signal is missing that the model makes use of",
        wanted,
        f"Connect the source of {worth[0].group.lower()} first; docs/sources.md says how." if worth else "",
        total,
    )
