"""Puts the contents we ship into a database: used by migration 0003 with that migration's own models."""

from typing import Any

from interventions.catalogue_data import lessons, messages


def install(*, lesson: Any, lesson_text: Any, message_text: Any, competency: Any) -> None:
    """Adds what is missing; a lesson or message that exists already is left as it is."""
    for starter in lessons():
        owner, _ = competency.objects.get_or_create(
            key=starter.competency_key, defaults={"name": starter.competency_name}
        )
        row, _ = lesson.objects.get_or_create(
            key=starter.key, defaults={"minutes": starter.minutes, "competency": owner}
        )
        for language, text in starter.texts.items():
            lesson_text.objects.get_or_create(
                lesson=row,
                language=language,
                defaults={
                    "title": text.title,
                    "body": text.body,
                    "questions": [question._asdict() for question in text.questions],
                },
            )
    for message in messages():
        message_text.objects.get_or_create(
            key=message.key,
            language=message.language,
            defaults={"subject": message.subject, "body": message.body},
        )
