"""What a condition covers, fact by fact, so that two can be compared without any data. Pure."""

from math import inf
from typing import NamedTuple

from interventions.rules.condition import BELOW, FACTS, When


class Range(NamedTuple):
    """From ``low`` (inclusive) to below ``high``."""

    low: float = -inf
    high: float = inf


class Region(NamedTuple):
    """Bounds of numbers, and the one value of each choice; of a choice asked for twice, several."""

    ranges: dict[str, Range]
    values: dict[str, frozenset[str]]


def region(when: When) -> Region:
    """What this condition covers. Completed activities are not compared: one does not rule out another."""
    ranges: dict[str, Range] = {}
    values: dict[str, frozenset[str]] = {}
    for clause in when.clauses:
        unit = FACTS[clause.fact].unit
        if unit == "choice":
            values[clause.fact] = values.get(clause.fact, frozenset()) | {str(clause.value)}
        elif unit != "event":
            low, high = ranges.get(clause.fact, Range())
            bound = float(clause.value)
            ranges[clause.fact] = (
                Range(low, min(high, bound)) if clause.op == BELOW else Range(max(low, bound), high)
            )
    return Region(ranges, values)


def impossible(when: When) -> list[str]:
    """The facts whose bounds leave nothing: the rule can never apply."""
    covered = region(when)
    found = [
        key
        for key, bounds in covered.ranges.items()
        if bounds.low >= bounds.high or bounds.high <= FACTS[key].least
    ]
    found += [key for key, values in covered.values.items() if len(values) > 1]
    return [FACTS[key].name for key in found]


def meet(one: When, other: When) -> bool:
    """Can both be true of one snapshot?"""
    a, b = region(one), region(other)
    for key in a.ranges.keys() & b.ranges.keys():
        if max(a.ranges[key].low, b.ranges[key].low) >= min(a.ranges[key].high, b.ranges[key].high):
            return False
    return all(a.values[key] & b.values[key] for key in a.values.keys() & b.values.keys())
