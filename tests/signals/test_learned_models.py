"""Learned models: contributions add up, artefacts say what they are, and nothing unusable scores."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import zstandard

from signals.features.definitions import VERSIONS
from signals.risk.learned import Calibration, Model, UnusableModel, load, pack
from signals.training.learn import learn, probabilities
from signals.training.methods import METHODS
from tests.support.training import KEYS, made_up

every_method = pytest.mark.parametrize("method", sorted(METHODS))


def small() -> Model:
    """A model whose every number is written down."""
    import numpy as np

    from signals.risk.parts import Linear

    width = len(KEYS)
    part = Linear(
        np.zeros(width),
        np.zeros(width),
        np.ones(width),
        4.0,
        np.array([0.0, 10.0]),
        0,
        np.array([[0.0, -1.0, 0.0, 0.0], [0.0, -3.0, 0.0, 0.0]]),
        np.array([1.0, 2.0]),
    )
    return Model("logistic", KEYS, {key: VERSIONS[key] for key in KEYS}, (part,))


def changed(artefact: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    stored = msgspec.json.decode(zstandard.ZstdDecompressor().decompressobj().decompress(artefact))
    change(stored)
    return zstandard.ZstdCompressor().compress(msgspec.json.encode(stored))


@pytest.mark.slow
@every_method
def test_it_adds_up_to_the_log_odds(method: str) -> None:
    import numpy as np

    data = made_up()
    model = learn(data, method=method).model

    scored = model.score(data.features[:, [data.keys.index(key) for key in model.keys]])

    odds = scored.base + scored.contributions.sum(axis=1)
    assert np.abs(odds - np.log(scored.probability / (1 - scored.probability))).max() < 1e-9


@pytest.mark.slow
@every_method
def test_it_scores_the_same_after_it_was_kept(method: str) -> None:
    import numpy as np

    data = made_up()
    model = learn(data, method=method).model

    again = load(pack(model), feature_versions=VERSIONS)

    assert np.array_equal(probabilities(again, data), probabilities(model, data))


@pytest.mark.slow
@every_method
def test_it_is_the_same_model_from_the_same_rows(method: str) -> None:
    assert pack(learn(made_up(), method=method).model) == pack(learn(made_up(), method=method).model)


@pytest.mark.slow
@every_method
def test_it_ranks_people_it_has_not_seen(method: str) -> None:
    import numpy as np

    from signals.training.paired import area_under_roc

    model = learn(made_up(), method=method).model
    others = made_up(seed=2)

    assert area_under_roc(probabilities(model, others), others.y, np.ones(len(others))) > 0.65


def test_it_is_interpolated_between_the_days_it_learned_for() -> None:
    import numpy as np

    scored = small().score(np.array([[5.0, 1.0, 0.0, 0.0]]))

    assert scored.base.tolist() == [1.5]
    assert scored.contributions.tolist() == [[0.0, -2.0, 0.0, 0.0]]


@every_method
def test_not_knowing_never_raises_it(method: str) -> None:
    """In these rows who has no points often fails: a model learns it, and must not say it."""
    import numpy as np

    data = made_up()
    data.y[np.isnan(data.features[:, 2])] = 1.0
    model = learn(data, method=method).model
    gap = model.keys.index("points_share")
    rows = data.features[:, [data.keys.index(key) for key in model.keys]].copy()
    rows[:, gap] = np.nan

    scored = model.score(rows)

    assert (scored.contributions[:, gap] <= 0).all()
    odds = np.log(scored.probability / (1 - scored.probability))
    assert np.allclose(odds, scored.base + scored.contributions.sum(axis=1))


def test_a_part_s_gap_counts_as_nothing_known() -> None:
    import numpy as np

    centre, gap = small().score(np.array([[5.0, 0.0, 0.0, 0.0], [5.0, np.nan, 0.0, 0.0]])).contributions

    assert centre.tolist() == gap.tolist()


def test_it_takes_a_value_that_is_not_finite_for_unknown() -> None:
    import numpy as np

    endless, unknown = small().score(np.array([[0.0, 0.0, np.inf, 0.0], [0.0, 0.0, np.nan, 0.0]])).probability

    assert endless == unknown


def test_it_calibrates_by_day() -> None:
    import numpy as np

    slope, offset = Calibration((0.0, 10.0), (1.0, 2.0), (0.0, 1.0)).at(np.array([5.0, 99.0, np.nan]))

    assert slope.tolist() == [1.5, 2.0, 1.0]
    assert offset.tolist() == [0.5, 1.0, 0.0]


def test_it_refuses_rows_of_another_width() -> None:
    import numpy as np

    with pytest.raises(UnusableModel, match="reads 4 features and was given 3"):
        small().score(np.zeros((1, 3)))


def test_it_refuses_another_format() -> None:
    artefact = changed(pack(small()), lambda stored: stored.update(format=99))

    with pytest.raises(UnusableModel, match="format 99"):
        load(artefact, feature_versions=VERSIONS)


def test_it_refuses_a_feature_of_another_version() -> None:
    with pytest.raises(UnusableModel, match="points_share"):
        load(pack(small()), feature_versions={**VERSIONS, "points_share": 99})


def test_it_refuses_a_feature_that_is_gone() -> None:
    versions = {key: version for key, version in VERSIONS.items() if key != "load"}

    with pytest.raises(UnusableModel, match="load, which no longer exist"):
        load(pack(small()), feature_versions=versions)


def test_it_refuses_what_is_no_artefact() -> None:
    with pytest.raises(UnusableModel, match="no model of ours"):
        load(b"\x80\x04pickled", feature_versions=VERSIONS)


@pytest.mark.parametrize("gone", ["keys", "versions", "parts", "kind"])
def test_it_refuses_an_artefact_with_something_missing(gone: str) -> None:
    artefact = changed(pack(small()), lambda stored: stored.pop(gone))

    with pytest.raises(UnusableModel):
        load(artefact, feature_versions=VERSIONS)


def test_it_refuses_a_part_of_an_unknown_kind() -> None:
    artefact = changed(pack(small()), lambda stored: stored["parts"][0].update(kind="oracle"))

    with pytest.raises(UnusableModel, match="oracle"):
        load(artefact, feature_versions=VERSIONS)


def test_it_refuses_a_part_cut_short() -> None:
    artefact = changed(pack(small()), lambda stored: stored["parts"][0]["weights"].pop())

    with pytest.raises(UnusableModel, match="incomplete"):
        load(artefact, feature_versions=VERSIONS)
