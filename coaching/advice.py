"""What a manager can say and what they should leave unsaid, by what was seen. Short, plain, in both languages."""

from typing import NamedTuple


class Advice(NamedTuple):
    """A step as a verb with its minutes, three things to say, and what not to say."""

    step: str
    minutes: int
    say: tuple[str, ...]
    leave: tuple[str, ...]


_LEAVE = (
    "Don't mention numbers, signals or this page.",
    "Don't compare with others, and don't promise or threaten anything.",
    "Don't use it for appraisal: that purpose is blocked here.",
)
_LEAVE_DE = (
    "Keine Zahlen, keine Signale und nicht diese Seite erwähnen.",
    "Nicht mit anderen vergleichen, nichts versprechen und nichts androhen.",
    "Nicht für eine Beurteilung verwenden: dieser Zweck ist hier gesperrt.",
)

ADVICE: dict[str, dict[str, Advice]] = {
    "en": {
        "inactivity": Advice(
            "Ask what is in the way",
            5,
            (
                "“How is the course going? Is there enough room for it this week?”",
                "Listen first. A busy week, a holiday or a broken link are all good reasons.",
                "Offer one thing: half an hour in the calendar, or a later date.",
            ),
            _LEAVE,
        ),
        "mastery": Advice(
            "Offer to look at the tricky part together",
            10,
            (
                "“Which part of the course feels hardest to use at work?”",
                "Say that a second look is normal, and that many people take one.",
                "Name somebody who can show it on a real job.",
            ),
            _LEAVE,
        ),
        "composite": Advice(
            "Have a short word about the course",
            5,
            (
                "“Is the course any use to you? What would make it easier?”",
                "Listen first, then agree on one small next step.",
                "Ask whether help from a coach would be welcome.",
            ),
            _LEAVE,
        ),
    },
    "de": {
        "inactivity": Advice(
            "Fragen, was im Weg steht",
            5,
            (
                "„Wie läuft der Kurs? Ist diese Woche genug Luft dafür?“",
                "Zuerst zuhören. Eine volle Woche, Urlaub oder ein kaputter Link sind gute Gründe.",
                "Eines anbieten: eine halbe Stunde im Kalender oder einen späteren Termin.",
            ),
            _LEAVE_DE,
        ),
        "mastery": Advice(
            "Anbieten, die knifflige Stelle zusammen anzusehen",
            10,
            (
                "„Welcher Teil des Kurses ist bei der Arbeit am schwersten zu brauchen?“",
                "Sagen, dass ein zweiter Blick normal ist und viele ihn nehmen.",
                "Jemanden nennen, der es an einer echten Aufgabe zeigen kann.",
            ),
            _LEAVE_DE,
        ),
        "composite": Advice(
            "Kurz über den Kurs sprechen",
            5,
            (
                "„Bringt dir der Kurs etwas? Was würde ihn leichter machen?“",
                "Zuerst zuhören, dann einen kleinen nächsten Schritt vereinbaren.",
                "Fragen, ob Hilfe von einem Coach willkommen wäre.",
            ),
            _LEAVE_DE,
        ),
    },
}


# Which of these fits what was seen.
ALIKE = {
    "inactivity": "inactivity",
    "engagement": "inactivity",
    "pace": "inactivity",
    "deadline": "inactivity",
    "mastery": "mastery",
    "failures": "mastery",
}


def advice(triggers: list[str], language: str) -> Advice:
    """What fits what was seen; inactivity and results have their own words, anything else the general ones."""
    texts = ADVICE["de" if language.startswith("de") else "en"]
    known = [ALIKE[key] for key in triggers if key in ALIKE]
    return texts[known[0]] if known else texts["composite"]
