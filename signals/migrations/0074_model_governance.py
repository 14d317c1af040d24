"""How models come to be live, a model beside the live one, and findings about models."""

import django.db.models.deletion
from django.db import migrations, models


STAYS = """
CREATE FUNCTION signals_promotion_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'A promotion stays as it was written: take a model back by another row.'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER promotion_stays BEFORE UPDATE OR DELETE ON signals_promotion
    FOR EACH ROW EXECUTE FUNCTION signals_promotion_stays();
"""
GOES = "DROP TRIGGER promotion_stays ON signals_promotion; DROP FUNCTION signals_promotion_stays()"


class Migration(migrations.Migration):

    dependencies = [
        ('learners', '0031_facts_and_declared_attributes'),
        ('signals', '0071_second_looks_and_faults'),
    ]

    operations = [
        migrations.CreateModel(
            name='ModelAudit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('fairness', 'Fairness'), ('remedy', 'Remedy tried'), ('drift', 'Drift')], max_length=12)),
                ('parameters', models.JSONField(default=dict)),
                ('asked_at', models.DateTimeField()),
                ('asked_by', models.UUIDField(blank=True, null=True)),
                ('begun_at', models.DateTimeField(blank=True, null=True)),
                ('done_at', models.DateTimeField(blank=True, null=True)),
                ('result', models.JSONField(default=dict)),
                ('says', models.TextField(blank=True, default='')),
            ],
            options={
                'ordering': ('-asked_at', '-pk'),
            },
        ),
        migrations.CreateModel(
            name='Promotion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('by', models.UUIDField(blank=True, null=True)),
                ('outcome', models.CharField(choices=[('promoted', 'Promoted'), ('refused', 'Refused'), ('rolled_back', 'Rolled back'), ('shadowed', 'Put in shadow'), ('unshadowed', 'Taken out of shadow'), ('asked', 'Waits for the gate')], max_length=12)),
                ('reason', models.CharField(max_length=2000)),
                ('comparison', models.JSONField(default=dict)),
            ],
            options={
                'ordering': ('-pk',),
            },
        ),
        migrations.CreateModel(
            name='RetiredFeature',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=64)),
                ('reason', models.CharField(max_length=300)),
                ('retired_at', models.DateTimeField()),
                ('retired_by', models.UUIDField(blank=True, null=True)),
                ('restored_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ('-retired_at', '-pk'),
            },
        ),
        migrations.CreateModel(
            name='ShadowRisk',
            fields=[
                ('enrolment', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='shadow_risk', serialize=False, to='learners.enrolment')),
                ('value', models.FloatField(blank=True, null=True)),
                ('live_value', models.FloatField(blank=True, null=True)),
                ('as_of', models.DateTimeField()),
                ('asked_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ('pk',),
            },
        ),
        migrations.CreateModel(
            name='TrainingRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('label', models.CharField(max_length=64)),
                ('outcome', models.CharField(choices=[('trained', 'A candidate was trained'), ('same', 'Nothing new to learn from'), ('too_little', 'Too little to learn from'), ('failed', 'Failed')], max_length=12)),
                ('says', models.TextField()),
                ('seconds', models.FloatField(default=0)),
            ],
            options={
                'ordering': ('-at', '-pk'),
            },
        ),
        migrations.AddField(
            model_name='finding',
            name='model',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='findings', to='signals.modelversion'),
        ),
        migrations.AddField(
            model_name='modelversion',
            name='is_shadow',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='modelversion',
            name='taken_back_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name='finding',
            name='kind',
            field=models.CharField(choices=[('volume', 'Far less than usual'), ('clock', 'Clock is off'), ('midnight', 'Timestamps hold only the date'), ('old', 'History sent as if it were new'), ('missing_time', 'Timestamps are missing'), ('missing_score', 'Scores are missing'), ('missing_duration', 'Durations are missing'), ('missing_course', 'Course is not known'), ('missing_registration', 'Registrations are missing'), ('new_verb', 'New verbs'), ('new_type', 'New activity types'), ('resent', 'Sent again'), ('twins', 'The same twice, under two ids'), ('refused', 'Refused as faulty'), ('quarantine', 'Waiting in quarantine'), ('parked', 'About nobody we know'), ('model_drift', 'People are not as in training'), ('model_calibration', 'Risks come true more or less often than said')], max_length=24),
        ),
        migrations.AlterField(
            model_name='finding',
            name='source',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='findings', to='signals.credential'),
        ),
        migrations.AddConstraint(
            model_name='finding',
            constraint=models.UniqueConstraint(condition=models.Q(('closed_at__isnull', True)), fields=('model', 'kind'), name='one_open_finding_per_model_and_kind'),
        ),
        migrations.AddConstraint(
            model_name='finding',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('model__isnull', True), ('source__isnull', False)), models.Q(('model__isnull', False), ('source__isnull', True)), _connector='OR'), name='a_finding_is_about_a_source_or_a_model'),
        ),
        migrations.AddConstraint(
            model_name='modelversion',
            constraint=models.UniqueConstraint(condition=models.Q(('is_shadow', True)), fields=('is_shadow',), name='one_model_is_in_shadow'),
        ),
        migrations.AddConstraint(
            model_name='modelversion',
            constraint=models.CheckConstraint(condition=models.Q(('is_live', False), models.Q(('is_shadow', False), ('taken_back_at__isnull', True)), _connector='OR'), name='a_live_model_is_neither_in_shadow_nor_taken_back'),
        ),
        migrations.AddField(
            model_name='modelaudit',
            name='model_version',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='audits', to='signals.modelversion'),
        ),
        migrations.AddField(
            model_name='promotion',
            name='candidate',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='promotions', to='signals.modelversion'),
        ),
        migrations.AddField(
            model_name='promotion',
            name='replaced',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='signals.modelversion'),
        ),
        migrations.AddConstraint(
            model_name='retiredfeature',
            constraint=models.UniqueConstraint(condition=models.Q(('restored_at__isnull', True)), fields=('key',), name='a_feature_is_retired_once_at_a_time'),
        ),
        migrations.AddConstraint(
            model_name='retiredfeature',
            constraint=models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='a_retired_feature_says_why'),
        ),
        migrations.AddConstraint(
            model_name='retiredfeature',
            constraint=models.CheckConstraint(condition=models.Q(('restored_at__isnull', True), ('restored_at__gte', models.F('retired_at')), _connector='OR'), name='a_feature_is_restored_after_it_was_retired'),
        ),
        migrations.AddField(
            model_name='shadowrisk',
            name='live_model',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='signals.modelversion'),
        ),
        migrations.AddField(
            model_name='shadowrisk',
            name='model_version',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='signals.modelversion'),
        ),
        migrations.AddField(
            model_name='trainingrun',
            name='model_version',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='signals.modelversion'),
        ),
        migrations.AddConstraint(
            model_name='modelaudit',
            constraint=models.UniqueConstraint(condition=models.Q(('done_at__isnull', True)), fields=('kind', 'model_version', 'parameters'), name='a_question_about_a_model_waits_once', nulls_distinct=False),
        ),
        migrations.AddIndex(
            model_name='promotion',
            index=models.Index(condition=models.Q(('outcome__in', ('promoted', 'rolled_back'))), fields=['-id'], name='promotion_that_counts'),
        ),
        migrations.AddConstraint(
            model_name='promotion',
            constraint=models.CheckConstraint(condition=models.Q(('replaced__isnull', True), models.Q(('candidate', models.F('replaced')), _negated=True), _connector='OR'), name='a_model_does_not_replace_itself'),
        ),
        migrations.AddConstraint(
            model_name='promotion',
            constraint=models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='a_promotion_says_why'),
        ),
        migrations.AddConstraint(
            model_name='shadowrisk',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('value__isnull', True), models.Q(('value__gte', 0), ('value__lte', 1)), _connector='OR'), models.Q(('live_value__isnull', True), models.Q(('live_value__gte', 0), ('live_value__lte', 1)), _connector='OR')), name='a_shadow_risk_is_a_share'),
        ),
        migrations.RunSQL(STAYS, GOES),
    ]
