"""Fits performance factors analysis to the answers there are: nightly, where enough new ones have come in."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import connection, transaction

from learners.models import Learner
from signals.mastery.answers import current_fit, items
from signals.mastery.estimate import keep
from signals.mastery.factors import FADING, PRIOR, Strand
from signals.models import ItemDifficulty, MasteryFit

if TYPE_CHECKING:
    from signals.array_types import Flags, Floats, Whole

LEAST_TO_FIT = 200  # answers; with fewer the prior says as much
NEW_SHARE = 0.05  # so many more answers than at the last fit make another one worth while
MOST_ANSWERS = 2_000_000  # the newest; more teach nothing
FADINGS = (1.0, FADING, 0.8)
HELD_OUT = 5  # every fifth person
LAST = 5  # answers in the baseline
# How far parameters stray: of a competency from all, of an item from its competency, of all from what we assume.
SPREAD_START, SPREAD_RATE, SPREAD_ITEM, SPREAD_PRIOR = 1.0, 0.1, 1.0, 1.0
LEARNERS_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class Answers:
    """Single answers, those of one person and competency together and in their order."""

    people: "Whole"
    competencies: "Whole"  # 0 … k-1
    items: "Whole"  # 0 … j-1
    share: "Floats"  # 1 right, 0 wrong, between for a part

    def __len__(self) -> int:
        return len(self.share)

    def some(self, chosen: "Flags | Whole") -> "Answers":
        return Answers(self.people[chosen], self.competencies[chosen], self.items[chosen], self.share[chosen])


@dataclass(frozen=True, slots=True)
class Fitted:
    """Parameters as fitted: of all, of each competency, of each item."""

    fading: float
    pooled: Strand
    strands: list[Strand]
    difficulties: "Floats"


def fit(*, now: datetime) -> int:
    """How many answers a new fit learned from; 0 where there are too few, or hardly any new ones.

    Current estimates of everybody who has any are kept anew with it.
    """
    shown = items()
    if not shown:
        return 0
    answers, activities, competencies = _read(shown)
    last = current_fit()
    if len(answers) < max(LEAST_TO_FIT, (1 + NEW_SHARE) * last.answers if last else 0):
        return 0
    held_out = answers.people % HELD_OUT == 0
    fitted = fitted_to(answers.some(~held_out), len(competencies), len(activities))
    metrics = judged(answers.some(held_out), fitted) if held_out.any() else {}
    final = _fitted(answers, len(competencies), len(activities), fitted.fading)
    _store(final, answers, activities, competencies, shown, metrics, now)
    learners = list(
        Learner.objects.filter(mastery__isnull=False).distinct().order_by("pk").values_list("pk", flat=True)
    )
    for first in range(0, len(learners), LEARNERS_AT_ONCE):
        with transaction.atomic():
            keep(learners[first : first + LEARNERS_AT_ONCE], now=now)
    return len(answers)


def fitted_to(answers: Answers, competencies: int, items: int) -> Fitted:
    """The parameters, with the fading that explains these answers best."""
    tried = [(_fitted(answers, competencies, items, fading)) for fading in FADINGS]
    return min(tried, key=lambda one: _loss(_chances(answers, one), answers.share))


def judged(answers: Answers, fitted: Fitted) -> dict[str, float]:
    """How well answers of people unknown to the fit are foretold, beside the mean of their last five."""
    import numpy as np

    chances, baseline, before = _chances(answers, fitted), _mean_of_last(answers), _number_before(answers)
    seen = before >= 1  # the baseline knows nothing before the first answer
    return {
        "answers": float(seen.sum()),
        "log_loss": _loss(chances[seen], answers.share[seen]),
        "log_loss_last_five": _loss(baseline[seen], answers.share[seen]),
        "brier": float(np.mean((chances[seen] - answers.share[seen]) ** 2)),
        "brier_last_five": float(np.mean((baseline[seen] - answers.share[seen]) ** 2)),
    }


def _fitted(answers: Answers, competencies: int, items: int, fading: float) -> Fitted:
    """Penalised maximum likelihood. Convex, with rates kept at nought or above, so there is one best answer."""
    import numpy as np
    from scipy.optimize import minimize

    total, wrong = _sums_before(answers, fading)
    k = competencies
    prior = np.array(PRIOR)
    place = answers.competencies
    spreads = np.array([SPREAD_START, SPREAD_RATE, SPREAD_RATE])

    def objective(theta: "Floats") -> tuple[float, "Floats"]:
        pooled, strands, difficulty = theta[:3], theta[3 : 3 + 3 * k].reshape(3, k), theta[3 + 3 * k :]
        z = strands[0][place] - difficulty[answers.items]
        z += strands[1][place] * total - strands[2][place] * wrong
        away = strands - pooled[:, None]
        value = float(np.sum(np.logaddexp(0, z) - answers.share * z))
        value += float(
            np.sum((away / spreads[:, None]) ** 2) / 2 + np.sum((difficulty / SPREAD_ITEM) ** 2) / 2
        )
        value += float(np.sum(((pooled - prior) / SPREAD_PRIOR) ** 2) / 2)
        error = 1 / (1 + np.exp(-z)) - answers.share
        pull = away / (spreads**2)[:, None]
        slopes = np.stack(
            [
                np.bincount(place, error, k),
                np.bincount(place, error * total, k),
                -np.bincount(place, error * wrong, k),
            ]
        )
        gradient = np.concatenate(
            [
                (pooled - prior) / SPREAD_PRIOR**2 - pull.sum(axis=1),
                (slopes + pull).ravel(),
                difficulty / SPREAD_ITEM**2 - np.bincount(answers.items, error, items),
            ]
        )
        return value, gradient

    free, at_least_0 = (None, None), (0.0, None)
    found = minimize(
        objective,
        np.concatenate([prior, np.repeat(prior, k), np.zeros(items)]),
        jac=True,
        method="L-BFGS-B",
        bounds=[free, at_least_0, at_least_0, *[free] * k, *[at_least_0] * (2 * k), *[free] * items],
        options={"maxiter": 500},
    )
    strands = found.x[3 : 3 + 3 * k].reshape(3, k)
    return Fitted(
        fading,
        Strand(*map(float, found.x[:3])),
        [Strand(*map(float, column)) for column in strands.T],
        found.x[3 + 3 * k :],
    )


def _sums_before(answers: Answers, fading: float) -> tuple["Floats", "Floats"]:
    """Of each answer: the faded number of answers before it, and of wrong ones among them."""
    import numpy as np

    total, wrong = np.zeros(len(answers)), np.zeros(len(answers))
    whose: tuple[int, int] | None = None
    so_far = so_wrong = 0.0
    rows = zip(answers.people.tolist(), answers.competencies.tolist(), answers.share.tolist(), strict=True)
    for number, (person, competency, share) in enumerate(rows):
        if whose != (person, competency):
            whose, so_far, so_wrong = (person, competency), 0.0, 0.0
        total[number], wrong[number] = so_far, so_wrong
        so_far, so_wrong = fading * so_far + 1, fading * so_wrong + 1 - share
    return total, wrong


def _chances(answers: Answers, fitted: Fitted) -> "Floats":
    import numpy as np

    total, wrong = _sums_before(answers, fitted.fading)
    strands = np.array(fitted.strands)[answers.competencies]
    z = strands[:, 0] - fitted.difficulties[answers.items] + strands[:, 1] * total - strands[:, 2] * wrong
    return np.asarray(1 / (1 + np.exp(-z)))


def _number_before(answers: Answers) -> "Floats":
    return _sums_before(answers, 1.0)[0]


def _mean_of_last(answers: Answers) -> "Floats":
    """The mean of the five answers before each; a half before the first."""
    import numpy as np

    found = np.full(len(answers), 0.5)
    whose: tuple[int, int] | None = None
    recent: list[float] = []
    rows = zip(answers.people.tolist(), answers.competencies.tolist(), answers.share.tolist(), strict=True)
    for number, (person, competency, share) in enumerate(rows):
        if whose != (person, competency):
            whose, recent = (person, competency), []
        if recent:
            found[number] = sum(recent) / len(recent)
        recent = [*recent, share][-LAST:]
    return found


def _loss(chances: "Floats", shares: "Floats") -> float:
    """Mean log loss. A wrong forecast of nought or one would cost infinitely much, so both are a hundredth away."""
    import numpy as np

    p = np.clip(chances, 0.01, 0.99)
    return float(-np.mean(shares * np.log(p) + (1 - shares) * np.log(1 - p)))


_READ = """
SELECT dense_rank() OVER (ORDER BY own.learner_id), r.activity,
       coalesce(r.success::int::float8, least(greatest(r.scaled, 0), 1))
