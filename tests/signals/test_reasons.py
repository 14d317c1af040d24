"""Reasons in words: for every feature, in every language, a fact or nothing; never a cause, a score or a ranking."""

import re
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from signals.features.definitions import BY_KEY, FEATURES
from signals.risk import phrases, reasons
from signals.risk.groups import NAMES, Signal, fact_of, may_be_named, signal_of
from signals.risk.known import Known
from signals.risk.phrase_texts import SIGNALS, TEXTS
from signals.risk.weighing import Weigher
from tests.support.knowledge import day
from tests.support.models import Additive

LANGUAGES = ("en", "de")
NAMEABLE = [key for key in BY_KEY if may_be_named(key)]
# What the sentences of every feature may need beside it.
AROUND: dict[str, Any] = {
    "course": "Safety",
    "last_active_at": day(10).isoformat(),
    "started_at": day(0).isoformat(),
    "last_result_at": day(8).isoformat(),
    "next_due_at": day(30).isoformat(),
    "results": 3,
    "pace": 1.0,
    "missing": 0,
    "late": 0,
    "fail_rate": 0.0,
    "failures_in_a_row": 0,
    "days_inactive": 1.0,
    "active_days_14": 9,
    "amount_7": 40,
    "amount_30": 60,
}
TROUBLE = {
    **AROUND,
    **{"pace": 0.4, "missing": 2, "late": 1, "fail_rate": 0.5, "failures_in_a_row": 2},
    **{"days_inactive": 9.0, "active_days_14": 1, "amount_7": 2, "amount_30": 90},
}
VALUES = (-1.0, 0.0, 0.2, 0.5, 0.9, 1.0, 2.0, 3.0, 8.0, 20.0, 100.0)
NEVER = (
    *("because", "cause", "risk", "fail", "percentile", "rank", "than others", "than most", "score of", "%"),
    *(
        "weil",
        "wegen",
        "risiko",
        "durchgefallen",
        "als andere",
        "als die meisten",
        "rang",
        "role is",
        "hired",
    ),
)


def reason(key: str, value: float, around: dict[str, Any], contribution: float) -> dict[str, Any]:
    evidence = {**around, fact_of(key): value} if fact_of(key) not in around else around
    return {
        "signal": signal_of(key).value,
        "contribution": contribution,
        "known": True,
        "features": {key: contribution},
        "evidence": evidence,
    }


def said_of(key: str, language: str) -> list[str]:
    """Every sentence about a feature, over values that it may have, for and against."""
    lines = []
    for value, around in product(VALUES, (AROUND, TROUBLE)):
        lines += reasons.sentences([reason(key, value, around, 1.0)], language)
        lines += reasons.strengths([reason(key, value, around, -1.0)], language)
    return lines


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("key", NAMEABLE)
def test_every_feature_that_may_be_named_is_told_or_meant_to_be_silent(key: str, language: str) -> None:
    lines = said_of(key, language)

    assert bool(lines) != phrases.silent(key)
    for line in lines:
        assert line[0].isupper() and line.endswith(".")
        assert not re.search(r"[{}]|None|nan|\d\.\d", line)
        assert not any(word in line.lower() for word in NEVER), line


@pytest.mark.parametrize("key", [key for key in BY_KEY if not may_be_named(key)])
def test_what_somebody_is_is_never_told(key: str) -> None:
    assert said_of(key, "en") == []


@pytest.mark.parametrize(
    "key",
    [
        "role_impact_level",
        "tenure_days",
        "load",
        "attempts_before",
        "courses_not_passed",
        "pass_share",
        "day",
    ],
)
def test_role_tenure_load_and_earlier_courses_are_background(key: str) -> None:
    assert signal_of(key) is Signal.BACKGROUND


# What everybody in a course has alike: nothing that was seen of a person.
CALENDAR = {
    "started_at",
    "day",
    "share_elapsed",
    "days_enrolled",
    "enrolled_before_start",
    "enrolled_before_start_pct",
}


def test_only_what_somebody_is_and_the_calendar_are_background() -> None:
    for feature in FEATURES:
        if str(getattr(feature, "sensitivity", "person")) != "person" and feature.key not in CALENDAR:
            assert may_be_named(feature.key), feature.key


def test_every_feature_belongs_to_a_signal_that_has_a_name() -> None:
    for feature in FEATURES:
        assert signal_of(feature.key) in NAMES
    for language in LANGUAGES:
        assert set(SIGNALS[language]) == {signal.value for signal in Signal} - {"background"}


def test_both_languages_say_the_same_things() -> None:
    assert TEXTS["en"].keys() == TEXTS["de"].keys()
    for key in TEXTS["en"]:
        fields = [set(re.findall(r"{(\w+)}", TEXTS[language][key])) for language in LANGUAGES]
        assert fields[0] == fields[1], key


def test_a_place_among_others_is_told_as_the_fact_below_it() -> None:
    found = reason("active_days_14_pct", 1.0, {**AROUND, "active_days_14": 2}, 1.0)

    assert reasons.sentences([found]) == ["Active on two of the last 14 days in Safety."]


def told(**features: Any) -> list[dict[str, Any]]:
    weights = {
        **{
            "days_inactive": 0.2,
            "mastery": -2.0,
            "missing": 0.6,
            "active_days_14": -0.1,
            "role_impact_level": 3.0,
        },
        **{"pace": -1.0, "hasty_share": 1.0},
    }
    model = Additive(weights)
    row = Known(1, {**TROUBLE, "active_days_14": 1, "role_impact_level": 2, **features}, "Safety", day(20), 1)
    return Weigher(model, model.importance).assess([row])[0].reasons


def test_it_tells_at_most_three_and_the_weightiest_first() -> None:
    lines = reasons.sentences(told(mastery=0.1, hasty_share=1.0))

    assert lines == [
        "No activity in Safety since 15 January.",
        "In Safety, two steps that were due are still open.",
    ]


def test_it_tells_what_speaks_for_the_learner() -> None:
    found = told(missing=0, late=0, pace=1.2, mastery=0.9)

    assert reasons.strengths(found, most=2) == [
        "The scores in Safety are good.",
        "As many steps of Safety are done as the plan has until now.",
    ]


def test_it_tells_in_german_too() -> None:
    assert reasons.sentences(told(), "de-AT")[0] == "Keine Aktivität in Safety seit dem 15. Januar."


def test_it_names_the_signals_that_are_not_known() -> None:
    assert reasons.missing(told(mastery=None)) == ["2 of 4 signals are not known: learning habits, results."]


def test_what_a_decision_keeps_says_the_same() -> None:
    found = told(mastery=0.3)

    short = reasons.kept(found, days_inactive=9.0)

    for language in LANGUAGES:
        assert reasons.sentences(short, language) == reasons.sentences(found, language)
        assert reasons.strengths(short, language, most=3) == reasons.strengths(found, language, most=3)
        assert reasons.missing(short, language) == reasons.missing(found, language)


def test_what_a_decision_keeps_counts_the_days_until_then() -> None:
    early = told(days_inactive=2.0)

    later = reasons.kept(early, days_inactive=7.0)

    assert not any("since" in line for line in reasons.sentences(early))
    assert "No activity in Safety since 15 January." in reasons.sentences(later)


def test_it_is_quiet_about_a_long_weekend() -> None:
    found = told(days_inactive=2.9, active_days_14=9)

    assert not any("No activity" in line for line in reasons.sentences(found))


def test_a_sentence_gives_the_date_of_what_was_seen() -> None:
    line = reasons.sentences(told(last_active_at=(day(10) + timedelta(days=3)).isoformat()))[0]

    assert line == "No activity in Safety since 18 January."
