"""Drift: people who differ from training, risks that come true otherwise than said, and too little to tell."""

from typing import Any

import pytest

from consent.actors import SYSTEM
from signals.models import Finding, ModelVersion
from signals.quality import findings
from signals.quality.alerts import messages
from signals.risk.live import live_model
from signals.training import card as cards
from signals.training import drift
from signals.training.dataset import Dataset
from signals.training.drift import Calibration, Shift, Stability
from tests.support.promotions import NOW

KEY = "days_inactive"


def drawn(mean: float, *, number: int = 1000, unknown: float = 0.0, seed: int = 0) -> Any:
    import numpy as np

    chance = np.random.default_rng(seed)
    values = chance.normal(mean, 1.0, number)
    values[chance.random(number) < unknown] = np.nan
    return values


def dataset(features: Any, cohorts: list[str]) -> Dataset:
    """Rows of day 14 with this one feature."""
    import numpy as np

    n = len(cohorts)
    nothing = np.zeros(n)
    return Dataset(
        np.arange(n),
        nothing,
        np.full(n, 14),
        nothing.astype(int),
        tuple(cohorts),
        "core-2",
        (KEY,),
        features,
        "passed_by_end@1",
        nothing,
        nothing.astype(bool),
        np.full(n, np.nan),
    )


def rows(values: Any, *, day: int = 14) -> list[tuple[int, dict[str, Any]]]:
    return [(day, {} if value != value else {KEY: float(value)}) for value in values]


def card(**days: float) -> cards.Card:
    """A card of people whose feature lies around this value on this day."""
    return cards.Card(
        training_distribution={
            KEY: cards.distribution(drawn(next(iter(days.values())), number=5000, seed=9))
        },
        distribution_by_day={
            day.removeprefix("day"): {KEY: cards.distribution(drawn(mean, number=5000, seed=9))}
            for day, mean in days.items()
        },
    )


def test_it_is_still_where_people_are_as_in_training() -> None:
    found = drift.stability_of(rows(drawn(0)), card(day14=0.0), [KEY])

    assert found.shifts[0].psi < 0.05
    assert not found.shifts[0].moved


def test_it_notices_people_who_are_otherwise() -> None:
    found = drift.stability_of(rows(drawn(1)), card(day14=0.0), [KEY])

    assert found.shifts[0].moved


def test_it_notices_a_source_that_went_silent() -> None:
    found = drift.stability_of(rows(drawn(0, unknown=0.6)), card(day14=0.0), [KEY])

    assert found.shifts[0].moved
    assert found.shifts[0].unknown_now == pytest.approx(0.6, abs=0.05)


def test_it_compares_people_with_those_as_long_in_their_course() -> None:
    late = rows(drawn(3), day=80)

    assert not drift.stability_of(late, card(day14=0.0, day84=3.0), [KEY]).shifts[0].moved
    assert drift.stability_of(late, card(day14=0.0), [KEY]).shifts[0].moved


def test_it_does_not_take_another_course_for_drift() -> None:
    import numpy as np

    runs = [drawn(mean, number=400, seed=number) for number, mean in enumerate((0.0, 2.0, 4.0))]
    known = cards.distributions(
        dataset(np.concatenate(runs)[:, None], [f"c{n // 400}" for n in range(1200)])
    )[1]
    learned = cards.Card(training_distribution=known["14"], distribution_by_day=known)

    assert not drift.stability_of(rows(drawn(4.2, seed=8)), learned, [KEY]).shifts[0].moved
    assert drift.stability_of(rows(drawn(9.0)), learned, [KEY]).shifts[0].moved


def test_it_says_that_too_few_came_to_tell() -> None:
    found = drift.stability_of(rows(drawn(5, number=100)), card(day14=0.0), [KEY])

    assert not found.shifts
    assert "Only 100 people" in found.too_little


def test_it_does_not_take_chance_for_a_shift() -> None:
    found = [
        drift.stability_of(rows(drawn(0, number=200, seed=seed)), card(day14=0.0), [KEY])
        for seed in range(20)
    ]

    assert not any(one.shifts[0].moved for one in found)


@pytest.mark.parametrize(
    ("people", "said", "true", "is_off"),
    [(1000, 0.4, 0.41, False), (1000, 0.4, 0.5, True), (100, 0.4, 0.5, False), (1000, 0.4, 0.3, True)],
)
def test_it_tells_a_calibration_that_is_off_from_chance(
    people: int, said: float, true: float, is_off: bool
) -> None:
    assert Calibration(people, said, true).is_off is is_off


# --- findings ----------------------------------------------------------------------------------------------------


@pytest.fixture
def live(db: None) -> ModelVersion:
    return live_model(now=NOW)


def told(monkeypatch: pytest.MonkeyPatch, psi: float, calibration: Calibration | None = None) -> None:
    shift = Shift(KEY, "Days without activity", psi, 0.0, 0.0)
    monkeypatch.setattr(drift, "stability", lambda *_, **__: Stability((shift,), 900))
    monkeypatch.setattr(
        drift, "calibration", lambda *_, **__: calibration or Calibration(too_little="Too few.")
    )


def test_it_opens_one_finding_and_closes_it_when_it_is_over(
    live: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(monkeypatch, 0.4)
    opened = (drift.inspect(now=NOW), drift.inspect(now=NOW))

    told(monkeypatch, 0.05)

    assert opened == (1, 0)
    assert drift.inspect(now=NOW) == 1
    assert Finding.objects.get().ending == "recovered"


def test_it_neither_opens_nor_closes_where_too_little_came(
    live: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(monkeypatch, 0.4)
    drift.inspect(now=NOW)
    monkeypatch.setattr(drift, "stability", lambda *_, **__: Stability(too_little="Too few."))

    assert drift.inspect(now=NOW) == 0
    assert Finding.objects.open().count() == 1


def test_it_does_not_repeat_what_was_acknowledged_until_it_has_grown(
    live: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(monkeypatch, 0.4)
    drift.inspect(now=NOW)
    findings.accept(Finding.objects.get(), by=SYSTEM, now=NOW)

    same = drift.inspect(now=NOW)
    told(monkeypatch, 0.6)
    grown = drift.inspect(now=NOW)

    assert (same, grown) == (0, 1)


def test_it_tells_of_risks_that_come_true_less_often_than_said(
    live: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(monkeypatch, 0.0, Calibration(1000, 0.5, 0.3))

    drift.inspect(now=NOW)

    finding = Finding.objects.get()
    assert finding.kind == "model_calibration"
    assert "50.0% were to fail" in finding.says


def test_it_mails_a_finding_about_a_model_like_any_other(
    live: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(monkeypatch, 0.4)
    drift.inspect(now=NOW)

    mail = messages(list(Finding.objects.all()), ["admin@works.example"])[0]

    assert mail.subject == "Rekindle data quality: Model composite-1: people are not as in training"


def test_it_has_nothing_to_compare_an_untrained_model_with(live: ModelVersion) -> None:
    assert "not trained" in drift.stability(live, now=NOW).too_little
    assert drift.calibration(live, now=NOW).too_little
