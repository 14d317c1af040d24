"""What each monitor makes of a source's history. Arithmetic only: no database, no clock.

Each monitor answers one of three things: it fires, all is fine, or it cannot tell (too little came, a weekend, a day
off). What cannot be told neither opens nor closes anything.

Volume is compared with the same weekday of past weeks, on a logarithmic scale (a source that swings between half and
double must not alert at half), by median and median absolute deviation (one past outage must not blunt the next),
and never tighter than chance allows for small numbers (Poisson). Shares are compared with the source's own past, by
the lower Wilson bound of what came lately, so that five of ten is not yet half of everything.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import Enum
from math import expm1, log1p, sqrt
from statistics import median
from typing import Protocol

DAY = timedelta(days=1)
WEEKS = 8
LEAST_WEEKS = 4
LEAST_EXPECTED = 20  # a day on which fewer are expected is not judged
SPREADS = 4.0
LEAST_SPREAD = 0.15  # on the logarithmic scale; found with tests/bench/monitors.py
POISSON_SIGMAS = 3.7  # one in ten thousand, one-sided
MAD_TO_SIGMA = 1.4826

LEAST_CASES = 50  # for a share
WIDEST_WINDOW = 7  # days put together until there are so many
BASELINE_DAYS = 42
LEAST_DAYS = 7  # with at least LEAST_IN_DAY cases each
LEAST_IN_DAY = 20
WILSON_Z = 3.0

LEAST_LAGS = 30
STEADY = 1.0  # quarter hours between the quartiles: what is sent as it happens
JUMP = 2.0  # quarter hours: zones differ by whole and half hours (and a few by quarters)
BEYOND = 57  # just past 14 hours
NEW_FOR = timedelta(days=14)


class Counted(Protocol):
    """A source's day; SourceDay is one."""

    statements: int
    parked: int
    resent: int
    refused: int
    quarantined: int
    misdated: int
    read: int
    undated: int
    midnight: int
    ahead: int
    old: int
    results: int
    unscored: int
    endings: int
    untimed: int
    deriving: int
    outside: int
    unregistered: int
    events: int
    twins: int

    @property
    def lags(self) -> Mapping[str, int]: ...


class Answer(Enum):
    FIRES = "fires"
    FINE = "fine"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Judged:
    """What one monitor says. Numbers and sentences are given only where it fires."""

    answer: Answer
    measured: float = 0.0
    low: float | None = None
    high: float | None = None
    cases: int = 0
    says: str = ""
    mend: str = ""
    detail: dict[str, object] = field(default_factory=dict)


FINE = Judged(Answer.FINE)
CANNOT_TELL = Judged(Answer.CANNOT_TELL)


@dataclass(frozen=True, slots=True)
class History:
    """A source's days, by date; days without a row had nothing."""

    days: Mapping[date, Counted]
    first: date  # the first day that counts as its past
    off: Collection[date] = ()

    def volume(self, day: date) -> int:
        row = self.days.get(day)
        return row.statements if row is not None else 0

    def before(self, day: date, length: int) -> Iterator[Counted]:
        """The days with a row among so many before this one, oldest first."""
        for back in range(length, 0, -1):
            row = self.days.get(day - back * DAY)
            if row is not None and day - back * DAY >= self.first:
                yield row


# --- volume ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Expected:
    """What a weekday usually brings: the median, and below what it is too little."""

    usual: float
    low: float
    high: float


def expected(history: History, day: date, *, past: date | None = None) -> Expected | None:
    """What this day should bring, going by the same weekdays before ``past`` (else before it). None: cannot tell."""
    if day in history.off:
        return None
    same = day
    while past is not None and same >= past:
        same -= 7 * DAY
    start = 1 if same == day else 0
    weeks = [same - 7 * back * DAY for back in range(start, WEEKS + start)]
    before = [history.volume(one) for one in weeks if one >= history.first and one not in history.off]
    if len(before) < LEAST_WEEKS or median(before) < LEAST_EXPECTED:
        return None
    logs = [log1p(one) for one in before]
    middle = median(logs)
    spread = max(MAD_TO_SIGMA * median(abs(one - middle) for one in logs), LEAST_SPREAD)
    usual = expm1(middle)
    low = min(expm1(middle - SPREADS * spread), usual - POISSON_SIGMAS * sqrt(usual), usual / 2)
    return Expected(usual, low, expm1(middle + SPREADS * spread)) if low > 0 else None


def is_low(history: History, day: date, *, past: date | None = None) -> bool | None:
    """Whether a day brought too little; None where that cannot be told."""
    range_ = expected(history, day, past=past)
    return None if range_ is None else history.volume(day) < range_.low


