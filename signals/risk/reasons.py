"""A risk's reasons as plain sentences: what was seen and when; no cause, no score, no judgement."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

MOST = 3
# What is not worth a sentence: a long weekend without activity, and scores that are fine.
_QUIET_DAYS = 3
_FINE_MASTERY = 0.7

_MONTHS = {
    "en": [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    "de": [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
}
_TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "date": "{day} {month}",
        "inactive": "No activity in {course} since {date}.",
        "never_active": "No activity in {course} since it began on {date}.",
        "this_course": "this course",
        "failed_one": "The last score was below the pass mark.",
        "failed_many": "The last {count} scores were below the pass mark.",
        "failed_some": "Some scores were below the pass mark.",
        "mastery": "The last scores in {course} leave room to grow.",
        "missing": "{unknown} of {all} signals are not known: {names}.",
        "missing_one": "1 of {all} signals is not known: {names}.",
        "name_mastery": "scores",
        "name_days_inactive": "activity since the start",
        "name_fail_rate": "passed and not passed tests",
    },
    "de": {
        "date": "{day}. {month}",
        "inactive": "Keine Aktivität in {course} seit dem {date}.",
        "never_active": "Keine Aktivität in {course} seit dem Beginn am {date}.",
        "this_course": "diesem Kurs",
        "failed_one": "Das letzte Ergebnis lag unter der Bestehensgrenze.",
        "failed_many": "Die letzten {count} Ergebnisse lagen unter der Bestehensgrenze.",
        "failed_some": "Einige Ergebnisse lagen unter der Bestehensgrenze.",
        "mastery": "Die letzten Ergebnisse in {course} lassen noch Luft nach oben.",
        "missing": "{unknown} von {all} Signalen sind nicht bekannt: {names}.",
        "missing_one": "1 von {all} Signalen ist nicht bekannt: {names}.",
        "name_mastery": "Ergebnisse",
        "name_days_inactive": "Aktivität seit dem Beginn",
        "name_fail_rate": "bestandene und nicht bestandene Tests",
    },
}
_NUMBERS = {
    "en": {2: "two", 3: "three", 4: "four", 5: "five"},
    "de": {2: "zwei", 3: "drei", 4: "vier", 5: "fünf"},
}


def sentences(reasons: Sequence[Mapping[str, Any]], language: str = "en") -> list[str]:
    """At most three sentences, the weightiest reason first. What is known is told even where we abstain."""
    told = sorted(
        (reason for reason in reasons if reason["known"]), key=lambda reason: -reason["contribution"]
    )
    lines = [_sentence(reason, _language(language)) for reason in told if _worth_saying(reason)]
    return [line for line in lines if line][:MOST]


def missing(reasons: Sequence[Mapping[str, Any]], language: str = "en") -> list[str]:
    """What is not known, in one sentence; nothing when all is known."""
    texts = _TEXTS[_language(language)]
    unknown = [reason["feature"] for reason in reasons if not reason["known"]]
    if not unknown:
        return []
    names = ", ".join(texts.get(f"name_{feature}", feature) for feature in sorted(unknown))
    form = "missing_one" if len(unknown) == 1 else "missing"
    return [texts[form].format(unknown=len(unknown), all=len(reasons), names=names)]


def _worth_saying(reason: Mapping[str, Any]) -> bool:
    value = reason["evidence"].get(reason["feature"])
    if value is None:
        return False
    match reason["feature"]:
        case "days_inactive":
            return bool(value >= _QUIET_DAYS)
        case "mastery":
            return bool(value < _FINE_MASTERY)
    return bool(value > 0)


def _sentence(reason: Mapping[str, Any], language: str) -> str:
    texts, evidence = _TEXTS[language], reason["evidence"]
    course = evidence.get("course") or texts["this_course"]
    match reason["feature"]:
        case "days_inactive":
            seen, started = evidence.get("last_active_at"), evidence.get("started_at")
            # What came before the start does not count, so the start is what "since" means then.
            if seen and (not started or seen >= started):
                return texts["inactive"].format(course=course, date=_day(seen, language))
            return (
                texts["never_active"].format(course=course, date=_day(started, language)) if started else ""
            )
        case "fail_rate":
            row = evidence.get("failures_in_a_row") or 0
            if row > 1:
                return texts["failed_many"].format(count=_NUMBERS[language].get(row, str(row)))
            return texts["failed_one"] if row else texts["failed_some"]
        case "mastery":
            return texts["mastery"].format(course=course)
    return ""


def _language(language: str) -> str:
    short = language.split("-")[0].lower()
    return short if short in _TEXTS else "en"


def _day(iso: str, language: str) -> str:
    day: date = datetime.fromisoformat(iso).date()
    return _TEXTS[language]["date"].format(day=day.day, month=_MONTHS[language][day.month - 1])
