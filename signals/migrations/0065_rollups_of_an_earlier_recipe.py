"""What takes long on many rollups, without holding up writers."""

from django.contrib.postgres.operations import AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('signals', '0064_feature_store'),
    ]

    operations = [
        ValidateConstraint(model_name='dailyrollup', name='each_thing_watched_has_its_share'),
        AddIndexConcurrently(
            model_name='dailyrollup',
            index=models.Index(condition=models.Q(('recipe__lt', 2)), fields=['enrolment'], name='rollup_of_an_earlier_recipe'),
        ),
    ]