def volume(
    history: History, day: date, *, today: int, others_are_fine: bool, past: date | None = None
) -> Judged:
    """Far less than usual. One such day may be a holiday nobody told us of: it takes a second expected day, or
    another source of the same installation on which the same day was as usual. ``today`` is what has come since.
    """
    range_ = expected(history, day, past=past)
    if range_ is None:
        return CANNOT_TELL
    came = history.volume(day)
    if came >= range_.low:
        return FINE
    next_day = expected(history, day + DAY, past=past)
    if today >= (next_day.low if next_day else range_.low):
        return FINE  # it is back already
    if not others_are_fine and not _was_low_before(history, day, past):
        return CANNOT_TELL
    name = f"{day:%A}"
    return Judged(
        Answer.FIRES,
        measured=float(came),
        low=range_.low,
        high=range_.high,
        cases=came,
        says=f"{_count(came, 'statement')} on {_date(day)}; a {name} usually brings about {_rounded(range_.usual)},"
        f" and hardly ever fewer than {_rounded(range_.low)}.",
        mend="Ask whoever runs the system whether it still sends: an expired password, a stopped export job or a"
        " changed address are the usual causes. If the day was a holiday, add it to the days off. If less is normal"
        " from now on (a course has ended), say so on the page.",
    )


def _was_low_before(history: History, day: date, past: date | None) -> bool:
    for back in range(1, WEEKS):
        low = is_low(history, day - back * DAY, past=past)
        if low is not None:
            return low
    return False


# --- shares ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole that should stay what it was. ``ceiling``: too much whatever it was before."""

    part: Callable[[Counted], int]
    whole: Callable[[Counted], int]
    rise: float
    ceiling: float | None
    of: str  # "{share} of … "
    mend: str


def share(
    spec: Share, history: History, day: date, *, past: date | None = None, has_ceiling: bool = True
) -> Judged:
    """Whether the share has risen beyond what it used to be, or beyond its ceiling."""
    part = whole = length = 0
    while whole < LEAST_CASES and length < WIDEST_WINDOW:
        row = history.days.get(day - length * DAY)
        length += 1
        if row is not None:
            part, whole = part + spec.part(row), whole + spec.whole(row)
    if whole < LEAST_CASES:
        return CANNOT_TELL
    start = day - (length - 1) * DAY
    usual = _usual_share(spec, history, min(start, past) if past else start)
    bounds = [spec.ceiling] if spec.ceiling is not None and has_ceiling else []
    if usual is not None:
        bounds.append(min(usual[0] + max(spec.rise, SPREADS * usual[1]), 1.0))
    if not bounds:
        return CANNOT_TELL
    bound = min(bounds)
    if part / whole <= bound:
        return FINE
    if wilson_low(part, whole) <= bound:
        return CANNOT_TELL
    before = f" Before, it was about {_percent(usual[0])}." if usual is not None else ""
    return Judged(
        Answer.FIRES,
        measured=part / whole,
        low=0.0,
        high=bound,
        cases=whole,
        says=f"{_percent(part / whole)} of {spec.of} ({part:,} of {whole:,},"
        f" {_date(day) if length == 1 else f'{_date(start)} to {_date(day)}'}).{before}",
        mend=spec.mend,
        detail={"from": start.isoformat(), "to": day.isoformat()},
    )


def _usual_share(spec: Share, history: History, before: date) -> tuple[float, float] | None:
    """The median of the daily shares and their spread; None where the past is too short."""
    daily = [
        spec.part(row) / spec.whole(row)
        for row in history.before(before, BASELINE_DAYS)
        if spec.whole(row) >= LEAST_IN_DAY
    ]
    if len(daily) >= LEAST_DAYS:
        middle = median(daily)
        return middle, MAD_TO_SIGMA * median(abs(one - middle) for one in daily)
    rows = [row for row in history.before(before, BASELINE_DAYS) if spec.whole(row)]
    whole = sum(spec.whole(row) for row in rows)
    if len(rows) >= LEAST_DAYS and whole >= 2 * LEAST_CASES:
        return sum(spec.part(row) for row in rows) / whole, 0.0
    return None


def wilson_low(part: int, whole: int, z: float = WILSON_Z) -> float:
    """The lower end of Wilson's score interval for a share."""
    p = part / whole
    middle = p + z * z / (2 * whole)
    half = z * sqrt(p * (1 - p) / whole + z * z / (4 * whole * whole))
    return (middle - half) / (1 + z * z / whole)


# --- the clock -------------------------------------------------------------------------------------------------


