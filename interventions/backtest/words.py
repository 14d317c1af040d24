"""A backtest's figures as lines of plain text. Pure."""

from collections.abc import Iterator
from typing import Any

from interventions.backtest.figures import LEAST_SHOWN

# What is told of each policy: key and words.
ROWS = (
    ("learner_alerts_per_week", "Alerts to learners a week"),
    ("manager_alerts_per_week", "Alerts to managers a week"),
    ("coach_cases_per_week", "Cases for coaches a week"),
    ("coach_hours_per_week", "Hours of coaches a week"),
    ("manager_hours_per_week", "Hours of managers a week"),
    ("kept_back_by_the_cap_per_week", "Kept back by limits a week"),
    ("declined_per_week", "Turned down by a person a week"),
    ("people_alerted", "People who would have had a message"),
    ("people_passed_to_a_person", "People passed to a manager or coach"),
)
REACH = (
    ("newly_alerted", "newly get a message"),
    ("no_longer_alerted", "no longer get one"),
    ("newly_passed_to_a_person", "are newly passed to a manager or coach"),
    ("no_longer_passed_to_a_person", "no longer are"),
)
TOO_SMALL = f"too small to show (fewer than {LEAST_SHOWN} people, or it would give such a group away)"


def lines(told: dict[str, Any]) -> Iterator[str]:
    """The report, line by line."""
    yield (
        f"{told['points']:,} recorded evaluations of {told['people']:,} people, "
        f"{told['from'][:10]} to {told['to'][:10]} ({told['weeks']:.1f} weeks)."
    )
    yield from _reproduced(told["reproduced"])
    if "choices" in told:
        yield from _choices(told)
    yield ""
    yield from _table(told)
    yield ""
    yield "By slice, alerts to learners / alerts to managers / cases for coaches a week:"
    for row in told["slices"]:
        yield f"  {row['name']:<34} " + (TOO_SMALL if row["too_small"] else " | ".join(_slice(row)))
    yield ""
    yield assumptions(told)


def assumptions(told: dict[str, Any]) -> str:
    """What the figures rest on, in two sentences."""
    usual = told["assumptions"]
    return (
        f"Walked with the facts as recorded: what people did is taken as it was, {usual['approved']:.0%} of the steps "
        f"that ask a person get a yes, and a case is kept for {usual['case_days']:g} days. "
        "Read the differences between policies rather than the levels."
    )


def _reproduced(found: dict[str, Any]) -> Iterator[str]:
    yield (
        f"Decided anew: {found['equal']:,} equal, {found['different']:,} different"
        f" (chosen by a person: {found['by_a_person']:,}; forgotten by now: {found['forgotten']:,})."
    )
    yield f"Hash of all: {found['digest']}"
    for one in found["first_differences"]:
        yield f"  {one['at']} decision {one['decision_id']}: {one['recorded']} was, {one['anew']} is"


def _choices(told: dict[str, Any]) -> Iterator[str]:
    choices = told["choices"]
    yield (
        f"Policy {told['policies'][1]['version']} chooses otherwise at {choices['differ']:,} of "
        f"{choices['points']:,} points, each taken as it was recorded."
    )
    for move in choices["moves"]:
        yield f"  {move['recorded']} → {move['other']}: {move['count']:,}"
    reach = told["reach"]
    yield "People who would " + ", ".join(f"{words}: {reach[key]:,}" for key, words in REACH) + "."


def _table(told: dict[str, Any]) -> Iterator[str]:
    policies = told["policies"]
    yield (
        f"{'':<38}"
        + f"{'really':>10}"
        + "".join(f"{'policy ' + str(one['version']):>12}" for one in policies)
    )
    for key, words in ROWS:
        real = told["really_sent"].get(key)
        yield (
            f"{words:<38}"
            + (f"{real:>10.1f}" if real is not None else f"{'':>10}")
            + "".join(
                f"{one[key]:>12,.1f}" if isinstance(one[key], float) else f"{one[key]:>12,}"
                for one in policies
            )
        )
    capacity = told["capacity"]
    yield f"{'Hours that ' + str(capacity['coaches']) + ' coaches have a week':<48}" + "".join(
        f"{capacity['coach_hours_per_week']:>12.1f}" for _ in policies
    )
    for one in policies:
        yield f"Policy {one['version']}: {precision(one['precision'])}"


def precision(found: dict[str, Any]) -> str:
    """How often flags were right, in a sentence."""
    if not found["judged"]:
        return "nothing is known yet of whether its flags were right."
    return (
        f"of {found['judged']:,} flags of which something is known {found['right']:,} were right: "
        f"{found['value']:.0%} (between {found['low']:.0%} and {found['high']:.0%})."
    )


def _slice(row: dict[str, Any]) -> Iterator[str]:
    for one in row["policies"]:
        yield " / ".join(f"{one.get(kind, 0.0):.1f}" for kind in ("learner", "manager", "coach"))
