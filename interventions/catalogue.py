"""The words and lessons on offer, in the language that is asked for or else in English."""

import re
from collections.abc import Mapping
from string import Formatter

from django.core.exceptions import ValidationError

from interventions.models import Lesson, LessonText, MessageText

PLACEHOLDERS = ("first_name", "course", "lesson", "minutes", "link")
FALLBACK = "en"
# Words that judge or count a person; and numbers with a percent sign, which read as a score.
FORBIDDEN = re.compile(r"\bat risk\b|\bfail(ed|ing|ure)?\b|\bscore\b|\d\s?%|\bgefährdet\b|\bversag\w+", re.IGNORECASE)


class NoWords(LookupError):
    """The catalogue has no text for this; the message says which is missing."""


def lesson_text(lesson: Lesson, language: str) -> LessonText:
    """The lesson in this language, else in English."""
    texts = {text.language: text for text in lesson.texts.all()}
    text = texts.get(_short(language)) or texts.get(FALLBACK) or next(iter(texts.values()), None)
    if text is None:
        raise NoWords(f"The lesson {lesson.key} has no text in any language; add one in the admin.")
    return text


def message(key: str, fallback_key: str, language: str, values: Mapping[str, str]) -> tuple[str, str]:
    """Subject and body under ``key``, else ``fallback_key``; in this language, else in English."""
    rows = {
        (row.key, row.language): row
        for row in MessageText.objects.filter(
            key__in=(key, fallback_key), language__in=(_short(language), FALLBACK)
        )
    }
    for wanted in (
        (key, _short(language)),
        (fallback_key, _short(language)),
        (key, FALLBACK),
        (fallback_key, FALLBACK),
    ):
        if wanted in rows:
            filled = {name: values.get(name, "") for name in PLACEHOLDERS}
            row = rows[wanted]
            return _tidy(row.subject.format(**filled)), _tidy(row.body.format(**filled))
    raise NoWords(f"There is no message {fallback_key!r} in English; add one in the admin.")


def _tidy(text: str) -> str:
    """The text without the gap that an unknown first name leaves before a comma."""
    return re.sub(r" +,", ",", text)


def check_words(text: str) -> None:
    """Raises ValidationError where a text judges a person, shows a score or has a placeholder nobody fills."""
    found = FORBIDDEN.search(text)
    if found:
        raise ValidationError(f"“{found.group()}” judges or counts the person; say what could help instead.")
    try:
        names = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
    except ValueError as fault:
        raise ValidationError(f"The braces do not match: {fault}.") from fault
    unknown = names - set(PLACEHOLDERS)
    if unknown:
        raise ValidationError(
            f"Unknown placeholder: {', '.join(sorted(unknown))}. There are: {', '.join(PLACEHOLDERS)}."
        )


def _short(language: str) -> str:
    return language.split("-")[0].lower()
