"""The scopes and their first texts, in English and German."""

from typing import Any

from django.db import migrations

from consent import first_texts


def install(apps: Any, schema_editor: Any) -> None:
    first_texts.install(apps.get_model("consent", "ConsentScope"), apps.get_model("consent", "ScopeText"))


class Migration(migrations.Migration):
    dependencies = [("consent", "0002_promises")]
    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