FROM (
    SELECT * FROM signals_assessmentresult
    WHERE is_item AND voided_seq IS NULL AND activity = ANY(%s)
    ORDER BY occurred_at DESC, statement_id DESC LIMIT %s
) r
JOIN learners_enrolment own ON own.id = r.enrolment_id
JOIN unnest(%s::bigint[], %s::bigint[]) AS item (activity, competency_id) ON item.activity = r.activity
ORDER BY own.learner_id, item.competency_id, r.occurred_at, r.statement_id
"""


def _read(shown: dict[int, int]) -> tuple[Answers, list[int], list[int]]:
    """The answers, and which activity and competency their numbers mean."""
    import numpy as np

    activities, competencies = sorted(shown), sorted(set(shown.values()))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL jit = off")
        cursor.execute(_READ, [activities, MOST_ANSWERS, list(shown), list(shown.values())])
        rows = cursor.fetchall()
    item_of = {activity: number for number, activity in enumerate(activities)}
    place_of = {competency: number for number, competency in enumerate(competencies)}
    return (
        Answers(
            np.array([row[0] for row in rows], dtype=np.int64),
            np.array([place_of[shown[row[1]]] for row in rows], dtype=np.int64),
            np.array([item_of[row[1]] for row in rows], dtype=np.int64),
            np.array([row[2] for row in rows], dtype=np.float64),
        ),
        activities,
        competencies,
    )


@transaction.atomic
def _store(
    fitted: Fitted,
    answers: Answers,
    activities: list[int],
    competencies: list[int],
    shown: dict[int, int],
    metrics: dict[str, float],
    now: datetime,
) -> None:
    import numpy as np

    row = MasteryFit.objects.create(
        fitted_at=now,
        fading=fitted.fading,
        pooled=list(fitted.pooled),
        strands={
            str(competency): list(strand)
            for competency, strand in zip(competencies, fitted.strands, strict=True)
        },
        answers=len(answers),
        learners=len(np.unique(answers.people)),
        metrics=metrics,
    )
    counts = np.bincount(answers.items, minlength=len(activities))
    ItemDifficulty.objects.exclude(pk__in=activities).delete()
    ItemDifficulty.objects.bulk_create(
        [
            ItemDifficulty(
                activity=activity,
                competency_id=shown[activity],
                difficulty=float(fitted.difficulties[number]),
                answers=int(counts[number]),
                fit=row,
            )
            for number, activity in enumerate(activities)
            if counts[number]
        ],
        update_conflicts=True,
        unique_fields=["activity"],
        update_fields=["competency", "difficulty", "answers", "fit"],
    )
