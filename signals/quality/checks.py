"""What one statement lacks, and whether its clock can be believed. No database: judged from its own text.

The record store refuses what the standard forbids (no actor, verb or object; an impossible timestamp). These are the
next questions: what is allowed, and still useless to whoever computes with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from signals.models.events import Verb
from signals.normalize import scaled_share
from signals.reading import Reading

AHEAD_TOLERATED = timedelta(minutes=1)  # between two honest clocks
OLD = timedelta(days=30)
# Lags are counted in quarter hours: every time zone's offset is a whole number of them.
QUARTER_S = 900
FURTHEST = 56  # 14 hours: no place on Earth is further from UTC
EARLY, LATE = "early", "late"

SCORED = frozenset({Verb.SCORED, Verb.PASSED, Verb.FAILED, Verb.ANSWERED})
TIMED = frozenset({Verb.COMPLETED, Verb.PASSED, Verb.FAILED, Verb.TERMINATED})


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen in one statement. None where the question does not arise."""

    undated: bool
    midnight: bool
    ahead: bool
    old: bool
    lag: str  # a whole number of quarter hours, "early" or "late"
    has_score: bool | None
    has_duration: bool | None
    has_registration: bool
    type_iri: str | None


def look(reading: Reading, verb: int | None) -> Look:
    """What is to be said about a valid statement; ``verb`` is the canonical one, or None."""
    statement = reading.statement
    timestamp = statement.get("timestamp")
    delay = reading.stored - reading.occurred_at
    result = statement.get("result") or {}
    kind = (statement["object"].get("definition") or {}).get("type")
    return Look(
        undated=timestamp is None,
        midnight=timestamp is not None and at_midnight(timestamp, reading.occurred_at),
        ahead=-delay > AHEAD_TOLERATED,
        old=delay > OLD,
        lag=lag_of(delay),
        has_score=_has_score(result, verb) if reading.derives and verb in SCORED else None,
        has_duration="duration" in result if reading.derives and verb in TIMED else None,
        has_registration="registration" in (statement.get("context") or {}),
        type_iri=kind if reading.derives else None,
    )


def lag_of(delay: timedelta) -> str:
    """Which quarter hour of lateness a delay falls into; a delay near nought is "0"."""
    quarters = round(delay.total_seconds() / QUARTER_S)
    if quarters < -FURTHEST:
        return EARLY
    return LATE if quarters > FURTHEST else str(quarters)


def at_midnight(text: str, occurred_at: datetime) -> bool:
    """Whether it is midnight exactly, on the sender's own clock or in UTC: either way only the date was known."""
    utc = occurred_at.astimezone(UTC).time()
    # On the sender's clock the seconds and their parts are the same; the hour stands in the text.
    return utc == time.min or (text[11:19] == "00:00:00" and utc.microsecond == 0)


def _has_score(result: Mapping[str, Any], verb: int | None) -> bool:
    """Whether features can use the result: a share of a whole, or for one question whether it was right."""
    score = result.get("score")
    if isinstance(score, Mapping) and scaled_share(dict(score)) is not None:
        return True
    return verb == Verb.ANSWERED and result.get("success") is not None
