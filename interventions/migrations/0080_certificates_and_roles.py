"""Adds the draft about certificates that end; the one for people who are new asks for the role from now on."""

from django.db import migrations

from interventions.rules.starter import install

NEW_HERE = {"clauses": [{"fact": "days_since_joining", "op": "below", "value": 30, "what": ""}]}


def start(apps, schema_editor):
    rules = apps.get_model("interventions", "Rule")
    # As it was shipped: a draft that nobody has touched is written anew, anybody's own stays.
    untouched = {"state": "draft", "version": 1, "created_by": None, "owner": None, "when": NEW_HERE}
    rules.objects.filter(key="first-lesson", **untouched).delete()
    install(rules)


class Migration(migrations.Migration):
    dependencies = [("interventions", "0077_promises_of_lessons")]
    operations = [migrations.RunPython(start, migrations.RunPython.noop)]
