"""What an answer is: a figure against a threshold."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    PASS = "pass"  # noqa: S105 (an answer, not a secret)
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Line:
    """One measured answer. ``value`` is None where there was nothing to measure."""

    key: str
    question: str
    state: State
    figure: str  # what was measured, in words
    threshold: str  # what it is held against, in words
    mend: str  # what to do; empty where it passes
    value: float | None = None


# Measures as of a moment.
Check = Callable[[datetime], Iterable[Line]]


def at_least(value: float | None, passes: float, warns: float | None) -> State:
    """More is better. Without a second bound nothing fails; what could not be measured warns."""
    if value is None:
        return State.WARN
    if value >= passes:
        return State.PASS
    return State.WARN if warns is None or value >= warns else State.FAIL


def at_most(value: float | None, passes: float, warns: float | None) -> State:
    """Less is better. Without a second bound nothing fails; what could not be measured warns."""
    if value is None:
        return State.WARN
    if value <= passes:
        return State.PASS
    return State.WARN if warns is None or value <= warns else State.FAIL


def line(
    key: str,
    question: str,
    state: State,
    figure: str,
    threshold: str,
    mend: str,
    *,
    value: float | None,
) -> Line:
    """A line. What to do is left out where there is nothing to do; without a value there is nothing to say yet."""
    if state is State.PASS:
        return Line(key, question, state, figure, threshold, "", value)
    if value is None:
        return Line(
            key, question, state, "nothing to measure yet", threshold, "Ask again when data has come."
        )
    return Line(key, question, state, figure, threshold, mend, value)


def ratio(part: float | None, whole: float | None) -> float | None:
    """A share; None of nothing."""
    return part / whole if whole and part is not None else None


def percent(value: float | None) -> str:
    """A share in words, never rounded up to all of it."""
    if value is None:
        return "nothing to measure"
    if 0.999 < value < 1:
        return "over 99.9%"
    return f"{value:.1%}" if value not in (0, 1) else f"{value:.0%}"


def measure(checks: Iterable[Check], *, now: datetime) -> list[Line]:
    """Every line of these checks, in order."""
    return [one for check in checks for one in check(now)]
