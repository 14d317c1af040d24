"""What a model may learn from, how it is split, and what is said where nothing can be learned."""

from dataclasses import replace

import pytest

from signals.training import methods
from signals.training.learn import BY_CHANCE, Tried, best_of, learn
from signals.training.measure import figures
from signals.training.presentations import own_id
from signals.training.rows import CannotTrain, family, folds, time_split, usable, weights
from tests.support.training import made_up


def test_it_leaves_out_whom_somebody_helped() -> None:
    import numpy as np

    data = made_up()
    treated = data.enrolment_ids < 10

    kept = usable(replace(data, treated=treated))

    assert np.unique(kept.enrolment_ids).min() == 10


def test_it_leaves_out_what_is_censored() -> None:
    import numpy as np

    data = made_up()

    kept = usable(replace(data, y=np.where(data.enrolment_ids < 10, np.nan, data.y)))

    assert len(kept) == len(data) - 20


def test_it_says_that_no_label_is_known_yet() -> None:
    import numpy as np

    data = made_up()

    with pytest.raises(CannotTrain, match=r"has a label passed_by_end@1 yet"):
        usable(replace(data, y=np.full(len(data), np.nan)))


def test_it_says_that_there_is_one_class_only() -> None:
    import numpy as np

    data = made_up()

    with pytest.raises(CannotTrain, match="badly for 400 enrolments and well for 0"):
        usable(replace(data, y=np.ones(len(data))))


def test_it_says_that_a_cohort_of_three_is_too_few() -> None:
    with pytest.raises(CannotTrain, match="There are 3 enrolments"):
        usable(made_up(people=3))


def test_it_lets_the_untreated_stand_for_those_likely_to_be_treated() -> None:
    import numpy as np

    data = made_up()
    likely = np.where(data.enrolment_ids == 0, 0.5, np.nan)

    weight = weights(replace(data, propensity=likely))

    assert weight[0] == pytest.approx(2 * weight[-1])


def test_it_bounds_what_one_row_can_stand_for() -> None:
    import numpy as np

    data = made_up()
    sure = np.where(data.enrolment_ids == 0, 1.0, np.nan)

    weight = weights(replace(data, propensity=sure))

    assert weight[0] == pytest.approx(10 * weight[-1])


def test_it_keeps_runs_whole_in_folds() -> None:
    data = made_up()

    fold = folds(data)

    found = {(cohort, number) for cohort, number in zip(data.cohorts, fold.tolist(), strict=True)}
    assert len(found) == len(set(data.cohorts)) == len(set(fold.tolist()))


def test_it_pools_runs_too_small_to_be_a_fold() -> None:
    runs = tuple(f"AAA/{number}" for number in range(100))

    fold = folds(made_up(runs=runs))

    assert len(set(fold.tolist())) == 5  # of people: no run has thirty


def test_it_keeps_all_rows_of_a_person_in_one_fold() -> None:
    data = made_up(runs=("AAA/2013B",))

    fold = folds(data)

    pairs = set(zip(data.enrolment_ids.tolist(), fold.tolist(), strict=True))
    assert len(pairs) == 400


def test_it_judges_on_the_latest_starts() -> None:
    data = made_up()

    split = time_split(data)

    assert split is not None
    assert {cohort for cohort, later in zip(data.cohorts, split[1].tolist(), strict=True) if later} == {
        "AAA/2013J",
        "BBB/2013J",
    }


def test_it_has_no_split_in_time_where_all_began_together() -> None:
    assert time_split(made_up(runs=("AAA/2013B", "BBB/2013B"))) is None


def test_it_learns_from_nothing_that_is_the_same_for_everybody() -> None:
    assert "load" not in methods.inputs(made_up())


def test_it_never_learns_from_declared_attributes() -> None:
    assert not {"gender", "age_band", "disability", "deprivation_band"} & set(methods.inputs(made_up()))


@pytest.mark.slow
def test_it_says_which_methods_there_are() -> None:
    with pytest.raises(CannotTrain, match="blend, boosted, ebm, logistic"):
        learn(made_up(), method="oracle")


@pytest.mark.slow
def test_it_chooses_the_best_method_in_a_split_in_time() -> None:
    learning = learn(made_up())

    best = max(one.figure for one in learning.tried)
    chosen = next(one for one in learning.tried if one.method == learning.model.kind)
    assert best - chosen.figure <= BY_CHANCE
    assert {one.on for one in learning.tried} == {"the latest starts, learned from the earlier ones"}


@pytest.mark.parametrize(("boosted", "chosen"), [(0.751, "blend"), (0.76, "boosted")])
def test_where_chance_could_decide_it_takes_the_average_of_two(boosted: float, chosen: str) -> None:
    tried = (
        Tried("blend", 0.75, 0.75, ""),
        Tried("boosted", boosted, boosted, ""),
        Tried("logistic", 0.7, 0.7, ""),
    )

    assert best_of(tried) == chosen


@pytest.mark.slow
def test_it_comes_true_as_often_as_it_says() -> None:
    data = made_up(people=2000)

    learning = learn(data, method="logistic")

    assert abs(learning.out_of_fold.mean() - data.y.mean()) < 0.01


def test_it_gives_an_interval_around_each_figure() -> None:
    import numpy as np

    data = made_up()
    sharp = 0.1 + 0.8 * data.y

    told = figures(data, sharp, np.ones(len(data), dtype=bool), rounds=10)

    assert told["auc"].value == 1
    assert told["precision_at_10"].value == 1
    assert told["ece"].value == pytest.approx(0.1)
    assert told["brier"].value == pytest.approx(0.01)
    assert all(one.low is not None and one.high is not None for one in told.values())


def test_the_interval_of_a_calibration_error_holds_what_was_measured() -> None:
    """Every draw has chance misses of its own in each bin; a well-calibrated model must not look worse than it is."""
    import numpy as np

    data = made_up(people=300)
    chance = np.random.default_rng(3)
    said = chance.random(len(data))
    data.y[:] = chance.random(len(data)) < said

    told = figures(data, said, np.ones(len(data), dtype=bool), rounds=200)["ece"]

    assert told.value is not None and told.low is not None and told.high is not None
    assert told.low < told.value < told.high


@pytest.mark.parametrize(
    ("value", "own"),
    [
        ("https://ou.example/students|oulad-student-123", "123"),
        ("https://hr.example|j.smith-jones", "j.smith-jones"),
        ("00417", "00417"),
    ],
)
def test_it_names_people_as_their_source_does(value: str, own: str) -> None:
    assert own_id(value) == own


def test_it_knows_runs_of_one_course() -> None:
    assert family("BBB/2013J") == family("BBB/2014B") == "BBB"
    assert family("onboarding@2013-02-01") == "onboarding"
