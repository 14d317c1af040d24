"""A live model that cannot be used is a finding, and so is mailed. Choices only: nothing changes in the database."""

from django.db import migrations, models

KINDS = [
    ("volume", "Far less than usual"),
    ("clock", "Clock is off"),
    ("midnight", "Timestamps hold only the date"),
    ("old", "History sent as if it were new"),
    ("missing_time", "Timestamps are missing"),
    ("missing_score", "Scores are missing"),
    ("missing_duration", "Durations are missing"),
    ("missing_course", "Course is not known"),
    ("missing_registration", "Registrations are missing"),
    ("new_verb", "New verbs"),
    ("new_type", "New activity types"),
    ("resent", "Sent again"),
    ("twins", "The same twice, under two ids"),
    ("refused", "Refused as faulty"),
    ("quarantine", "Waiting in quarantine"),
    ("parked", "About nobody we know"),
    ("model_drift", "People are not as in training"),
    ("model_calibration", "Risks come true more or less often than said"),
    ("model_fault", "The live model cannot be used"),
]


class Migration(migrations.Migration):
    dependencies = [("signals", "0079_facts_mark_the_enrolment")]

    operations = [
        migrations.AlterField("finding", "kind", models.CharField(choices=KINDS, max_length=24)),
        migrations.AlterModelOptions(
            "modelversion",
            {
                "ordering": ("-created_at", "-pk"),
                "verbose_name": "model of risk",
                "verbose_name_plural": "models of risk",
            },
        ),
    ]
