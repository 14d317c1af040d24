"""The rules we ship, as drafts."""

from django.db import migrations

from interventions.rules.starter import install


def start(apps, schema_editor):
    install(apps.get_model("interventions", "Rule"))


class Migration(migrations.Migration):
    dependencies = [("interventions", "0051_promises_of_rules")]
    operations = [migrations.RunPython(start, migrations.RunPython.noop)]
