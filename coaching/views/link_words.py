"""What the pages behind a message's links say, in each language."""

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "you_answer": "You answer",
        "about": "About",
        "sure": "Is that right?",
        "send": "Yes, send this answer",
        "text": "In your words, if you like",
        "text_note": "A person reads this and answers you.",
        "done": "Thank you. Your answer is kept.",
        "done_person": "Thank you. A person will look at this and get in touch.",
        "to_page": "Go to my page",
        "stop": "No more suggestions",
        "stop_text": "We then send you no messages and no short lessons. Your courses stay as they are, and you can "
        "switch suggestions on again at any time under My choices.",
        "stop_button": "Stop suggestions",
        "stopped": "Suggestions are off. This holds from now on.",
        "closed_title": "This link is closed",
        "closed": "There is nothing to answer any more: suggestions are off, or this one was taken back.",
        "expired": "This link is too old. You can answer on your page.",
        "broken": "This link is not complete. Open it from the message once more, or answer on your page.",
    },
    "de": {
        "you_answer": "Du antwortest",
        "about": "Es geht um",
        "sure": "Ist das richtig?",
        "send": "Ja, diese Antwort senden",
        "text": "In deinen Worten, wenn du magst",
        "text_note": "Ein Mensch liest das und antwortet dir.",
        "done": "Danke. Deine Antwort ist notiert.",
        "done_person": "Danke. Ein Mensch sieht sich das an und meldet sich.",
        "to_page": "Zu meiner Seite",
        "stop": "Keine Vorschläge mehr",
        "stop_text": "Wir schicken dir dann keine Nachrichten und keine kurzen Lektionen. Deine Kurse bleiben, wie "
        "sie sind, und unter „Meine Auswahl“ kannst du Vorschläge jederzeit wieder einschalten.",
        "stop_button": "Vorschläge ausschalten",
        "stopped": "Vorschläge sind aus. Das gilt ab sofort.",
        "closed_title": "Dieser Link ist geschlossen",
        "closed": "Hier ist nichts mehr zu beantworten: Vorschläge sind aus, oder dieser wurde zurückgenommen.",
        "expired": "Dieser Link ist zu alt. Auf deiner Seite kannst du antworten.",
        "broken": "Dieser Link ist nicht vollständig. Öffne ihn noch einmal aus der Nachricht.",
    },
}


def words_in(language: str) -> dict[str, str]:
    """In this language, else in English."""
    return WORDS.get(language.partition("-")[0], WORDS["en"])
