"""A lesson as a learner walks through it: one thing at a time, and where they are."""

from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from interventions.models import LessonText, LessonVisit

Step = Literal["begin", "read", "ask", "told", "result", "gone"]


class Choice(NamedTuple):
    number: int
    text: str
    is_chosen: bool
    is_right: bool  # known only once it is answered


class Question(NamedTuple):
    """A question, with what was answered and why, where it was."""

    number: int  # from 1
    text: str
    choices: list[Choice]
    is_answered: bool
    was_right: bool
    because: str


def questions(text: LessonText, answers: list[int]) -> list[Question]:
    """The questions of a text; of those beyond the answers nothing is given away."""
    found = []
    for place, question in enumerate(text.questions):
        given = answers[place] if place < len(answers) else None
        found.append(
            Question(
                number=place + 1,
                text=question["text"],
                choices=[
                    Choice(index, choice, given == index, given is not None and question["answer"] == index)
                    for index, choice in enumerate(question["choices"])
                ],
                is_answered=given is not None,
                was_right=given is not None and given == question["answer"],
                because=question["because"] if given is not None else "",
            )
        )
    return found


def step_of(
    visit: LessonVisit | None, text: LessonText, asked_for: str, *, is_open: bool
) -> tuple[Step, int]:
    """Which page of the lesson comes now, and of which question (from 1). ``asked_for``: the address's ?q=, if any.

    Without it a learner goes on where they left. Nobody sees a question before those that come before it.
    """
    if visit is None:
        return ("begin", 0) if is_open else ("gone", 0)
    if visit.completed_at is not None:
        return "result", 0
    answered = len(visit.answers)
    wanted = int(asked_for) if asked_for.isascii() and asked_for.isdigit() and len(asked_for) < 3 else None
    if not text.questions or wanted == 0 or (wanted is None and answered == 0):
        return "read", 0
    if wanted is not None and wanted <= answered:
        return "told", wanted
    return "ask", answered + 1


def page(visit: LessonVisit | None, text: LessonText, asked_for: str, *, is_open: bool) -> dict[str, Any]:
    """What the template of a lesson shows."""
    step, number = step_of(visit, text, asked_for, is_open=is_open)
    answers = list(visit.answers) if visit is not None else []
    asked = questions(text, answers)
    return {
        "lesson": text.lesson,
        "text": text,
        "step": step,
        "number": number,
        "can_begin": is_open,
        "questions": asked,
        "question": asked[number - 1] if number else None,
        "total": len(asked),
        "next": min(len(answers) + 1, len(asked)),
        "right": sum(question.was_right for question in asked),
        "host": urlsplit(text.address).hostname or "" if text.address else "",
        "say": WORDS["de" if text.language.startswith("de") else "en"],
    }


# Everything the page says beside the lesson itself, in the lesson's language.
WORDS: dict[str, dict[str, str]] = {
    "en": {
        "language": "en",
        "back": "Back to your page",
        "minutes": "minutes",
        "questions": "questions",
        "question": "Question",
        "of": "of",
        "private": "Your manager does not see your answers.",
        "start": "Start the lesson",
        "to_questions": "To the questions",
        "read_again": "Read the text again",
        "check": "Check my answer",
        "next": "Next question",
        "go_on": "Go on with the questions",
        "choose": "Choose one of the four, then check it.",
        "right": "right",
        "yours": "your answer",
        "yes": "That is right.",
        "no": "Not quite. The right answer is marked.",
        "all_right": "That sits. Nothing more to do here.",
        "some_right": "The explanations below show what most people mix up. A second go is welcome.",
        "done": "Done",
        "well_done": "Well done. Nothing more to do here.",
        "again": "Take it again",
        "text": "The text",
        "open_link": "Open the page",
        "open_video": "Open the video",
        "open_document": "Open the document",
        "elsewhere": "It is at",
        "come_back": "When you are done there, come back and say so.",
        "i_did": "I have done it",
        "transcript": "What is said in the video",
        "gone": "This lesson is not offered any more. There may be another one on your page.",
        "start_first": "Start the lesson first.",
    },
    "de": {
        "language": "de",
        "back": "Zurück zu deiner Seite",
        "minutes": "Minuten",
        "questions": "Fragen",
        "question": "Frage",
        "of": "von",
        "private": "Deine Führungskraft sieht deine Antworten nicht.",
        "start": "Lektion beginnen",
        "to_questions": "Zu den Fragen",
        "read_again": "Den Text noch einmal lesen",
        "check": "Antwort prüfen",
        "next": "Nächste Frage",
        "go_on": "Weiter mit den Fragen",
        "choose": "Wähle eine der vier Antworten und prüfe sie dann.",
        "right": "richtig",
        "yours": "deine Antwort",
        "yes": "Das stimmt.",
        "no": "Nicht ganz. Die richtige Antwort ist markiert.",
        "all_right": "Das sitzt. Mehr ist hier nicht zu tun.",
        "some_right": "Die Erklärungen unten zeigen, was viele verwechseln. Ein zweiter Versuch ist willkommen.",
        "done": "Fertig",
        "well_done": "Gut gemacht. Mehr ist hier nicht zu tun.",
        "again": "Noch einmal machen",
        "text": "Der Text",
        "open_link": "Seite öffnen",
        "open_video": "Video öffnen",
        "open_document": "Dokument öffnen",
        "elsewhere": "Zu finden bei",
        "come_back": "Wenn du dort fertig bist, komm zurück und sag es hier.",
        "i_did": "Ich bin fertig",
        "transcript": "Was im Video gesagt wird",
        "gone": "Diese Lektion gibt es nicht mehr. Vielleicht ist eine andere auf deiner Seite.",
        "start_first": "Beginne zuerst die Lektion.",
    },
}
