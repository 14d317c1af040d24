"""The words around a message, in each language: the four answers, and how to have no more of them."""

PHRASES: dict[str, dict[str, str]] = {
    "en": {
        "did_it": "Did it",
        "need_help": "Need help",
        "not_now": "Not now",
        "wrong": "This is wrong",
        "answer": "Answer with one tap:",
        "calendar": "Put it in my calendar",
        "unsubscribe": "No more suggestions by message",
        "why": "Why this? Your page says what it rests on",
        "sent_for": "Sent because your organisation offers help with its courses.",
    },
    "de": {
        "did_it": "Erledigt",
        "need_help": "Ich brauche Hilfe",
        "not_now": "Jetzt nicht",
        "wrong": "Das stimmt nicht",
        "answer": "Antworte mit einem Klick:",
        "calendar": "In meinen Kalender eintragen",
        "unsubscribe": "Keine Vorschläge mehr per Nachricht",
        "why": "Warum das? Deine Seite sagt, worauf es beruht",
        "sent_for": "Du bekommst das, weil deine Organisation Hilfe bei ihren Kursen anbietet.",
    },
}
ANSWERS = ("did_it", "need_help", "not_now", "wrong")


def phrases(language: str) -> dict[str, str]:
    """The words in this language, else in English; "de-AT" is served in German."""
    return PHRASES.get(language.partition("-")[0], PHRASES["en"])
