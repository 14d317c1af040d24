"""What makes sends wait, what a lost place went to, and which side of a comparison an outcome was on."""

import datetime
import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('interventions', '0030_second_yes'),
        ('learners', '0040_leave_and_holidays'),
    ]

    operations = [
        migrations.CreateModel(
            name='BusyPeriod',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text='What people call it: “Quarter close”.', max_length=120)),
                ('first_date', models.DateField(verbose_name='first day')),
                ('last_date', models.DateField(verbose_name='last day')),
                ('source', models.CharField(choices=[('admin', 'An administrator'), ('manager', "The unit's manager"), ('calendar', 'A calendar file')], editable=False, max_length=8)),
                ('calendar_uid', models.CharField(blank=True, editable=False, max_length=255)),
                ('declared_by', models.UUIDField(blank=True, editable=False, null=True)),
                ('declared_at', models.DateTimeField(editable=False)),
            ],
            options={
                'verbose_name': 'business-critical week',
                'verbose_name_plural': 'business-critical weeks',
                'ordering': ('first_date', 'unit', 'pk'),
            },
        ),
        migrations.CreateModel(
            name='Hold',
            fields=[
                ('decision', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='hold', serialize=False, to='interventions.decision')),
                ('reason', models.CharField(choices=[('leave', 'On leave'), ('busy_week', 'A business-critical week'), ('holiday', 'A public holiday')], max_length=16)),
                ('name', models.CharField(blank=True, max_length=120)),
                ('since', models.DateTimeField()),
                ('until', models.DateTimeField()),
                ('released_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ('-since', 'pk'),
            },
        ),
        migrations.AddField(
            model_name='outcome',
            name='arm',
            field=models.CharField(blank=True, choices=[('treated', 'Treated'), ('held_out', 'Held out')], db_default='', default='', max_length=8),
        ),
        migrations.AddField(
            model_name='outcome',
            name='comparison',
            field=models.SlugField(blank=True, db_default='', default='', max_length=64),
        ),
        migrations.AddField(
            model_name='suppression',
            name='lost_to',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='won_over', to='interventions.decision'),
        ),
        migrations.AlterField(
            model_name='suppression',
            name='reason',
            field=models.CharField(choices=[('consent', 'The learner said no to this'), ('cap', 'Already two alerts in seven days'), ('about_cap', 'The manager heard about this person within seven days'), ('manager_budget', 'The manager already has three open requests'), ('no_manager', 'No manager is known'), ('no_channel', 'No way to reach the learner'), ('recovered', 'Things were better before it went out'), ('expired', 'Held too long to still make sense'), ('declined', 'A person said no'), ('unanswered', 'Nobody approved it in time'), ('failed', 'The channel refused it for good'), ('course_ended', 'The course ended'), ('superseded', 'A person chose another route'), ('leave', 'On leave when it was due'), ('busy_week', 'A business-critical week when it was due'), ('holiday', 'A public holiday when it was due'), ('outbid', 'The last place of the week went to something worth more')], max_length=16),
        ),
        migrations.AddIndex(
            model_name='outcome',
            index=models.Index(condition=models.Q(('comparison', ''), _negated=True), fields=['measure', 'comparison'], name='outcome_compared'),
        ),
        migrations.AddConstraint(
            model_name='outcome',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('arm', ''), ('comparison', '')), models.Q(models.Q(('comparison', ''), _negated=True), ('arm__in', ('treated', 'held_out'))), _connector='OR'), name='a_comparison_has_two_arms'),
        ),
        migrations.AddConstraint(
            model_name='suppression',
            constraint=models.CheckConstraint(condition=models.Q(('lost_to__isnull', True), ('reason', 'outbid'), _connector='OR'), name='only_what_was_outbid_lost_to_another'),
        ),
        migrations.AddField(
            model_name='busyperiod',
            name='unit',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='busy_periods', to='learners.orgunit'),
        ),
        migrations.AddConstraint(
            model_name='hold',
            constraint=models.CheckConstraint(condition=models.Q(('reason__in', ('leave', 'busy_week', 'holiday'))), name='a_hold_has_a_known_reason'),
        ),
        migrations.AddConstraint(
            model_name='hold',
            constraint=models.CheckConstraint(condition=models.Q(('until__gt', models.F('since'))), name='a_hold_ends_after_it_begins'),
        ),
        migrations.AddIndex(
            model_name='busyperiod',
            index=models.Index(fields=['unit', 'last_date'], name='busy_period_by_unit'),
        ),
        migrations.AddConstraint(
            model_name='busyperiod',
            constraint=models.CheckConstraint(condition=models.Q(('last_date__gte', models.F('first_date'))), name='a_busy_period_ends_after_it_begins'),
        ),
        migrations.AddConstraint(
            model_name='busyperiod',
            constraint=models.CheckConstraint(condition=models.Q(('last_date__lt', django.db.models.expressions.CombinedExpression(models.F('first_date'), '+', models.Value(datetime.timedelta(days=56))))), name='a_busy_period_lasts_eight_weeks_at_most'),
        ),
        migrations.AddConstraint(
            model_name='busyperiod',
            constraint=models.UniqueConstraint(condition=models.Q(('calendar_uid', ''), _negated=True), fields=('unit', 'calendar_uid', 'first_date'), name='a_calendar_s_event_is_read_once'),
        ),
    ]
