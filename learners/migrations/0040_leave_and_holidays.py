"""Leave as HR tells it, and the public holidays of a unit."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('learners', '0031_facts_and_declared_attributes'),
    ]

    operations = [
        migrations.AddField(
            model_name='learner',
            name='leave_from',
            field=models.DateField(blank=True, null=True, verbose_name='first day of leave'),
        ),
        migrations.AddField(
            model_name='learner',
            name='leave_until',
            field=models.DateField(blank=True, null=True, verbose_name='last day of leave'),
        ),
        migrations.AddField(
            model_name='orgunit',
            name='holidays',
            field=models.CharField(blank=True, db_default='', help_text="A country (DE) or a part of one (DE-BY). Empty: as the unit above, else the organisation's.", max_length=16, verbose_name='public holidays'),
        ),
        migrations.AddConstraint(
            model_name='learner',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('leave_from__isnull', True), ('leave_until__isnull', True)), models.Q(('leave_from__isnull', False), ('leave_until__gte', models.F('leave_from'))), _connector='OR'), name='leave_has_a_first_and_a_last_day'),
        ),
    ]
