"""What may be said about a feature: a fact with its dates, where the value bears it out, and else nothing.

A phrase is chosen here and worded in signals.risk.phrase_texts. Its rules:

- It says what was seen and when. It never says why, never judges, never gives a score.
- It compares with the learner's own past only. A place among others (a percentile) is told as the plain fact
  below it, or not at all.
- What somebody is (role, tenure, study load, earlier attempts) and when they like to learn is never told.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from signals.risk.groups import Signal, fact_of, may_be_named, signal_of

# What sentences of a signal need beside the features the model reads.
WANTED: dict[Signal, tuple[str, ...]] = {
    Signal.ACTIVITY: (
        "last_active_at",
        "started_at",
        "days_inactive",
        "active_days_14",
        "amount_7",
        "amount_30",
    ),
    Signal.RESULTS: ("results", "last_result_at", "failures_in_a_row", "fail_rate"),
    Signal.PLAN: ("missing", "late", "pace", "next_due_at"),
}
_DAYS = re.compile(r"_(\d+)$")

QUIET_DAYS = 3.0  # a long weekend without activity is not worth a sentence
FINE = 0.7  # a share of points that is fine
HALF = 0.5


@dataclass(frozen=True, slots=True)
class Phrase:
    """A sentence to be worded: which, and with what."""

    text: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """A feature's value, its window, and what else is known beside it."""

    value: float
    days: int  # 0: no window
    evidence: Mapping[str, Any]

    def other(self, key: str) -> float | None:
        found = self.evidence.get(key)
        return float(found) if isinstance(found, int | float) else None


Rule = Callable[[Seen], Phrase | None]


def phrase(key: str, evidence: Mapping[str, Any], *, for_learner: bool) -> Phrase | None:
    """What may be said of this feature: what speaks for the learner, or what gives reason to look."""
    fact = fact_of(key)
    value = evidence.get(fact)
    if not may_be_named(key) or isinstance(value, str | bool) or value is None:
        return None
    found = _DAYS.search(fact)
    seen = Seen(float(value), int(found.group(1)) if found else 0, evidence)
    for pattern, good, worry in RULES:
        if pattern.fullmatch(fact):
            return (good if for_learner else worry)(seen)
    return None


def silent(key: str) -> bool:
    """Whether nothing is ever said of this feature, and that is meant."""
    if not may_be_named(key) or signal_of(key) is Signal.HABITS:
        return True
    return any(pattern.fullmatch(fact_of(key)) for pattern in SILENT)


# --- activity -----------------------------------------------------------------------------------------------


def _nothing(seen: Seen) -> Phrase | None:
    return None


def _quiet(seen: Seen) -> Phrase | None:
    if seen.value < QUIET_DAYS:
        return None
    last, started = seen.evidence.get("last_active_at"), seen.evidence.get("started_at")
    # What came before the start does not count, so the start is what "since" means then.
    if last and (not started or last >= started):
        return Phrase("inactive", {"date": last})
    return Phrase("never_active", {"date": started}) if started else None


def _there(seen: Seen) -> Phrase | None:
    last = seen.evidence.get("last_active_at")
    return Phrase("active_on", {"date": last}) if last and seen.value < QUIET_DAYS else None


def _few_days(seen: Seen) -> Phrase | None:
    if seen.value == 0 and seen.days:
        return Phrase("nothing_in", {"days": seen.days})
    if seen.days and seen.value / seen.days < 0.25:
        return Phrase("active_days", {"count": seen.value, "days": seen.days})
    return None


def _many_days(seen: Seen) -> Phrase | None:
    if seen.days and seen.value / seen.days >= 0.25:
        return Phrase("active_days", {"count": seen.value, "days": seen.days})
    return None


def _lately(seen: Seen) -> Seen | None:
    """The plain count of active days in two weeks, for what is hard to say aloud."""
    days = seen.other("active_days_14")
    return None if days is None else Seen(days, 14, seen.evidence)


def _lately_few(seen: Seen) -> Phrase | None:
    plain = _lately(seen)
    return _few_days(plain) if plain else None


def _lately_many(seen: Seen) -> Phrase | None:
    plain = _lately(seen)
    return _many_days(plain) if plain else None


def _against_before(seen: Seen) -> float | None:
    """The last week as a share of an average week in the three before it; None without a past to compare with."""
    month, week = seen.other("amount_30"), seen.other("amount_7")
    if month is None or week is None or month - week <= 0:
        return None
    return week / ((month - week) * 7 / 23)


def _less(seen: Seen) -> Phrase | None:
    if seen.value == 0 and seen.days:
        return Phrase("nothing_in", {"days": seen.days})
    share = _against_before(seen)
    return Phrase("less_than_before") if share is not None and share < 0.7 else None


def _more(seen: Seen) -> Phrase | None:
    share = _against_before(seen)
    return Phrase("more_than_before") if share is not None and share > 1.2 else None


def _less_time(seen: Seen) -> Phrase | None:
    share = _against_before(seen)
    return Phrase("less_than_before") if share is not None and share < 0.7 else None