def clock(history: History, day: date, *, past: date | None = None) -> Judged:
    """Timestamps ahead of ours, or all late by the same hours: a local time sent as if it were UTC."""
    rows: list[Counted] = []
    for back in range(WIDEST_WINDOW):
        row = history.days.get(day - back * DAY)
        if row is not None:
            rows.append(row)
        if sum(sum(one.lags.values()) for one in rows) >= LEAST_LAGS:
            break
    lags = _together(rows)
    number = sum(lags.values())
    if number < LEAST_LAGS:
        return CANNOT_TELL
    mend = (
        "Timestamps must be UTC, or carry their offset (2026-03-02T10:00:00+01:00). Have the system's clock and time"
        " zone checked; what waits in quarantine can be requeued after it."
    )
    ahead = sum(row.ahead + row.misdated for row in rows)
    dated = number + sum(row.misdated for row in rows)
    if wilson_low(ahead, dated) > 0.02:
        return Judged(
            Answer.FIRES,
            measured=ahead / dated,
            low=0.0,
            high=0.02,
            cases=dated,
            says=f"{_percent(ahead / dated)} of what came by {_date(day)} is dated ahead of our clock"
            f"{_by_how_much(lags)}, or before the source began.",
            mend=mend,
        )
    low, middle, high = (quantile(lags, q) for q in (0.25, 0.5, 0.75))
    start = min(day - (len(rows) - 1) * DAY, past) if past else day - (len(rows) - 1) * DAY
    usual = _usual_lag(history, start)
    if high - low > STEADY or (usual is not None and usual[1] > STEADY):
        return FINE  # sent in batches: every lag is as good as another
    against = usual[0] if usual is not None else 0.0
    if abs(middle - against) < JUMP:
        return FINE
    if usual is None and quantile(lags, 0.05) < JUMP and middle > 0:
        return FINE  # some of it is prompt, so the clock is right
    return Judged(
        Answer.FIRES,
        measured=middle * 15,
        low=(against - JUMP) * 15,
        high=(against + JUMP) * 15,
        cases=number,
        says=f"Half of what came by {_date(day)} is dated {_hours(middle)} before it came, and nearly all of it by the"
        f" same time; {'before, it was ' + _hours(against) if usual is not None else 'nothing comes promptly'}.",
        mend=mend,
    )


def _usual_lag(history: History, before: date) -> tuple[float, float] | None:
    """The median lag of past days and how wide a day spreads, in quarter hours."""
    daily = [
        (quantile(row.lags, 0.5), quantile(row.lags, 0.75) - quantile(row.lags, 0.25))
        for row in history.before(before, BASELINE_DAYS)
        if sum(row.lags.values()) >= LEAST_LAGS // 3
    ]
    if len(daily) < LEAST_DAYS:
        return None
    return median(middle for middle, _ in daily), median(width for _, width in daily)


def _together(rows: Collection[Counted]) -> dict[str, int]:
    out: dict[str, int] = {}
    for row in rows:
        for lag, number in row.lags.items():
            out[lag] = out.get(lag, 0) + number
    return out


def quarters(lag: str) -> int:
    """A lag's place on the line, in quarter hours; what lies beyond 14 hours stands just outside."""
    if lag == "early":
        return -BEYOND
    return BEYOND if lag == "late" else int(lag)


def quantile(lags: Mapping[str, int], q: float) -> float:
    """The quarter hour below which a share ``q`` of the lags lies."""
    wanted = q * sum(lags.values())
    passed = 0
    for place, number in sorted((quarters(lag), number) for lag, number in lags.items()):
        passed += number
        if passed >= wanted:
            return float(place)
    return 0.0


def _by_how_much(lags: Mapping[str, int]) -> str:
    ahead = {lag: number for lag, number in lags.items() if quarters(lag) < 0}
    return f", mostly by {_hours(-quantile(ahead, 0.5))}" if ahead else ""


# --- words -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewTerm:
    """A verb or type that a source did not use before."""

    iri: str
    seen: int


def terms(new: Collection[NewTerm], *, least: int, says: str, mend: str) -> Judged:
    """Words that came up lately, each often enough to matter."""
    found = sorted((one for one in new if one.seen >= least), key=lambda one: (-one.seen, one.iri))
    if not found:
        return FINE
    named = ", ".join(f"{one.iri} ({one.seen})" for one in found[:5])
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return Judged(
        Answer.FIRES,
        measured=float(len(found)),
        low=0.0,
        high=0.0,
        cases=sum(one.seen for one in found),
        says=f"{says}: {named}{more}.",
        mend=mend,
        detail={"iris": [one.iri for one in found[:50]]},
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}" if number else f"No {what}s"


def _rounded(value: float) -> str:
    return f"{round(value):,}"


def _percent(value: float) -> str:
    return f"{value:.1%}" if 0 < value < 0.1 else f"{value:.0%}"


def _date(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b}"


def _hours(places: float) -> str:
    if abs(places) >= BEYOND:
        return "more than 14 hours"
    minutes = round(places * 15)
    if abs(minutes) < 60:
        return f"{minutes} minutes"
    return f"{minutes / 60:g} hours" if minutes != 60 else "1 hour"
