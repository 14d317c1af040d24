"""What the monitors say about histories: they fire when they should, and keep silent when they should."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.models import Finding
from signals.quality import monitors
from signals.quality.counts import NUMBERS, Counts
from signals.quality.monitors import Answer, History, NewTerm
from signals.quality.watched import SHARES

DAY = timedelta(days=1)
MONDAY = date(2026, 3, 2)
START = MONDAY - timedelta(weeks=12)


@dataclass
class Made:
    """A history to write to."""

    days: dict[date, Counts] = field(default_factory=dict)
    off: set[date] = field(default_factory=set)

    def put(self, day: date, **counts: Any) -> "Made":
        row = self.days.setdefault(day, Counts())
        for name, value in counts.items():
            setattr(row, name, value)
        return self

    @property
    def history(self) -> History:
        return History(self.days, min(self.days), self.off)


def weekly(per_day: Callable[[date], int], *, until: date = MONDAY, weeks: int = 12) -> Made:
    """Days with a volume each, up to and without ``until``."""
    made = Made()
    for back in range(weeks * 7, 0, -1):
        day = until - back * DAY
        made.put(day, statements=per_day(day))
    return made


def office(day: date, usual: int = 1000) -> int:
    """Busy from Monday to Friday, quiet at weekends, and never twice the same."""
    noise = random.Random(day.toordinal()).uniform(0.8, 1.25)
    return round((usual if day.weekday() < 5 else usual * 0.01) * noise)


def said(made: Made, day: date, *, today: int = 0, others: bool = False, past: date | None = None) -> Answer:
    return monitors.volume(made.history, day, today=today, others_are_fine=others, past=past).answer


# --- volume ----------------------------------------------------------------------------------------------------


def test_it_fires_on_the_second_working_day_of_silence() -> None:
    made = weekly(office).put(MONDAY, statements=0).put(MONDAY + DAY, statements=3)

    first = said(made, MONDAY)
    second = monitors.volume(made.history, MONDAY + DAY, today=0, others_are_fine=False)

    assert first is Answer.CANNOT_TELL
    assert second.answer is Answer.FIRES
    assert second.measured == 3
    assert second.low is not None and 400 < second.low < 600  # at most half of what is usual
    assert second.says.startswith("3 statements on Tue 3 Mar; a Tuesday usually brings about ")


def test_it_fires_on_the_first_day_when_another_source_shows_that_it_is_no_holiday() -> None:
    made = weekly(office).put(MONDAY, statements=2)

    assert said(made, MONDAY, others=True) is Answer.FIRES


def test_it_sees_a_fall_across_a_weekend() -> None:
    friday = MONDAY - 3 * DAY
    made = weekly(office).put(friday, statements=1).put(MONDAY, statements=0)

    assert said(made, MONDAY) is Answer.FIRES


@pytest.mark.parametrize("back", range(7))
def test_it_is_fine_on_every_day_of_an_ordinary_week(back: int) -> None:
    day = MONDAY - (back + 1) * DAY

    assert said(weekly(office), day, others=True) in (Answer.FINE, Answer.CANNOT_TELL)


def test_it_cannot_tell_anything_from_a_weekend() -> None:
    saturday = MONDAY - 2 * DAY
    made = weekly(office).put(saturday, statements=0)

    assert said(made, saturday, others=True) is Answer.CANNOT_TELL


def test_it_keeps_silent_on_a_single_holiday_nobody_named() -> None:
    made = weekly(office).put(MONDAY, statements=0).put(MONDAY + DAY, statements=980)

    assert said(made, MONDAY) is Answer.CANNOT_TELL
    assert said(made, MONDAY + DAY) is Answer.FINE


def test_it_keeps_silent_on_days_off_and_after_them() -> None:
    made = weekly(office)
    for number in range(3):
        made.put(MONDAY + number * DAY, statements=0)
        made.off.add(MONDAY + number * DAY)
    made.put(MONDAY + 3 * DAY, statements=940)

    assert [said(made, MONDAY + n * DAY, others=True) for n in range(4)] == [
        *[Answer.CANNOT_TELL] * 3,
        Answer.FINE,
    ]


@pytest.mark.parametrize("usual", [1, 5, 12])
def test_it_keeps_silent_about_small_sources(usual: int) -> None:
    made = weekly(lambda day: usual).put(MONDAY, statements=0).put(MONDAY + DAY, statements=0)

    assert said(made, MONDAY + DAY, others=True) is Answer.CANNOT_TELL


def test_it_keeps_silent_where_there_is_too_little_history() -> None:
    made = weekly(office, weeks=3).put(MONDAY, statements=0).put(MONDAY + DAY, statements=0)

    assert said(made, MONDAY + DAY, others=True) is Answer.CANNOT_TELL


def test_it_forgives_one_past_outage() -> None:
    made = weekly(office).put(MONDAY - timedelta(weeks=2), statements=0).put(MONDAY, statements=0)

    assert said(made, MONDAY, others=True) is Answer.FIRES


def test_it_lets_a_source_that_swings_wildly_swing() -> None:
    made = weekly(lambda day: [40, 900, 90, 3000, 60, 500, 1500, 30][day.toordinal() // 7 % 8])
    made.put(MONDAY, statements=25)

    assert said(made, MONDAY, others=True) is not Answer.FIRES


def test_it_notices_that_a_source_is_back_before_the_day_is_over() -> None:
    made = weekly(office).put(MONDAY, statements=0).put(MONDAY + DAY, statements=0)

    assert said(made, MONDAY + DAY, today=700) is Answer.FINE


def test_it_does_not_take_a_long_outage_for_the_new_normal() -> None:
    made = weekly(office)
    for number in range(70):
        made.put(MONDAY + number * DAY, statements=0)
    late = MONDAY + 65 * DAY  # a Wednesday

    assert late.weekday() == 2
    assert said(made, late, past=MONDAY) is Answer.FIRES
    assert said(made, late) is Answer.CANNOT_TELL


@settings(max_examples=150, deadline=None)
@given(
    usual=st.integers(20, 20_000),
    swing=st.floats(0.0, 0.3),
    seed=st.integers(0, 10**6),
)
def test_it_is_never_alarmed_by_chance_alone(usual: int, swing: float, seed: int) -> None:
    draw = random.Random(seed)
    made = weekly(lambda day: max(0, round(draw.gauss(usual, max(usual**0.5, swing * usual)))), weeks=9)
    made.put(MONDAY, statements=round(usual * (1 - swing)))

    assert said(made, MONDAY, others=True) is not Answer.FIRES


# --- shares ----------------------------------------------------------------------------------------------------

SCORES = SHARES[Finding.Kind.MISSING_SCORE]


def scored(share: float, *, results: int = 200, until: date = MONDAY, weeks: int = 8) -> Made:
    made = Made()
    for back in range(weeks * 7, 0, -1):
        day = until - back * DAY
        noise = random.Random(day.toordinal()).uniform(-0.01, 0.01)
        made.put(day, results=results, unscored=max(0, round(results * (share + noise))))
    return made


def test_it_fires_when_scores_go_missing() -> None:
    made = scored(0.02).put(MONDAY, results=200, unscored=90)

    judged = monitors.share(SCORES, made.history, MONDAY)

    assert judged.answer is Answer.FIRES
    assert (judged.measured, judged.cases) == (0.45, 200)
    assert judged.says == (
        "45% of the results carry no score that can be used (90 of 200, Mon 2 Mar). Before, it was about 2.0%."
    )


def test_it_lets_missing_be_normal_where_it_always_was() -> None:
    made = scored(0.6).put(MONDAY, results=200, unscored=128)

    assert monitors.share(SCORES, made.history, MONDAY).answer is Answer.FINE


def test_it_waits_for_enough_cases() -> None:
    made = scored(0.02, results=3).put(MONDAY, results=6, unscored=5)

    assert monitors.share(SCORES, made.history, MONDAY).answer is Answer.CANNOT_TELL


def test_it_puts_the_days_of_a_small_source_together() -> None:
    made = scored(0.0, results=10)
    for back in range(7):
        made.put(MONDAY - back * DAY, results=10, unscored=8)

    judged = monitors.share(SCORES, made.history, MONDAY)

    assert (judged.answer, judged.cases) == (Answer.FIRES, 50)
    assert "Thu 26 Feb to Mon 2 Mar" in judged.says


def test_it_needs_a_past_unless_there_is_a_ceiling() -> None:
    made = Made().put(MONDAY, results=500, unscored=500, statements=500, quarantined=500)

    assert monitors.share(SCORES, made.history, MONDAY).answer is Answer.CANNOT_TELL
    quarantine = SHARES[Finding.Kind.QUARANTINE]
    assert monitors.share(quarantine, made.history, MONDAY).answer is Answer.FIRES
    assert monitors.share(quarantine, made.history, MONDAY, has_ceiling=False).answer is Answer.CANNOT_TELL


def test_it_holds_a_lasting_fault_against_what_was_before_it() -> None:
    made = scored(0.02)
    for number in range(60):
        made.put(MONDAY + number * DAY, results=200, unscored=100)
    late = MONDAY + 59 * DAY

    assert monitors.share(SCORES, made.history, late, past=MONDAY).answer is Answer.FIRES
    assert monitors.share(SCORES, made.history, late).answer is Answer.FINE


def test_it_finds_nothing_wrong_once_the_scores_are_back() -> None:
    made = scored(0.02).put(MONDAY, results=200, unscored=90).put(MONDAY + DAY, results=200, unscored=5)

    assert monitors.share(SCORES, made.history, MONDAY + DAY, past=MONDAY).answer is Answer.FINE


@settings(max_examples=150, deadline=None)
@given(share=st.floats(0.0, 1.0), seed=st.integers(0, 10**6), whole=st.integers(50, 400))
def test_it_is_not_alarmed_by_the_same_coin(share: float, seed: int, whole: int) -> None:
    draw = random.Random(seed)

    def flips() -> int:
        return sum(draw.random() < share for _ in range(whole))

    made = Made()
    for back in range(43):
        made.put(MONDAY - back * DAY, results=whole, unscored=flips())

    assert monitors.share(SCORES, made.history, MONDAY).answer is not Answer.FIRES


@given(part=st.integers(0, 500), more=st.integers(0, 500))
def test_its_lower_bound_lies_below_the_share(part: int, more: int) -> None:
    whole = part + more + 1

    assert monitors.wilson_low(part, whole) + 1e-12 >= 0
    assert monitors.wilson_low(part, whole) <= part / whole + 1e-12


@pytest.mark.parametrize("kind", SHARES, ids=str)
def test_every_watched_share_is_a_part_of_a_whole(kind: Finding.Kind) -> None:
    full = Counts()
    for name in NUMBERS:
        setattr(full, name, 1)

    spec = SHARES[kind]

    assert 0 < spec.part(full) <= spec.whole(full)
    assert spec.whole(Counts()) == 0
    assert spec.mend.endswith(".")


# --- the clock -------------------------------------------------------------------------------------------------


def lagging(lags: dict[str, int], *, until: date = MONDAY, weeks: int = 4) -> Made:
    made = Made()
    for back in range(weeks * 7, 0, -1):
        made.put(until - back * DAY, lags=dict(lags), statements=sum(lags.values()))
    return made


PROMPT = {"0": 90, "1": 5}


def test_it_fires_when_a_clock_jumps_by_an_hour() -> None:
    made = lagging(PROMPT).put(MONDAY, lags={"4": 90, "5": 5})

    judged = monitors.clock(made.history, MONDAY)

    assert judged.answer is Answer.FIRES
    assert judged.measured == 60
    assert "dated 1 hour before it came" in judged.says


def test_it_fires_on_a_source_that_was_always_two_hours_late() -> None:
    made = lagging({"8": 95, "9": 5}, weeks=0).put(MONDAY, lags={"8": 95, "9": 5})

    assert monitors.clock(made.history, MONDAY).answer is Answer.FIRES


def test_it_is_used_to_a_source_that_was_late_for_weeks_but_not_to_a_change() -> None:
    made = lagging({"8": 95, "9": 5}).put(MONDAY, lags={"8": 95}).put(MONDAY + DAY, lags={"0": 95})

    assert monitors.clock(made.history, MONDAY).answer is Answer.FINE
    assert monitors.clock(made.history, MONDAY + DAY).answer is Answer.FIRES


def test_it_keeps_silent_about_a_nightly_export() -> None:
    nightly = {str(quarter): 3 for quarter in range(8, 57)} | {"late": 60}
    made = lagging(nightly).put(MONDAY, lags={str(quarter): 3 for quarter in range(30, 57)})

    assert monitors.clock(made.history, MONDAY).answer is Answer.FINE


def test_it_keeps_silent_about_a_few_stragglers() -> None:
    made = lagging(PROMPT).put(MONDAY, lags={"0": 60, "1": 10, "late": 15, "40": 5})

    assert monitors.clock(made.history, MONDAY).answer is Answer.FINE


def test_it_fires_on_what_is_dated_ahead_and_says_by_how_much() -> None:
    made = lagging(PROMPT).put(MONDAY, lags={"0": 50, "-4": 40}, ahead=40, read=90)

    judged = monitors.clock(made.history, MONDAY)

    assert judged.answer is Answer.FIRES
    assert "ahead of our clock, mostly by 1 hour" in judged.says


def test_it_counts_what_quarantine_holds_for_its_clock() -> None:
    made = lagging(PROMPT).put(MONDAY, lags={"0": 50, "-8": 10}, quarantined=40, misdated=40)

    assert monitors.clock(made.history, MONDAY).answer is Answer.FIRES


def test_it_cannot_tell_a_clock_by_a_handful() -> None:
    made = lagging(PROMPT, weeks=0).put(MONDAY, lags={"4": 20})

    assert monitors.clock(made.history, MONDAY).answer is Answer.CANNOT_TELL


# --- words -----------------------------------------------------------------------------------------------------


def test_it_names_new_words_the_most_frequent_first() -> None:
    judged = monitors.terms(
        [NewTerm("urn:a", 7), NewTerm("urn:b", 90), NewTerm("urn:rare", 2)],
        least=5,
        says="New",
        mend="Map them.",
    )

    assert (judged.answer, judged.measured, judged.cases) == (Answer.FIRES, 2, 97)
    assert judged.says == "New: urn:b (90), urn:a (7)."


def test_it_lets_rare_words_pass() -> None:
    assert monitors.terms([NewTerm("urn:a", 4)], least=5, says="New", mend="").answer is Answer.FINE
