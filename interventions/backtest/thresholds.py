"""What bound of a risk band the record speaks for: the lowest one whose flags were surely right often enough.

Proposed only, and by the labels there are: a person's word on a flag, and what became of those whom nobody treated.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from django.db import connection

from interventions.backtest.intervals import Share
from interventions.backtest.truth import NEEDED_HELP, RECOVERED

LEAST = 30  # cases above a bound; with fewer there is too little to say
LOOKS_BACK = timedelta(days=365)
BOUNDS = tuple(step / 100 for step in range(5, 96))


class Case(NamedTuple):
    """One enrolment with a risk and what turned out: would a flag have been right?"""

    risk: float
    was_right: bool


class Proposed(msgspec.Struct, frozen=True):
    """What the record says about one bound."""

    target: float
    current: float
    cases: int
    now: Share  # of the current bound
    bound: (
        float | None
    )  # the lowest that surely reaches the target; None where none does, or too little is known
    then: Share | None  # of that bound

    @property
    def too_little(self) -> bool:
        """Is there no bound of which enough is known?"""
        return self.cases < LEAST


def propose(cases: Sequence[Case], *, current: float, target: float) -> Proposed:
    """The lowest bound at which the interval of the share of right flags lies wholly at ``target`` or above. Pure."""
    found = None
    for bound in BOUNDS:
        share = _above(cases, bound)
        if share.whole < LEAST:
            break  # higher bounds have fewer still
        if share.low >= target:
            found = (bound, share)
            break
    return Proposed(
        target=target,
        current=current,
        cases=_above(cases, 0.0).whole,
        now=_above(cases, current),
        bound=found[0] if found else None,
        then=found[1] if found else None,
    )


def _above(cases: Sequence[Case], bound: float) -> Share:
    right = [case.was_right for case in cases if case.risk > bound]
    return Share(sum(right), len(right))


# The risk as the decision saw it where the word is about a decision, else as of the last change before.
# One case an enrolment, the newest: several labels of one person are not several people.
_CASES = """
    SELECT DISTINCT ON (label.enrolment_id) coalesce(seen.risk, changed.risk),
           CASE WHEN label.definition = %(word)s THEN label.value ELSE NOT label.value END
    FROM signals_label label
    LEFT JOIN LATERAL (
        SELECT (decision.snapshot ->> 'risk')::float8 AS risk, decision.snapshot ->> 'model' AS model
        FROM interventions_decision decision
        WHERE decision.enrolment_id = label.enrolment_id AND decision.at = label.as_of
        ORDER BY decision.id LIMIT 1
    ) AS seen ON true
    LEFT JOIN LATERAL (
        SELECT change.after AS risk, version.name AS model
        FROM signals_riskchange change JOIN signals_modelversion version ON version.id = change.model_version_id
        WHERE change.enrolment_id = label.enrolment_id AND change.at <= label.as_of
        ORDER BY change.at DESC, change.id DESC LIMIT 1
    ) AS changed ON true
    WHERE label.value IS NOT NULL AND label.as_of >= %(since)s
      AND (label.definition = %(word)s OR (label.definition = %(recovered)s AND NOT label.treated))
      AND coalesce(seen.risk, changed.risk) IS NOT NULL
      AND CASE WHEN seen.risk IS NULL THEN changed.model ELSE seen.model END = %(model)s
    ORDER BY label.enrolment_id, label.definition = %(word)s DESC, label.as_of DESC
"""


def cases(*, model: str, now: datetime) -> list[Case]:
    """What is known of risks of this model in the last year. Another model's 0.5 means something else."""
    with connection.cursor() as cursor:
        cursor.execute(
            _CASES,
            {"word": NEEDED_HELP, "recovered": RECOVERED, "since": now - LOOKS_BACK, "model": model},
        )
        return [Case(*row) for row in cursor.fetchall()]


def sentence(found: Proposed) -> str:
    """What the record says, for people."""
    if found.too_little:
        return (
            f"Too little to say: of {found.cases} people with a risk it is known whether help was needed; "
            f"{LEAST} are the least."
        )
    now = (
        f"Above {found.current:g}, {_told(found.now)}."
        if found.now.whole
        else f"Above {found.current:g} nothing is known."
    )
    if found.bound is None or found.then is None:
        return f"{now} No bound with at least {LEAST} known people surely reaches {found.target:.0%}."
    return f"{now} For {found.target:.0%} the record speaks for {found.bound:g}: {_told(found.then)}."


def _told(share: Share) -> str:
    assert share.value is not None
    return (
        f"{share.part} of {share.whole} flags were right, {share.value:.0%} "
        f"(between {share.low:.0%} and {share.high:.0%})"
    )
