"""Which lessons are the ones we ship, and which text the visits there are showed."""

from typing import Any

from django.db import migrations

from interventions import catalogue_data


def fill(apps: Any, schema_editor: Any) -> None:
    keys = [starter.key for starter in catalogue_data.lessons()]
    apps.get_model("interventions", "Lesson").objects.filter(key__in=keys).update(origin="shipped")
    texts: dict[int, dict[str, int]] = {}
    for pk, lesson, language in (
        apps.get_model("interventions", "LessonText").objects.order_by("pk").values_list("pk", "lesson_id", "language")
    ):
        texts.setdefault(lesson, {})[language] = pk
    visits = apps.get_model("interventions", "LessonVisit").objects.filter(text__isnull=True)
    # What was shown: the learner's language, else English, else what there is. Few combinations, few updates.
    for lesson, language in visits.order_by().values_list("lesson_id", "learner__language").distinct():
        there = texts.get(lesson, {})
        wanted = (language, language.partition("-")[0], "en", *sorted(there))
        text = next((there[name] for name in wanted if name in there), None)
        if text is not None:
            visits.filter(lesson_id=lesson, learner__language=language).update(text_id=text)


class Migration(migrations.Migration):
    dependencies = [("interventions", "0075_lesson_versions"), ("learners", "0040_leave_and_holidays")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
