"""What the database itself promises about rules: versions stay, and the board's yes is a reviewer's."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION interventions_rule_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'draft' THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'A rule that is or was in force is never deleted: decisions rest on it.'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'a_rule_in_force_stays';
    END IF;
    -- Its owner may pass it on, or leave.
    IF (to_jsonb(NEW) - 'owner_id' - 'state') IS DISTINCT FROM (to_jsonb(OLD) - 'owner_id' - 'state') THEN
        RAISE EXCEPTION 'A rule that is or was in force never changes: make a new version.'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'a_rule_in_force_stays';
    END IF;
    IF NEW.state <> OLD.state AND (OLD.state, NEW.state) <> ('live', 'retired') THEN
        RAISE EXCEPTION 'A rule goes from draft to in force to retired and never back: make a new version.'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'a_rule_in_force_stays';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER a_rule_in_force_stays BEFORE UPDATE OR DELETE ON interventions_rule
    FOR EACH ROW EXECUTE FUNCTION interventions_rule_stays();

CREATE FUNCTION interventions_rule_reviewed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.reviewed_by_id IS NOT DISTINCT FROM OLD.reviewed_by_id THEN
        RETURN NEW;
    END IF;
    IF NEW.reviewed_by_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM learners_user WHERE id = NEW.reviewed_by_id AND is_active AND 'reviewer' = ANY (roles)
    ) THEN
        RAISE EXCEPTION 'Only a reviewer gives the yes of the review board.'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'the_boards_yes_is_a_reviewers';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER the_boards_yes_is_a_reviewers BEFORE INSERT OR UPDATE ON interventions_rule
    FOR EACH ROW EXECUTE FUNCTION interventions_rule_reviewed();
"""

BACKWARD = """
DROP TRIGGER the_boards_yes_is_a_reviewers ON interventions_rule;
DROP FUNCTION interventions_rule_reviewed();
DROP TRIGGER a_rule_in_force_stays ON interventions_rule;
DROP FUNCTION interventions_rule_stays();
"""

# A decision is a record: which rule chose it stays as it is, too.
OLD = "NEW.lesson_id, NEW.eligible"
NEW = "NEW.lesson_id, NEW.rule_id, NEW.eligible"


def rewrite(old, new):
    """The function of migration 0002 with this column more, or less."""

    def run(apps, schema_editor):
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("SELECT pg_get_functiondef('interventions_decision_stays'::regproc)")
            body = cursor.fetchone()[0]
            assert old in body, "interventions_decision_stays is not as the migrations before made it"
            cursor.execute(body.replace(old, new).replace(old.replace("NEW.", "OLD."), new.replace("NEW.", "OLD.")))

    return run


class Migration(migrations.Migration):
    dependencies = [("interventions", "0050_rules")]
    operations = [
        migrations.RunSQL(FORWARD, BACKWARD),
        migrations.RunPython(rewrite(OLD, NEW), rewrite(NEW, OLD)),
    ]
