"""The gate's arithmetic: better with an interval, calibrated, fair to groups, and enough to go by."""

from dataclasses import replace
from typing import Any

import pytest

from signals.training.gate import Around, Bounds, Comparison, Evidence, GroupGap, is_too_wide, judge
from tests.support.promotions import drawn, dulled

pytestmark = pytest.mark.slow  # 400 draws each


def evidence(**fields: Any) -> Evidence:
    import numpy as np

    y, sharp = drawn()
    made: dict[str, Any] = {
        "candidate": "new",
        "live": "old",
        "old": dulled(sharp),
        "new": sharp,
        "y": y,
        "people": np.arange(len(y)),
        "runs": ["AAA"] * len(y),
    }
    return Evidence(**{**made, **fields})


def failed(comparison: Comparison) -> set[str]:
    return {check.key for check in comparison.checks if not check.passes}


def test_it_lets_a_better_model_pass() -> None:
    comparison = judge(evidence(), around=Around())

    assert comparison.passes
    assert comparison.metrics["ap"]["low"] > 0


def test_it_refuses_a_worse_model() -> None:
    right = evidence()

    comparison = judge(replace(right, old=right.new, new=right.old), around=Around())

    assert "better" in failed(comparison)


def test_it_refuses_what_is_as_good_as_the_live_one() -> None:
    right = evidence()

    comparison = judge(replace(right, old=right.new), around=Around())

    assert failed(comparison) == {"better"}


def test_it_refuses_a_model_that_ranks_well_and_says_the_wrong_share() -> None:
    right = evidence()

    comparison = judge(replace(right, old=right.new, new=right.new**3), around=Around())

    assert "calibration" in failed(comparison)


def test_it_refuses_what_is_surely_worse_for_one_group() -> None:
    import numpy as np

    right = evidence()
    course = ["B" if place % 3 == 0 else "A" for place in range(len(right.y))]
    # Of course B the candidate knows nothing, and the live model knows all there is.
    is_b = np.array(course) == "B"
    new, old = np.where(is_b, right.new.mean(), right.new), np.where(is_b, right.new, right.old)

    comparison = judge(replace(right, new=new, old=old, slices={"course": course}), around=Around())

    assert "slices" in failed(comparison)
    assert [one.group for one in comparison.slices if not one.passes] == ["B"]


def test_it_refuses_a_wider_gap_between_groups() -> None:
    import numpy as np

    right = evidence()
    group = ["one" if place % 2 else "two" for place in range(len(right.y))]
    # The candidate sees nobody of the second group in danger.
    new = np.where(np.array(group) == "two", right.new * 0.2, right.new)

    comparison = judge(replace(right, old=right.new, new=new, attributes={"gender": group}), around=Around())

    assert "fairness" in failed(comparison)
    assert comparison.gaps["gender"].highest == "one"


@pytest.mark.parametrize(
    ("new", "low", "old", "refused"),
    [
        (0.09, 0.02, None, False),  # narrow enough
        (0.14, 0.11, 0.13, False),  # as wide as what people have now
        (0.14, 0.06, 0.05, False),  # may be chance: the widest of ten differences
        (0.14, 0.11, 0.05, True),  # surely wider than it may be
        (0.24, 0.06, 0.05, True),  # too wide to be left to chance
        (0.14, None, None, True),  # nobody can say that it is chance
    ],
)
def test_a_gap_that_may_be_chance_keeps_nobody_from_a_better_model(
    new: float, low: float | None, old: float | None, refused: bool
) -> None:
    gap = GroupGap(old=old, new=new, low=low, high=0.3, highest="one", lowest="two")

    assert is_too_wide(gap, Bounds()) is refused


def test_it_wants_enough_people_whose_end_is_known() -> None:
    import numpy as np

    right = evidence()
    y = right.y.copy()
    y[150:] = np.nan

    comparison = judge(replace(right, y=y), around=Around())

    assert failed(comparison) == {"labels"}
    assert "known of 150 people" in comparison.refusal


def test_it_refuses_a_set_with_one_class() -> None:
    right = evidence()

    comparison = judge(replace(right, y=right.y * 0), around=Around())

    assert failed(comparison) == {"labels"}


def test_it_counts_people_rather_than_rows() -> None:
    import numpy as np

    right = evidence()

    comparison = judge(replace(right, people=np.arange(len(right.y)) // 10), around=Around())

    assert comparison.people == 60
    assert "labels" in failed(comparison)


def test_it_does_not_take_leaving_hard_cases_out_for_skill() -> None:
    import numpy as np

    right = evidence()
    unsure = np.where(np.abs(right.new - 0.5) < 0.3, np.nan, right.new)

    comparison = judge(replace(right, old=right.new, new=unsure), around=Around())

    assert "better" in failed(comparison)
    assert comparison.rows == len(right.y)


def test_it_says_so_where_one_of_them_is_never_sure() -> None:
    right = evidence()

    comparison = judge(replace(right, new=right.new * float("nan")), around=Around())

    assert "scores" in failed(comparison)


def test_it_waits_while_an_alert_is_open() -> None:
    comparison = judge(evidence(), around=Around(alerts=["Model old: people are not as in training"]))

    assert failed(comparison) == {"alerts"}
    assert "acknowledged" in comparison.refusal


def test_it_hears_those_who_looked_at_disagreements() -> None:
    few = judge(evidence(), around=Around(looked=10, candidate_right=0))
    many = judge(evidence(), around=Around(looked=40, candidate_right=8))

    assert "looks" not in failed(few)
    assert failed(many) == {"looks"}


def test_it_judges_the_same_twice_alike() -> None:
    assert judge(evidence(), around=Around()) == judge(evidence(), around=Around())


def test_it_does_not_judge_small_groups() -> None:
    right = evidence()
    unit = ["small" if place < 30 else "large" for place in range(len(right.y))]

    comparison = judge(replace(right, slices={"unit": unit}), around=Around(), bounds=Bounds())

    assert [one.group for one in comparison.slices] == ["large"]
    assert comparison.too_small == 1