def _long_gap(seen: Seen) -> Phrase | None:
    days = seen.other("days_inactive")
    return None if days is None else _quiet(Seen(days, 0, seen.evidence))


def _short_gap(seen: Seen) -> Phrase | None:
    days = seen.other("days_inactive")
    return None if days is None else _there(Seen(days, 0, seen.evidence))


def _long_since_result(seen: Seen) -> Phrase | None:
    last = seen.evidence.get("last_result_at")
    return Phrase("no_result_since", {"date": last}) if last and seen.value >= 14 else None


def _late_result(seen: Seen) -> Phrase | None:
    last = seen.evidence.get("last_result_at")
    return Phrase("result_on", {"date": last}) if last and seen.value < 14 else None


def _due_soon(seen: Seen) -> Phrase | None:
    if seen.value <= 0:
        return None
    return Phrase("due_soon_one" if seen.value == 1 else "due_soon", {"count": seen.value})


def _due_on(seen: Seen) -> Phrase | None:
    due = seen.evidence.get("next_due_at")
    return Phrase("due_on", {"date": due}) if due and 0 <= seen.value <= 14 else None


def _early(seen: Seen) -> Phrase | None:
    return Phrase("early") if seen.value >= 1 else None


def _nothing_new(seen: Seen) -> Phrase | None:
    return Phrase("no_new_material", {"days": seen.days}) if seen.value == 0 and seen.days else None


def _new(seen: Seen) -> Phrase | None:
    return Phrase("new_materials", {"count": seen.value, "days": seen.days}) if seen.value >= 2 else None


def _no_session(seen: Seen) -> Phrase | None:
    if seen.days and seen.value * 7 < seen.days:
        return Phrase("sessions", {"count": seen.value, "days": seen.days})
    return None


def _sessions(seen: Seen) -> Phrase | None:
    if seen.days and seen.value * 7 >= 2 * seen.days:
        return Phrase("sessions", {"count": seen.value, "days": seen.days})
    return None


def _falling(seen: Seen) -> Phrase | None:
    return Phrase("less_than_before") if seen.value < -0.3 else None  # a logarithm: below three quarters


def _rising(seen: Seen) -> Phrase | None:
    return Phrase("more_than_before") if seen.value > 0.2 else None


# --- results ------------------------------------------------------------------------------------------------


def _failed(seen: Seen) -> Phrase | None:
    in_a_row = seen.other("failures_in_a_row") or 0
    if in_a_row > 1:
        return Phrase("failed_many", {"count": in_a_row})
    if in_a_row == 1:
        return Phrase("failed_one", _dated(seen))
    return Phrase("failed_some") if (seen.other("fail_rate") or 0) > 0 else None


def _dated(seen: Seen) -> dict[str, Any]:
    last = seen.evidence.get("last_result_at")
    return {"date": last} if last else {}


def _passed(seen: Seen) -> Phrase | None:
    if seen.other("fail_rate") == 0 and (seen.other("results") or 0) > 0:
        return Phrase("passed_all")
    return None


def _low_scores(seen: Seen) -> Phrase | None:
    return Phrase("room_to_grow") if seen.value < FINE else None


def _fine_scores(seen: Seen) -> Phrase | None:
    return Phrase("fine_scores") if seen.value >= FINE else None


def _low_so_far(seen: Seen) -> Phrase | None:
    return Phrase("low_so_far") if seen.value < FINE else None


def _some_low(seen: Seen) -> Phrase | None:
    return Phrase("some_low") if seen.value < FINE else None


def _low_last(seen: Seen) -> Phrase | None:
    return Phrase("low_last") if seen.value < FINE else None


def _fine_last(seen: Seen) -> Phrase | None:
    return Phrase("fine_last") if seen.value >= FINE else None


def _scores_fall(seen: Seen) -> Phrase | None:
    return Phrase("scores_fall") if seen.value < 0 else None


def _scores_rise(seen: Seen) -> Phrase | None:
    return Phrase("scores_rise") if seen.value > 0 else None


def _no_result(seen: Seen) -> Phrase | None:
    return Phrase("no_result") if seen.other("results") == 0 else _failed(seen)


def _topic(seen: Seen) -> Phrase | None:
    return Phrase("topic_twice") if seen.value >= 2 else _failed(seen)


# --- plan ---------------------------------------------------------------------------------------------------


def _open_steps(seen: Seen) -> Phrase | None:
    missing, late = seen.other("missing") or 0, seen.other("late") or 0
    if missing:
        return Phrase("missing_one" if missing == 1 else "missing_many", {"count": missing})
    if late:
        return Phrase("late_one" if late == 1 else "late_many", {"count": late})
    return None


def _all_in(seen: Seen) -> Phrase | None:
    # The pace is known only where something has fallen due.
    if seen.other("pace") is None or (seen.other("missing") or 0) > 0:
        return None
    return Phrase("handed_in_all")


def _behind(seen: Seen) -> Phrase | None:
    pace = seen.other("pace")
    return _open_steps(seen) or (Phrase("behind_plan") if pace is not None and pace < 1 else None)


