"""What a trigger saw, as one sentence: a fact with its number, never a judgement. English and German."""

from datetime import datetime

from interventions import conditions
from interventions.policy.triggering import CERTIFICATE, DEADLINE, ENGAGEMENT, FAILURES, PACE
from interventions.snapshot import Snapshot

TEXTS = {
    "en": {
        PACE: "{done} of the {due} steps planned by now are done.",
        FAILURES: "The last {count} results were below the pass mark; one part seems to need another way in.",
        "open": "One part was tried {count} times and has not worked out yet.",
        DEADLINE: "The course is due on {day}, and {done} of its {steps} steps are done.",
        ENGAGEMENT: "There were {recent} active days in the last seven; a usual week has about {usual}.",
        CERTIFICATE: "A certificate ends on {day}.",
        "day": "%-d %B",
    },
    "de": {
        PACE: "Von {due} bis jetzt geplanten Schritten sind {done} gemacht.",
        FAILURES: "Die letzten {count} Ergebnisse lagen unter der Grenze; ein Teil braucht wohl einen anderen Zugang.",
        "open": "Ein Teil wurde {count} Mal versucht und hat noch nicht geklappt.",
        DEADLINE: "Der Kurs ist am {day} fällig, und {done} von {steps} Schritten sind gemacht.",
        ENGAGEMENT: "In den letzten sieben Tagen gab es {recent} aktive Tage; in einer üblichen Woche etwa {usual}.",
        CERTIFICATE: "Ein Zertifikat gilt bis zum {day}.",
        "day": "%d.%m.",
    },
}


def sentence(trigger: str, snapshot: Snapshot, language: str) -> str | None:
    """What this trigger saw in this snapshot; None for triggers whose sight the risk's own reasons tell."""
    texts, seen = TEXTS[language], snapshot.seen
    if trigger == PACE and seen.steps_due:
        return texts[PACE].format(done=seen.steps_done, due=seen.steps_due)
    if trigger == FAILURES:
        if seen.open_concepts and (seen.repeated_failures or 0) > 1:
            return texts["open"].format(count=seen.repeated_failures)
        return texts[FAILURES].format(count=seen.failures_in_a_row) if seen.failures_in_a_row > 1 else None
    if trigger == DEADLINE and seen.due_at is not None and seen.steps:
        return texts[DEADLINE].format(
            day=_day(seen.due_at, texts["day"]), done=seen.steps_done, steps=seen.steps
        )
    ending = conditions.next_to_end(snapshot)
    if trigger == CERTIFICATE and ending is not None:
        return texts[CERTIFICATE].format(day=_day(ending.ends_at, texts["day"]))
    usual = conditions.usual_week(snapshot)
    if trigger == ENGAGEMENT and usual:
        recent = conditions.active_days(snapshot, first=0, last=conditions.WEEK - 1)
        return texts[ENGAGEMENT].format(recent=recent, usual=round(usual))
    return None


def _day(moment: datetime, written: str) -> str:
    return moment.strftime(written)
