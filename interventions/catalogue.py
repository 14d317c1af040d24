"""Lessons and words by key and language, and the rules our words obey."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Prefetch

from interventions import catalogue_data
from interventions.models import Lesson, LessonText, MessageText

DEFAULT_LANGUAGE = "en"
PLACEHOLDERS = {
    "first_name": "the learner's first name",
    "course": "the course",
    "lesson": "the title of the lesson",
    "minutes": "how long the lesson takes",
    "link": "the address of the lesson, or of the learner's page",
}
SUBJECT_LENGTH = 60
BODY_LENGTH = 600
CHOICES = 4
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

# Words that judge a person, in the languages we ship. A message offers help; it never says how one stands.
FORBIDDEN: tuple[tuple[str, str], ...] = (
    (r"\bat[\s-]risk\b", "at risk"),
    (r"\bfail(?:ed|s|ing)? to\b", "failed to"),
    (r"\bscor(?:e|es|ed|ing)\b", "score"),
    (r"\b(?:gefährdet\w*|risikogruppe)\b", "gefährdet"),
    (r"\b(?:versagt\w*|durchgefallen)\b", "versagt"),
    (r"\bnicht geschafft\b", "nicht geschafft"),
    (r"\b(?:punktzahl|punktestand|risikowert)\w*", "Punktzahl"),
    (r"\d\s*(?:%|percent\b|per cent\b|prozent\b)", "a number in percent"),
)


class NoSuchLesson(LookupError):
    """The catalogue has no lesson, or the lesson no text, that could be shown."""


class NoSuchMessage(LookupError):
    """Neither the installation nor the contents we ship have words under this key."""


class Fault(NamedTuple):
    """What is wrong with a text, where, and how to mend it."""

    field: str
    message: str


def lesson_text(lesson: Lesson, language: str) -> LessonText:
    """The lesson in this language; else in English; else in whatever language there is."""
    wanted = _languages(language)
    texts = {text.language: text for text in lesson.texts.all() if text.is_in_use}
    for name in (*wanted, *sorted(texts)):
        if name in texts:
            return texts[name]
    raise NoSuchLesson(f"The lesson {lesson.key} has no text; add one in the admin.")


def texts_in_use(path: str = "texts") -> "Prefetch[str]":
    """What prefetch_related is given, so that ``lesson_text`` asks for nothing and earlier versions stay away."""
    return Prefetch(path, LessonText.objects.in_use())


class Offer(NamedTuple):
    """A lesson that can be offered: its key, the competency it teaches, the languages it exists in."""

    key: str
    competency: str | None
    languages: frozenset[str]


def offers(*, on: date) -> list[Offer]:
    """Every lesson that may be suggested on this day, by key; two queries."""
    rows = Lesson.objects.suggestible(on=on).order_by("key", "pk")
    return [
        Offer(
            lesson.key,
            lesson.competency.key if lesson.competency else None,
            frozenset(text.language for text in lesson.texts.all()),
        )
        for lesson in rows.select_related("competency").prefetch_related(
            Prefetch("texts", LessonText.objects.in_use().only("lesson", "language"))
        )
    ]


def suited(offers: Iterable[Offer], *, competencies: Sequence[str], language: str) -> list[Offer]:
    """The lessons that suit best and equally well, by key: of the first of these competencies that has any, else all;
    and of those the ones in the first of the learner's languages that has any, else all."""
    left = sorted(offers)
    for competency in competencies:
        fitting = [offer for offer in left if offer.competency == competency]
        if fitting:
            left = fitting
            break
    for wanted in _languages(language):
        spoken = [offer for offer in left if wanted in offer.languages]
        if spoken:
            return spoken
    return left


class Words(NamedTuple):
    """A message filled in, and which version of it (None: the words we ship)."""

    subject: str
    body: str
    version: int | None  # MessageText's key


def message(key: str, fallback_key: str, language: str, values: Mapping[str, object]) -> tuple[str, str]:
    """Subject and body under this key, else under the fallback key; in this language, else in English.

    What the installation has removed is taken from the contents we ship: a deleted row silences nobody.
    """
    words = told(key, fallback_key, language, values)
    return words.subject, words.body


