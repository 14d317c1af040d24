"""What a model would lose without each signal, as its card tells it."""

from dataclasses import replace

import pytest

from signals.training import ablation
from tests.support.training import KEYS, made_up

pytestmark = pytest.mark.slow


def test_it_tells_what_each_signal_is_worth() -> None:
    found = {one.group: one for one in ablation.without_each_signal(made_up(), KEYS)}

    assert set(found) == {"Activity", "Results"}  # the day and the study load are no signals
    assert found["Activity"].features == ("active_days_14_pct",)
    assert (found["Activity"].drop.low or 0) > 0.02
    assert found["Results"].missing == pytest.approx(0.2, abs=0.04)


def test_it_says_that_nothing_is_lost_without_what_tells_nothing() -> None:
    import numpy as np

    data = made_up()
    noise = np.random.default_rng(5).random(len(data))
    data = replace(data, keys=(*data.keys, "weekend_share"), features=np.column_stack([data.features, noise]))

    (habits,) = [
        one for one in ablation.without_each_signal(data, data.keys) if one.group == "Learning habits"
    ]

    assert habits.drop.value == pytest.approx(0, abs=0.03)


def test_it_says_nothing_of_a_model_of_one_signal() -> None:
    assert ablation.without_each_signal(made_up(), ("active_days_14_pct",)) == ()


def test_it_is_the_same_again() -> None:
    assert ablation.without_each_signal(made_up(), KEYS) == ablation.without_each_signal(made_up(), KEYS)
