"""Rollups by kind of material and time of day, grids of cohorts, and faults of feature definitions.

Yesterday's code goes on writing rollups: the database fills the new columns, and marks the row as of the old recipe.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('learners', '0031_facts_and_declared_attributes'),
        ('signals', '0063_learned_models'),
    ]

    operations = [
        migrations.CreateModel(
            name='CohortGrid',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('starts_on', models.DateField()),
                ('as_of', models.DateTimeField()),
                ('feature_set', models.CharField(max_length=32)),
                ('people', models.PositiveIntegerField()),
                ('grids', models.JSONField()),
            ],
            options={
                'ordering': ('course', 'starts_on', '-as_of', 'pk'),
            },
        ),
        migrations.CreateModel(
            name='FeatureFault',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=64)),
                ('version', models.PositiveSmallIntegerField()),
                ('fault', models.CharField(max_length=120)),
                ('times', models.PositiveIntegerField(default=1)),
                ('first_at', models.DateTimeField()),
                ('last_at', models.DateTimeField()),
            ],
            options={
                'ordering': ('-last_at', 'key', 'pk'),
            },
        ),
        migrations.AddField(
            model_name='dailyrollup',
            name='afternoon',
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='dailyrollup',
            name='evening',
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='dailyrollup',
            name='hasty',
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='dailyrollup',
            name='kind_assessment',
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='dailyrollup',
            name='kind_content',
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='dailyrollup',
            name='kind_discussion',
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='dailyrollup',
            name='kind_file',
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='dailyrollup',
            name='kind_media',
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='dailyrollup',
            name='kind_meeting',
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='dailyrollup',
            name='kind_other',
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='dailyrollup',
            name='kind_page',
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='dailyrollup',
            name='morning',
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='dailyrollup',
            name='night',
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='dailyrollup',
            name='opened',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), blank=True, null=True, size=None),
        ),
        migrations.AddField(
            model_name='dailyrollup',
            name='recipe',
            field=models.SmallIntegerField(db_default=1, default=1),
        ),
        migrations.AddField(
            model_name='dailyrollup',
            name='watched',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), blank=True, null=True, size=None),
        ),
        migrations.AddField(
            model_name='dailyrollup',
            name='watched_shares',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.FloatField(), blank=True, null=True, size=None),
        ),
        # Checked for what is there by the next migration, which holds nobody up.
        AddConstraintNotValid(
            model_name='dailyrollup',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('watched__isnull', True), ('watched_shares__isnull', True)), ('watched__len', models.F('watched_shares__len')), _connector='OR'), name='each_thing_watched_has_its_share'),
        ),
        migrations.AddField(
            model_name='cohortgrid',
            name='course',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='learners.course'),
        ),
        migrations.AddConstraint(
            model_name='featurefault',
            constraint=models.UniqueConstraint(fields=('key', 'version', 'fault'), name='a_fault_is_noted_once_per_definition'),
        ),
        migrations.AddConstraint(
            model_name='cohortgrid',
            constraint=models.UniqueConstraint(fields=('course', 'starts_on', 'as_of'), name='one_grid_per_cohort_and_moment'),
        ),
        migrations.AddConstraint(
            model_name='cohortgrid',
            constraint=models.CheckConstraint(condition=models.Q(('people__gte', 10)), name='a_grid_is_of_ten_people_or_more'),
        ),
    ]
