"""What the database itself promises about deciding."""

from django.db import migrations

FORWARD = """
-- An escalation's proof is an attempt of the same episode whose verdict is, and stays, "no improvement".
ALTER TABLE interventions_escalation ADD CONSTRAINT an_escalation_points_at_its_proof
    FOREIGN KEY (attempt_id, episode_id, attempt_verdict)
    REFERENCES interventions_attempt (id, episode_id, verdict) DEFERRABLE INITIALLY IMMEDIATE;

CREATE FUNCTION interventions_policy_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'draft' AND (TG_OP = 'DELETE' OR NEW.document <> OLD.document OR NEW.version <> OLD.version) THEN
        RAISE EXCEPTION 'a policy that is or was in force never changes: make a new version'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN COALESCE(NEW, OLD);
END $$;
CREATE TRIGGER a_policy_in_force_stays BEFORE UPDATE OR DELETE ON interventions_policy
    FOR EACH ROW EXECUTE FUNCTION interventions_policy_stays();

-- A decision can lapse, and erasure can take what it rested on; nothing else about it ever changes.
CREATE FUNCTION interventions_decision_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.action <> OLD.action OR NEW.at <> OLD.at OR NEW.policy_id <> OLD.policy_id
        OR NEW.enrolment_id <> OLD.enrolment_id OR NEW.episode_id IS DISTINCT FROM OLD.episode_id
        OR NEW.propensity <> OLD.propensity OR NEW.step IS DISTINCT FROM OLD.step
        OR (NEW.snapshot IS NOT NULL AND NEW.snapshot IS DISTINCT FROM OLD.snapshot) THEN
        RAISE EXCEPTION 'a decision is a record of what was decided and does not change'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER a_decision_stays BEFORE UPDATE ON interventions_decision
    FOR EACH ROW EXECUTE FUNCTION interventions_decision_stays();
"""

BACKWARD = """
DROP TRIGGER a_decision_stays ON interventions_decision;
DROP FUNCTION interventions_decision_stays();
DROP TRIGGER a_policy_in_force_stays ON interventions_policy;
DROP FUNCTION interventions_policy_stays();
ALTER TABLE interventions_escalation DROP CONSTRAINT an_escalation_points_at_its_proof;
"""


class Migration(migrations.Migration):
    dependencies = [("interventions", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
