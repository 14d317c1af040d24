"""What a source knows of an enrolment beforehand, and what people declare of themselves for audits of fairness."""

import consent.crypto
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('learners', '0023_compare_what_changed'),
    ]

    operations = [
        migrations.CreateModel(
            name='DeclaredAttribute',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(choices=[('gender', 'Gender'), ('disability', 'Disability'), ('age_band', 'Age band'), ('deprivation_band', 'Deprivation band of where they live'), ('first_language', 'First language'), ('education', 'Highest education')], max_length=32)),
                ('value', consent.crypto.EncryptedTextField()),
                ('source', models.CharField(max_length=64)),
                ('said_at', models.DateTimeField()),
            ],
            options={
                'ordering': ('learner', 'name', 'pk'),
            },
        ),
        migrations.AddField(
            model_name='enrolment',
            name='earlier_attempts',
            field=models.PositiveSmallIntegerField(blank=True, help_text='How often this person took this course before.', null=True),
        ),
        migrations.AddField(
            model_name='enrolment',
            name='study_load',
            field=models.FloatField(blank=True, help_text='Credits or hours, as the source counts them, of everything studied at the same time.', null=True),
        ),
        migrations.AddConstraint(
            model_name='enrolment',
            constraint=models.CheckConstraint(condition=models.Q(('study_load__isnull', True), models.Q(('study_load__gte', 0), ('study_load__lte', 10000)), _connector='OR'), name='study_load_is_a_plain_amount'),
        ),
        migrations.AddField(
            model_name='declaredattribute',
            name='learner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='declared', to='learners.learner'),
        ),
        migrations.AddConstraint(
            model_name='declaredattribute',
            constraint=models.UniqueConstraint(fields=('learner', 'name'), name='an_attribute_is_declared_once'),
        ),
        migrations.AddConstraint(
            model_name='declaredattribute',
            constraint=models.CheckConstraint(condition=models.Q(('name__in', ('gender', 'disability', 'age_band', 'deprivation_band', 'first_language', 'education'))), name='declared_attribute_is_known'),
        ),
    ]
