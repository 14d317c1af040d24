"""What escalations, attempts and asks rest on is asked by the database too; and one more reason why nothing went out."""

from django.db import migrations, models

FORWARD = """
-- Proof and attempt belong to the episode of their decision: the foreign key to the proof compares episodes, and says
-- nothing as long as the episode itself could be somebody else's.
CREATE FUNCTION interventions_in_its_episode() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.episode_id IS DISTINCT FROM (SELECT episode_id FROM interventions_decision WHERE id = NEW.decision_id) THEN
        RAISE EXCEPTION 'This is of another episode than its decision.'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'what_follows_a_decision_is_of_its_episode';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER what_follows_a_decision_is_of_its_episode
    BEFORE INSERT OR UPDATE OF decision_id, episode_id ON interventions_escalation
    FOR EACH ROW EXECUTE FUNCTION interventions_in_its_episode();
CREATE TRIGGER what_follows_a_decision_is_of_its_episode
    BEFORE INSERT OR UPDATE OF decision_id, episode_id ON interventions_attempt
    FOR EACH ROW EXECUTE FUNCTION interventions_in_its_episode();

-- A manager is asked on proof or a named exemption, and never before a person has said yes.
CREATE FUNCTION interventions_asked_rightly() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM interventions_escalation WHERE decision_id = NEW.decision_id) THEN
        RAISE EXCEPTION 'A manager is asked on proof of a failed attempt or a named exemption.'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'a_manager_is_asked_on_proof';
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM interventions_approval
        WHERE decision_id = NEW.decision_id AND state = 'approved' AND answered_by IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'A manager is asked only after a person has said yes.'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'a_manager_is_asked_after_a_yes';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER a_manager_is_asked_rightly BEFORE INSERT OR UPDATE OF decision_id ON interventions_managerask
    FOR EACH ROW EXECUTE FUNCTION interventions_asked_rightly();
"""

BACKWARD = """
DROP TRIGGER a_manager_is_asked_rightly ON interventions_managerask;
DROP FUNCTION interventions_asked_rightly();
DROP TRIGGER what_follows_a_decision_is_of_its_episode ON interventions_attempt;
DROP TRIGGER what_follows_a_decision_is_of_its_episode ON interventions_escalation;
DROP FUNCTION interventions_in_its_episode();
"""

REASONS = [
    ("consent", "The learner said no to this"),
    ("cap", "Already two alerts in seven days"),
    ("about_cap", "The manager heard about this person within seven days"),
    ("manager_budget", "The manager already has three open requests"),
    ("no_manager", "No manager is known"),
    ("no_channel", "No way to reach the learner"),
    ("recovered", "Things were better before it went out"),
    ("expired", "Held too long to still make sense"),
    ("declined", "A person said no"),
    ("unanswered", "Nobody approved it in time"),
    ("failed", "The channel refused it for good"),
    ("course_ended", "The course ended"),
    ("superseded", "A person chose another route"),
    ("leave", "On leave when it was due"),
    ("busy_week", "A business-critical week when it was due"),
    ("holiday", "A public holiday when it was due"),
    ("outbid", "The last place of the week went to something worth more"),
    ("ask_first", "A person is asked first again"),
]


class Migration(migrations.Migration):
    dependencies = [("interventions", "0086_coach_rooms")]
    operations = [
        migrations.AlterField(
            model_name="suppression",
            name="reason",
            field=models.CharField(choices=REASONS, max_length=16),
        ),
        migrations.AddConstraint(
            model_name="attempt",
            constraint=models.CheckConstraint(
                condition=models.Q(("verdict", "no_improvement"), _negated=True)
                | models.Q(("judged_at__gte", models.F("window_ends_at"))),
                name="an_attempt_has_its_whole_window_before_it_fails",
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
