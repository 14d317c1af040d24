"""When time alone next changes what a learned model would say: a moment, never a sweep.

Windowed features change at known moments: at the start, when the last activity falls out of a window, when
something falls due. Features that drift a little every day (days since, pace, places within the cohort) are looked
at again with the weekly step from the start.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import floor
from typing import Any

WINDOWS = (7, 14, 30)  # days
SILENT = timedelta(days=3)
# Somebody silent is looked at about twice a week at most, however many dates a plan has.
APART = timedelta(days=3)
# After so long without activity every window is empty: what still drifts is looked at once a month.
LONG_SILENT = timedelta(days=60)
_A_MOMENT = timedelta(seconds=1)


def next_review(
    features: Mapping[str, Any], *, as_of: datetime, windows: Sequence[int] = WINDOWS
) -> datetime | None:
    """The first moment after `as_of` at which a feature changes by time alone."""
    started_at, active_at, due_at = (
        _moment(features.get(key)) for key in ("started_at", "last_active_at", "next_due_at")
    )
    if started_at is not None and started_at > as_of:
        return started_at
    moments = []
    if due_at is not None:
        moments.append(due_at + _A_MOMENT)
    since = max((moment for moment in (started_at, active_at) if moment is not None), default=None)
    if since is not None:
        moments += [since + timedelta(days=days) + _A_MOMENT for days in windows]
    if started_at is not None:
        gone = since is not None and as_of - since > LONG_SILENT
        step = timedelta(weeks=4 if gone else 1)
        moments.append(started_at + (floor((as_of - started_at) / step) + 1) * step)
    ahead = min((moment for moment in moments if moment > as_of), default=None)
    if ahead is not None and since is not None and as_of - since >= SILENT:
        return max(ahead, as_of + APART)
    return ahead


def _moment(iso: str | None) -> datetime | None:
    return datetime.fromisoformat(iso) if iso else None
