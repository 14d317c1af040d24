"""Performance factors analysis: the chance that the next answer is right, from the answers before it. Pure arithmetic.

    log-odds = start of the competency - difficulty of the item + gain x (right answers) + (gain - loss) x (wrong ones)

after Pavlik, Cen and Koedinger, "Performance Factors Analysis: A New Alternative to Knowledge Tracing" (AIED 2009),
with the item's difficulty, as they propose it, and with older answers fading, after Gong, Beck and Heffernan, "How to
Construct More Accurate Student Models" (IJAIED 21, 2011).

Why this rather than an item response model: the estimate is a formula of two sums over a person's answers, so that
one SQL statement computes it for a thousand changed enrolments or a million past moments, and it can say what it rests
on. It lets people improve while they practise, which a Rasch ability does not. Knowledge tracing (BKT) needs its four
parameters fitted for each competency, and ours have few answers; here they are pooled.

`gain` and `loss` are never negative, so another right answer, or a right answer in place of a wrong one, never lowers
an estimate.
"""

from dataclasses import dataclass
from math import exp, sqrt
from typing import NamedTuple

LEAST_ANSWERS = 3  # of a competency; below, nothing is said
FURTHEST = 30.0  # log-odds beyond which a chance is as good as none or all
_Z = 1.645  # nine times out of ten


class Strand(NamedTuple):
    """A competency's own parameters, in log-odds."""

    start: float  # before any answer, on an item of average difficulty
    gain: float  # by every answer
    loss: float  # by which a wrong answer falls short of a right one


# Before anything was fitted: three right answers make 0.72, three wrong ones 0.28, one of each about a half.
PRIOR = Strand(0.0, 0.35, 0.70)
FADING = 0.9  # by which an answer weighs less with every later one


@dataclass(frozen=True, slots=True)
class Mastered:
    """How likely the next answer is right, and between what bounds that lies nine times out of ten."""

    value: float
    low: float
    high: float


def estimate(strand: Strand, *, right: float, wrong: float) -> Mastered:
    """The estimate after these (faded) numbers of right and wrong answers, on an item of average difficulty.

    The bounds are Wilson's, as if it were a share of that many answers: they narrow as answers come in, and no
    further than answers that still count.
    """
    odds = strand.start + strand.gain * (right + wrong) - strand.loss * wrong
    value = 1 / (1 + exp(-min(max(odds, -FURTHEST), FURTHEST)))
    number = right + wrong
    square = _Z * _Z
    middle = (value + square / (2 * number)) / (1 + square / number)
    half = _Z * sqrt(value * (1 - value) / number + square / (4 * number * number)) / (1 + square / number)
    # Rounding must not push a bound past what it bounds.
    return Mastered(value, min(max(middle - half, 0.0), value), max(min(middle + half, 1.0), value))
