"""A bound may be lower once an effect is confirmed, flags are still right and acting is still worth it."""

from typing import Any

import pytest

from interventions.backtest.thresholds import Case
from interventions.backtest.widening import Widening, sentence, widen
from interventions.policy.document import Document, with_changes
from interventions.snapshot import Compared

CONFIRMED = {"nudge": Compared(gain=0.06, error=0.01, treated=900, held_out=900)}
# 60 known above 0.45, of whom 54 needed help; 30 between 0.4 and 0.45, of whom 24 did.
CASES = [
    *(Case(0.6, number >= 6) for number in range(60)),
    *(Case(0.43, number >= 6) for number in range(30)),
]


def asked(
    cases: list[Case] = CASES,
    document: Document | None = None,
    compared: dict[str, Compared] = CONFIRMED,
    *,
    band: str = "medium",
    target: float = 0.6,
) -> Widening:
    return widen(cases, document or Document(), compared, band=band, target=target)


def test_it_proposes_one_step_down_with_what_it_rests_on() -> None:
    found = asked()

    assert (found.bound, found.why_not, found.action) == (0.4, "", "nudge")
    assert found.then is not None and (found.then.part, found.then.whole) == (78, 90)
    assert found.lift is not None and found.lift.mean == pytest.approx(0.05)
    # 0.05 × (24/30) / (54/60) × 1,200 minutes − half a minute
    assert found.expected == pytest.approx(0.05 * (0.8 / 0.9) * 1200 - 0.5)
    assert sentence(found) == (
        "It may be wider: that a step of the kind “nudge” helps is confirmed (a lift of 5.0%, between 3.2% and 6.8%). "
        "At 0.4 78 of 90 flags were right, and for those whom it brings in a step is worth 52.8 minutes."
    )


@pytest.mark.parametrize(
    ("change", "why_not"),
    [
        ({"compared": {}}, "no effect is confirmed"),
        ({"compared": {"nudge": Compared(0.02, 0.02, 90, 90)}}, "whole interval lies above zero"),
        # Of an action that the band does not lead to.
        ({"compared": {"lesson_nudge": CONFIRMED["nudge"]}}, "no effect is confirmed"),
        # Stated without doubt: no comparison has moved it.
        (
            {
                "document": with_changes(
                    Document(), {"value.lifts.nudge.sd": 0, "value.lifts.nudge.mean": 0.05}
                )
            },
            "whole interval lies above zero",
        ),
        ({"cases": CASES[:65]}, "Too little is known of those between 0.4 and 0.45: 5 people"),
        ({"target": 0.8}, "not surely right often enough"),
        ({"document": with_changes(Document(), {"costs.nudge": 60})}, "cost more than it brings"),
        ({"document": with_changes(Document(), {"bands.high": 0.5}), "band": "high"}, "no room"),
    ],
)
def test_it_says_plainly_why_not(change: dict[str, Any], why_not: str) -> None:
    found = asked(**change)

    assert why_not in found.why_not
    assert sentence(found).startswith("Not wider than now: ")
