"""The database itself refuses that an identifier names two learners on one day."""

import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import learners.models.people
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("learners", "0020_identifiers_by_time")]

    operations = [
        migrations.AddConstraint(
            model_name="identifier",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                expressions=[
                    (learners.models.people.HashPoint("hash"), "&&"),
                    (
                        models.Func(
                            "valid_from",
                            "valid_to",
                            function="daterange",
                            output_field=django.contrib.postgres.fields.ranges.DateRangeField(),
                        ),
                        "&&",
                    ),
                ],
                name="an_identifier_names_one_learner_at_a_time",
            ),
        ),
    ]
