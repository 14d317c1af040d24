"""How well people have mastered competencies, from their single answers."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('learners', '0031_facts_and_declared_attributes'),
        ('signals', '0074_model_governance'),
    ]

    operations = [
        migrations.CreateModel(
            name='MasteryFit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('fitted_at', models.DateTimeField()),
                ('fading', models.FloatField()),
                ('pooled', models.JSONField()),
                ('strands', models.JSONField()),
                ('answers', models.PositiveIntegerField()),
                ('learners', models.PositiveIntegerField()),
                ('metrics', models.JSONField(default=dict)),
            ],
            options={
                'ordering': ('-fitted_at', '-pk'),
                'constraints': [models.CheckConstraint(condition=models.Q(('fading__gt', 0), ('fading__lte', 1)), name='answers_fade_and_never_grow')],
            },
        ),
        migrations.CreateModel(
            name='ItemDifficulty',
            fields=[
                ('activity', models.BigIntegerField(primary_key=True, serialize=False)),
                ('difficulty', models.FloatField()),
                ('answers', models.PositiveIntegerField()),
                ('competency', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='learners.competency')),
                ('fit', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='items', to='signals.masteryfit')),
            ],
            options={
                'verbose_name_plural': 'item difficulties',
                'ordering': ('pk',),
            },
        ),
        migrations.CreateModel(
            name='Mastery',
            fields=[
                ('pk', models.CompositePrimaryKey('learner_id', 'competency_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('value', models.FloatField()),
                ('low', models.FloatField()),
                ('high', models.FloatField()),
                ('answers', models.PositiveIntegerField()),
                ('last_answer_at', models.DateTimeField()),
                ('as_of', models.DateTimeField()),
                ('competency', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='learners.competency')),
                ('learner', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='mastery', to='learners.learner')),
                ('fit', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='signals.masteryfit')),
            ],
            options={
                'verbose_name_plural': 'mastery',
                'ordering': ('learner', 'competency'),
                'constraints': [models.CheckConstraint(condition=models.Q(('low__gte', 0), ('value__gte', models.F('low')), ('high__gte', models.F('value')), ('high__lte', 1)), name='mastery_lies_between_its_bounds'), models.CheckConstraint(condition=models.Q(('answers__gt', 0)), name='mastery_rests_on_answers')],
            },
        ),
    ]