def told(
    key: str,
    fallback_key: str,
    language: str,
    values: Mapping[str, object],
    *,
    reader: UUID | None = None,
) -> Words:
    """As ``message``, with its version. Of several variants a reader always meets the same one."""
    keys = dict.fromkeys((key, fallback_key))
    languages = _languages(language)
    rows = MessageText.objects.filter(key__in=keys, language__in=languages, replaced_at__isnull=True)
    texts: dict[tuple[str, str], list[tuple[str, str, int | None]]] = defaultdict(list)
    for row in rows.order_by("variant", "pk"):
        texts[row.key, row.language].append((row.subject, row.body, row.pk))
    shipped: dict[tuple[str, str], list[tuple[str, str, int | None]]] = {
        (starter.key, starter.language): [(starter.subject, starter.body, None)]
        for starter in catalogue_data.messages()
        if starter.key in keys
    }
    for source in (texts, shipped):
        for name in languages:
            for wanted in keys:
                if variants := source.get((wanted, name)):
                    subject, body, version = variants[_drawn(wanted, reader, len(variants))]
                    return filled(subject, body, values)._replace(version=version)
    raise NoSuchMessage(f"There is no message {key} or {fallback_key}; add one in the admin.")


def filled(subject: str, body: str, values: Mapping[str, object]) -> Words:
    """These words with their placeholders replaced."""
    # A line break in a course's name must not become a second mail header.
    return Words(" ".join(_fill(subject, values).split()), _fill(body, values), None)


def _drawn(key: str, reader: UUID | None, number: int) -> int:
    """Which of so many variants: by a hash, so that a replay draws the same and a person meets one voice."""
    if reader is None or number == 1:
        return 0
    digest = hashlib.sha256(f"variant:{key}:{reader}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % number


def faults_of_message(subject: str, body: str) -> list[Fault]:
    """Everything that keeps these words from being saved."""
    faults = []
    if len(subject) > SUBJECT_LENGTH:
        faults.append(
            Fault(
                "subject",
                f"{len(subject)} characters; a subject has at most {SUBJECT_LENGTH}.",
            )
        )
    if "\n" in subject or "\r" in subject:
        faults.append(Fault("subject", "A subject is one line."))
    if len(body) > BODY_LENGTH:
        faults.append(Fault("body", f"{len(body)} characters; at most {BODY_LENGTH}: two to four sentences."))
    for field, text in (("subject", subject), ("body", body)):
        faults += faults_of_words(field, text)
        faults += _faults_of_placeholders(field, text)
    return faults


def faults_of_words(field: str, text: str) -> list[Fault]:
    """The words in this text that judge a person."""
    return [
        Fault(field, f'Please do not say "{name}": words here offer help and never judge.')
        for pattern, name in FORBIDDEN
        if re.search(pattern, text, re.IGNORECASE)
    ]


def faults_of_questions(questions: Any) -> list[Fault]:
    """Everything that keeps these questions from being asked."""
    if not isinstance(questions, list) or not questions:
        return [Fault("questions", "A lesson ends with at least one question.")]
    return [
        Fault("questions", f"Question {number}: {fault}")
        for number, question in enumerate(questions, start=1)
        for fault in _faults_of_question(question)
    ]


def _faults_of_question(question: Any) -> list[str]:
    if not isinstance(question, dict) or set(question) != {"text", "choices", "answer", "because"}:
        return ["needs exactly a text, choices, the answer and a because."]
    faults = []
    choices, answer = question["choices"], question["answer"]
    if not str(question["text"]).strip():
        faults.append("the question itself is missing.")
    if not isinstance(choices, list) or len(choices) != CHOICES or not all(str(c).strip() for c in choices):
        faults.append(f"needs {CHOICES} choices, one a line.")
    elif len({str(choice).strip().casefold() for choice in choices}) != CHOICES:
        faults.append("two choices are the same.")
    if not isinstance(answer, int) or isinstance(answer, bool) or not 0 <= answer < CHOICES:
        faults.append("needs exactly one right choice.")
    if not str(question["because"]).strip():
        faults.append("needs one sentence that says why the answer is right.")
    return faults


def _faults_of_placeholders(field: str, text: str) -> list[Fault]:
    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    faults = [
        Fault(field, f"{{{name}}} is no placeholder; there are {known}.")
        for name in dict.fromkeys(_PLACEHOLDER.findall(text))
        if name not in PLACEHOLDERS
    ]
    if re.search(r"[{}]", _PLACEHOLDER.sub("", text)):
        faults.append(Fault(field, f"A curly bracket stands alone; placeholders are written {known}."))
    return faults


def _fill(text: str, values: Mapping[str, object]) -> str:
    filled = _PLACEHOLDER.sub(lambda match: str(values.get(match.group(1), "")), text)
    # A learner without a name: "Hello , …" reads "Hello, …", and "Well done, " reads "Well done".
    return re.sub(r"[ \t]+,", ",", filled).strip().removesuffix(",")


def _languages(language: str) -> tuple[str, ...]:
    """The languages to try, in order: "de-AT" is served in German."""
    return tuple(dict.fromkeys((language, language.partition("-")[0], DEFAULT_LANGUAGE)))
