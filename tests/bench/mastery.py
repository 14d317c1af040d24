"""How well mastery foretells answers, beside the mean of the last five; and how long a fit and an estimate take.

    bin/manage shell -c "from tests.bench.mastery import main; main()"

The people who answer are made up twice: once as the model assumes, and once otherwise (an ability of their own that
grows with practice, as item response theory has it), so that it is not judged by its own assumptions alone.
"""

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from signals.mastery.factors import FADING, Strand
from signals.mastery.fit import Answers, Fitted, _chances, _mean_of_last, fitted_to, judged

if TYPE_CHECKING:
    import numpy as np

    Floats = np.ndarray[Any, np.dtype[np.float64]]


def simulated(
    *, people: int, answers: int, strands: Sequence[Strand], items: int, fading: float, seed: int
) -> tuple[Answers, "Floats"]:
    """Answers that follow the model, and the difficulties of their items."""
    import numpy as np

    draw = np.random.default_rng(seed)
    shows = np.arange(items) % len(strands)
    difficulty = draw.normal(0, 0.8, items)
    for number in range(len(strands)):
        difficulty[shows == number] -= difficulty[shows == number].mean()
    rows = []
    for person in range(people):
        for competency, strand in enumerate(strands):
            own = np.flatnonzero(shows == competency)
            right = wrong = 0.0
            for item in draw.choice(own, answers):
                z = strand.start - difficulty[item] + strand.gain * (right + wrong) - strand.loss * wrong
                share = float(draw.random() < 1 / (1 + np.exp(-z)))
                rows.append((person, competency, item, share))
                right, wrong = fading * right + share, fading * wrong + 1 - share
    return _answers(rows), difficulty


def with_abilities(*, people: int, answers: int, competencies: int, items: int, seed: int) -> Answers:
    """Answers of people who differ by an ability of their own and improve by practice."""
    import numpy as np

    draw = np.random.default_rng(seed)
    shows = np.arange(items) % competencies
    difficulty = draw.normal(0, 1, items)
    rows = []
    for person in range(people):
        ability = draw.normal(0.3, 1)
        for competency in range(competencies):
            level = ability + draw.normal(0, 0.5)
            for before, item in enumerate(draw.choice(np.flatnonzero(shows == competency), answers)):
                z = level + 0.08 * before - difficulty[item]
                rows.append((person, competency, item, float(draw.random() < 1 / (1 + np.exp(-z)))))
    return _answers(rows)


def _answers(rows: list[tuple[int, int, int, float]]) -> Answers:
    import numpy as np

    people, competencies, items, share = zip(*rows, strict=True)
    return Answers(np.array(people), np.array(competencies), np.array(items), np.array(share))


def main() -> None:
    """Prints the figures."""
    worlds = {
        "as the model assumes": simulated(
            people=3000,
            answers=12,
            strands=[Strand(-0.4, 0.3, 0.6), Strand(0.6, 0.15, 0.5)],
            items=40,
            fading=FADING,
            seed=1,
        )[0],
        "abilities and practice": with_abilities(people=3000, answers=12, competencies=2, items=40, seed=2),
    }
    for name, made in worlds.items():
        began = perf_counter()
        held_out = made.people % 5 == 0
        fitted = fitted_to(made.some(~held_out), 2, 40)
        seconds = perf_counter() - began
        figures = {key: round(value, 4) for key, value in judged(made.some(held_out), fitted).items()}
        print(
            f"{name}: {len(made)} answers, three fits in {seconds:.1f} s, fading {fitted.fading}: {figures}"
        )
        print(f"  calibration error (10 bins): {_calibration(made.some(held_out), fitted)}")


def _calibration(answers: Answers, fitted: Fitted) -> dict[str, float]:
    import numpy as np

    found = {}
    for name, chances in (("model", _chances(answers, fitted)), ("last five", _mean_of_last(answers))):
        place = np.minimum((chances * 10).astype(int), 9)
        error = np.bincount(place, chances, 10) - np.bincount(place, answers.share, 10)
        found[name] = round(float(np.abs(error).sum() / len(answers)), 4)
    return found
