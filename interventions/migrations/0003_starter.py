"""Policy version 1 with all defaults, the five micro-lessons and the messages."""

from datetime import UTC, datetime
from typing import Any

from django.db import migrations

from interventions.catalogue_data.install import install
from interventions.policy.document import Document, dump

SINCE = datetime(2000, 1, 1, tzinfo=UTC)  # before any day that a simulated clock shows


def start(apps: Any, schema_editor: Any) -> None:
    model = apps.get_model("interventions", "Policy")
    model.objects.get_or_create(
        version=1,
        defaults={
            "document": dump(Document()),
            "state": "live",
            "reason": "The defaults Rekindle ships with",
            "created_at": SINCE,
            "live_at": SINCE,
        },
    )
    install(
        lesson=apps.get_model("interventions", "Lesson"),
        lesson_text=apps.get_model("interventions", "LessonText"),
        message_text=apps.get_model("interventions", "MessageText"),
        competency=apps.get_model("learners", "Competency"),
    )


class Migration(migrations.Migration):
    dependencies = [("interventions", "0002_promises"), ("learners", "0001_initial")]
    operations = [migrations.RunPython(start, migrations.RunPython.noop)]
