"""Parked statements that an identifier names nobody for on their day need not be claimed again and again."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("signals", "0050_archive_files"), ("learners", "0020_identifiers_by_time")]

    operations = [
        migrations.CreateModel(
            name="ParkedOutside",
            fields=[
                (
                    "statement",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="outside",
                        serialize=False,
                        to="signals.statement",
                    ),
                ),
                ("seen", models.CharField(max_length=32)),
            ],
            options={"ordering": ("pk",)},
        ),
    ]
