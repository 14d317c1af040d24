from django.db import migrations, models


def say_why(apps, schema_editor):
    """What was discarded before reasons were asked for says so. A row at a time: each note is encrypted."""
    quarantined = apps.get_model("signals", "Quarantined")
    for row in quarantined.objects.filter(state="discarded", note__isnull=True).only("pk").iterator():
        row.note = "Discarded before a reason was asked for."
        row.save(update_fields=["note"])


class Migration(migrations.Migration):

    dependencies = [
        ("signals", "0020_intake"),
    ]

    operations = [
        migrations.RunPython(say_why, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="quarantined",
            constraint=models.CheckConstraint(
                condition=models.Q(models.Q(("state", "discarded"), _negated=True), ("note__isnull", False), _connector="OR"),
                name="what_is_discarded_is_discarded_for_a_reason",
            ),
        ),
    ]
