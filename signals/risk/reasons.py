"""A risk's reasons as plain sentences: what was seen and when; no cause, no score, no judgement."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from signals.risk.groups import Signal
from signals.risk.phrase_texts import FORMS, MONTHS, OF_COMPOSITE, SIGNALS, TEXTS, number
from signals.risk.phrases import Phrase, phrase

MOST = 3
# A learned model's signal must weigh this much (log-odds) to be told.
_WORTH_TELLING = 0.05

Reason = Mapping[str, Any]


def sentences(reasons: Sequence[Reason], language: str = "en") -> list[str]:
    """At most three sentences, the weightiest reason first. What is known is told even where we abstain."""
    language = _language(language)
    told = (_phrase(reason, for_learner=False) for reason in _ranked(reasons))
    return _worded(told, language)[:MOST]


def strengths(reasons: Sequence[Reason], language: str = "en", *, most: int = 1) -> list[str]:
    """What speaks for the learner, the weightiest first."""
    language = _language(language)
    told = (_phrase(reason, for_learner=True) for reason in reversed(_ranked(reasons)))
    return _worded(told, language)[: max(most, 0)]


def missing(reasons: Sequence[Reason], language: str = "en") -> list[str]:
    """What is not known, in one sentence; nothing when all is known."""
    language = _language(language)
    counted = countable(reasons)
    unknown = [reason for reason in counted if not reason["known"]]
    if not unknown:
        return []
    names = ", ".join(name for _, name in sorted((_key(one), _name(one, language)) for one in unknown))
    form = "missing_one" if len(unknown) == 1 else "missing"
    return [FORMS[language][form].format(unknown=len(unknown), all=len(counted), names=names)]


def countable(reasons: Sequence[Reason]) -> list[Reason]:
    """The signals that are counted and named: all but what somebody is."""
    return [reason for reason in reasons if _key(reason) != Signal.BACKGROUND.value]


def kept(reasons: Sequence[Reason], *, days_inactive: float | None = None) -> list[dict[str, Any]]:
    """These reasons as a decision keeps them: enough for the same sentences, without what nobody will read.

    ``days_inactive`` is as of the decision, which may come days after the risk was computed.
    """
    short = []
    for reason in _ranked(reasons):
        evidence = dict(reason["evidence"])
        if evidence.get("days_inactive") is not None and days_inactive is not None:
            evidence["days_inactive"] = days_inactive
        if "signal" in reason:
            features = _weightiest(reason)
            wanted = {key for key in evidence if key not in reason["features"]} | set(features)
            short.append(
                {
                    "signal": reason["signal"],
                    "contribution": reason["contribution"],
                    "known": reason["known"],
                    "features": features,
                    "evidence": {key: value for key, value in evidence.items() if key in wanted},
                }
            )
        else:
            short.append({**reason, "evidence": evidence})
    return short


def _ranked(reasons: Iterable[Reason]) -> list[Reason]:
    return sorted(reasons, key=lambda reason: -reason["contribution"])


def _weightiest(reason: Reason) -> dict[str, float]:
    """The features of a signal that speak loudest, in either direction."""
    ordered = sorted(reason["features"].items(), key=lambda pair: -abs(pair[1]))
    return dict(ordered[:4])


def _phrase(reason: Reason, *, for_learner: bool) -> Phrase | None:
    """What this reason says: that of its loudest feature of which something may be said."""
    if not reason["known"]:
        return None
    course = {"course": reason["evidence"].get("course")}
    if "signal" not in reason:
        said = None if for_learner else phrase(reason["feature"], reason["evidence"], for_learner=False)
        return said and Phrase(said.text, {**course, **said.values})
    weight = -reason["contribution"] if for_learner else reason["contribution"]
    if weight < _WORTH_TELLING:
        return None
    sign = -1 if for_learner else 1
    for key, contribution in sorted(reason["features"].items(), key=lambda pair: -sign * pair[1]):
        if sign * contribution <= 0:
            break
        said = phrase(key, reason["evidence"], for_learner=for_learner)
        if said is not None:
            return Phrase(said.text, {**course, **said.values})
    return None


def _worded(phrases: Iterable[Phrase | None], language: str) -> list[str]:
    lines = [_line(one, language) for one in phrases if one is not None]
    return list(dict.fromkeys(lines))  # two signals may say the same


def _line(said: Phrase, language: str) -> str:
    values = dict(said.values)
    values["course"] = values.get("course") or FORMS[language]["this_course"]
    if values.get("date"):
        values["date"] = _day(values["date"], language)
    if "count" in values:
        values["count"] = number(values["count"], language)
    return TEXTS[language][said.text].format(**values)


def _key(reason: Reason) -> str:
    return str(reason.get("signal") or reason["feature"])


def _name(reason: Reason, language: str) -> str:
    key = _key(reason)
    return SIGNALS[language].get(key) or OF_COMPOSITE[language].get(key, key)


def _language(language: str) -> str:
    short = language.split("-")[0].lower()
    return short if short in TEXTS else "en"


def _day(iso: str, language: str) -> str:
    day: date = datetime.fromisoformat(iso).date()
    return FORMS[language]["date"].format(day=day.day, month=MONTHS[language][day.month - 1])
