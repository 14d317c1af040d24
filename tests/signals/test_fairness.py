"""Fairness by group: rates with intervals, what is too small, what is never shown, and remedies with their cost."""

from typing import Any

import pytest

from signals.training import fairness, remedies
from signals.training.dataset import Dataset
from signals.training.fairness import dump, load, report
from tests.support.promotions import drawn

pytestmark = pytest.mark.slow


def judged(group: list[str], p: Any = None, y: Any = None) -> fairness.Report:
    import numpy as np

    truth, probability = drawn(people=len(group))
    return report(
        probability=probability if p is None else p,
        y=truth if y is None else y,
        people=np.arange(len(group)),
        runs=["AAA"] * len(group),
        attributes={"gender": group},
    )


def test_it_gives_rates_with_intervals() -> None:
    import numpy as np

    y = np.array([1.0, 0.0] * 300)
    p = np.where(np.arange(600) % 4 == 0, 0.9, 0.1)  # finds half of those it comes true for

    found = judged(["a" if place < 300 else "b" for place in range(600)], p, y)

    rate = found.attributes[0].cuts[1].groups[0].rates["tpr"]
    assert rate.value == pytest.approx(0.5)
    assert rate.low is not None
    assert rate.high is not None
    assert 0.35 < rate.low < 0.5 < rate.high < 0.65


def test_it_flags_the_top_of_each_run() -> None:
    found = judged(["a", "b"] * 300)

    top = found.attributes[0].cuts[0]
    flagged = sum((group.rates["selection"].value or 0) * group.people for group in top.groups)
    assert flagged == pytest.approx(120)


def test_it_judges_no_small_group_and_leaves_it_out_of_the_gap() -> None:
    groups = ["a", "b"] * 300
    groups[:30] = ["small"] * 30

    found = judged(groups)

    small = next(group for group in found.attributes[0].cuts[0].groups if group.name == "small")
    gap = found.gap("gender")
    assert (small.judged, small.rates) == (False, {})
    assert gap is not None
    assert {gap.highest, gap.lowest} == {"a", "b"}


def test_it_never_shows_a_group_of_fewer_than_five() -> None:
    groups = ["a", "b"] * 300
    groups[:4] = ["four"] * 4
    groups[4:9] = ["five"] * 5

    found = judged(groups)

    names = {group.name for group in found.attributes[0].cuts[0].groups}
    assert "four" not in names
    assert "five" in names
    assert found.attributes[0].cuts[0].hidden == 1
    assert "four" not in str(dump(found))


def test_it_has_no_gap_with_those_who_declared_nothing() -> None:
    found = judged(["a" if place % 2 else "" for place in range(600)])

    assert found.gap("gender") is None
    assert {group.name for group in found.attributes[0].cuts[0].groups} == {"a", "not known"}


def test_it_counts_people_not_looks() -> None:
    import numpy as np

    y, p = drawn(people=600)

    found = report(
        probability=p, y=y, people=np.arange(600) // 200, runs=["A"] * 600, attributes={"x": ["a"] * 600}
    )

    assert found.attributes[0].cuts[0].groups == ()


def test_it_is_read_back_as_it_was_kept() -> None:
    found = judged(["a", "b"] * 300)

    assert load(dump(found)) == found
    assert load({"attributes": 7}) == fairness.Report()


def test_it_is_empty_without_labels() -> None:
    assert judged(["a"] * 600, y=drawn()[0] * float("nan")) == fairness.Report()


# --- remedies ----------------------------------------------------------------------------------------------------


def unfair(number: int = 1200) -> Dataset:
    """Two groups; what tells of trouble is seen in one of them only half as well."""
    import numpy as np

    chance = np.random.default_rng(5)
    group = np.where(chance.random(number) < 0.5, "one", "two")
    trouble = chance.standard_normal(number)
    y = (trouble + 0.5 * chance.standard_normal(number) > 0.3).astype(float)
    seen = np.where(group == "one", trouble, trouble * 0.3 - 0.5)
    features = np.column_stack([seen, chance.standard_normal(number)])
    return Dataset(
        enrolment_ids=np.arange(number),
        as_of=np.where(np.arange(number) < number // 2, 1.0, 2.0),
        day=np.full(number, 14),
        course_ids=np.ones(number, dtype=int),
        cohorts=tuple("2013B" if place < number // 2 else "2013J" for place in range(number)),
        feature_set="x",
        keys=("seen", "noise"),
        features=features,
        label="passed_by_end@1",
        y=y,
        treated=np.zeros(number, dtype=bool),
        propensity=np.full(number, np.nan),
        attributes={"gender": tuple(group.tolist())},
    )


@pytest.mark.parametrize("remedy", sorted(remedies.REMEDIES))
def test_it_tries_a_remedy_and_tells_what_it_costs(remedy: str) -> None:
    data = unfair()
    learn, judge = remedies.split_by_run(data)

    tried = remedies.preview(remedy=remedy, attribute="gender", data=data, learn=learn, judge=judge)

    assert tried.before is not None
    assert tried.after is not None
    assert set(tried.metrics) == {"ap", "auc", "ece"}
    assert tried.rows == 600


def test_it_makes_group_and_outcome_independent() -> None:
    import numpy as np

    data = unfair()
    groups, y = np.array(data.attributes["gender"]), data.y.astype(int)

    weights = remedies.reweighing(groups, y)

    shares = [np.average(y[groups == name], weights=weights[groups == name]) for name in ("one", "two")]
    assert shares[0] == pytest.approx(shares[1])


def test_it_learns_and_judges_on_different_runs() -> None:
    data = unfair()

    learn, judge = remedies.split_by_run(data)

    assert not (learn & judge).any()
    assert {name for name, keep in zip(data.cohorts, judge, strict=True) if keep} == {"2013J"}


def test_it_says_that_there_is_too_little_to_try_on() -> None:
    data = unfair(200)
    learn, judge = remedies.split_by_run(data)

    with pytest.raises(remedies.CannotTry, match="200 are needed"):
        remedies.preview(remedy="reweigh", attribute="gender", data=data, learn=learn, judge=judge)
    with pytest.raises(remedies.CannotTry):
        remedies.preview(remedy="reweigh", attribute="nothing", data=data, learn=learn, judge=judge)