def _on_plan(seen: Seen) -> Phrase | None:
    pace = seen.other("pace")
    return Phrase("on_plan") if pace is not None and pace >= 1 else _all_in(seen)


# --- materials, skills --------------------------------------------------------------------------------------


def _unopened(seen: Seen) -> Phrase | None:
    if seen.value > 0:
        return None
    return Phrase("no_material_in", {"days": seen.days}) if seen.days else Phrase("no_material")


def _opened(seen: Seen) -> Phrase | None:
    return Phrase("materials", {"count": seen.value}) if seen.value >= 3 else None


def _reopened(seen: Seen) -> Phrase | None:
    return Phrase("reopened") if seen.value > 0 else None


def _unwatched(seen: Seen) -> Phrase | None:
    return Phrase("videos_open") if seen.value < HALF else None


def _watched(seen: Seen) -> Phrase | None:
    return Phrase("videos_watched") if seen.value >= 0.8 else None


def _no_quiz(seen: Seen) -> Phrase | None:
    return Phrase("no_quiz") if seen.value == 0 else None


def _quizzes(seen: Seen) -> Phrase | None:
    return Phrase("quizzes") if seen.value > 0 and seen.days else None


def _no_content(seen: Seen) -> Phrase | None:
    return Phrase("no_content") if seen.value == 0 else None


def _content(seen: Seen) -> Phrase | None:
    return Phrase("content") if seen.value > 0 and seen.days else None


def _gap(seen: Seen) -> Phrase | None:
    return Phrase("skill_gap") if seen.value > 0 else None


def _no_gap(seen: Seen) -> Phrase | None:
    return Phrase("no_skill_gap") if seen.value <= 0 else None


def _weak_topic(seen: Seen) -> Phrase | None:
    return Phrase("weak_topic") if seen.value < 0.6 else None


def _strong_topics(seen: Seen) -> Phrase | None:
    return Phrase("strong_topics") if seen.value >= FINE else None


# The whole key, what speaks for the learner, what gives reason to look.
RULES: tuple[tuple[re.Pattern[str], Rule, Rule], ...] = tuple(
    (re.compile(pattern), good, worry)
    for pattern, good, worry in (
        (r"days_inactive", _there, _quiet),
        (r"gap_against_usual|active_day_share", _short_gap, _long_gap),
        (r"recent_(days|activities)_\d+|active_days", _lately_many, _lately_few),
        (r"active_days_\d+", _many_days, _few_days),
        (r"sessions_\d+", _sessions, _no_session),
        (r"(amount|active_days)_trend", _rising, _falling),
        (r"(amount|events)(_\d+)?", _more, _less),
        (r"dwell(_\d+)?", _more, _less_time),
        (r"mastery", _fine_scores, _low_scores),
        (r"weighted_score|points_share|score_(mean|level)", _fine_scores, _low_so_far),
        (r"score_last", _fine_last, _low_last),
        (r"score_min", _fine_scores, _some_low),
        (r"score_max", _nothing, _low_so_far),
        (r"score_trend", _scores_rise, _scores_fall),
        (r"fail_rate|failures_in_a_row", _passed, _failed),
        (r"repeated_failures|open_concepts", _nothing, _topic),
        (r"results(_\d+)?", _passed, _no_result),
        (r"days_since_result", _late_result, _long_since_result),
        (r"pace|progress|weight_done", _on_plan, _behind),
        (r"missing|late|days_late_max|weight_missing|steps_due|days_since_done", _all_in, _open_steps),
        (r"due_in_7", _nothing, _due_soon),
        (r"days_to_next_due", _nothing, _due_on),
        (r"days_early", _early, _open_steps),
        (r"materials_\d+|materials", _opened, _unopened),
        (r"new_materials_\d+", _new, _nothing_new),
        (r"reopened_share|days_per_material", _reopened, _nothing),
        (r"watched_share", _watched, _unwatched),
        (r"amount_assessment(_\d+)?", _quizzes, _no_quiz),
        (r"amount_content(_\d+)?", _content, _no_content),
        (r"mastery_(weakest|mean)", _strong_topics, _weak_topic),
        (r"skill_gap(_largest)?", _no_gap, _gap),
    )
)
# Nothing is said of these, and why:
SILENT: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern)
    for pattern in (
        r"(amount|share)_(discussion|meeting|other|file|page|media)(_\d+)?",  # nobody has to use each kind
        r"share_(content|assessment)(_\d+)?",  # a share of what, nobody could say aloud
        r"difficulty_met(_\d+)?|answers(_\d+)?",  # which questions were asked is not theirs
        r"rating_.*",  # what somebody else thinks of them is that person's to say
        r"usual_gap_days|longest_gap_days|busiest_day",  # a habit
        r"(amount|active_days|results)_before_(start|7)|days_since_first",  # over, and nothing to be done about it
        r"sessions",  # a count since the start says nothing without how long that is
        r"steps|weight_due",  # what the course asks for
        r"activities_per_day|amount_per_active_day|watched|mastery_known",  # means nothing to people
        r".*_at",  # a moment, told with what happened then
        r"score_(std|spread|first|count).*|banked.*",  # as above
    )
)
