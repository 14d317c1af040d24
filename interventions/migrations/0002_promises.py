"""What the database itself promises about deciding, in words that say what went wrong."""

from django.db import migrations

FORWARD = """
-- An escalation's proof is an attempt of the same episode whose verdict is, and stays, "no improvement".
-- Null columns (a named exemption instead of a proof) are not compared: MATCH SIMPLE.
-- Deferred, as all of Django's foreign keys are, so that an episode can be deleted in any order.
ALTER TABLE interventions_escalation ADD CONSTRAINT an_escalation_points_at_its_proof
    FOREIGN KEY (attempt_id, episode_id, attempt_verdict)
    REFERENCES interventions_attempt (id, episode_id, verdict) MATCH SIMPLE DEFERRABLE INITIALLY DEFERRED;

CREATE FUNCTION interventions_policy_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'draft' THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'A policy that is or was in force is never deleted: decisions rest on it.'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'a_policy_in_force_stays';
    END IF;
    IF (NEW.version, NEW.document, NEW.created_by, NEW.created_at, NEW.live_at, NEW.reason)
        IS DISTINCT FROM (OLD.version, OLD.document, OLD.created_by, OLD.created_at, OLD.live_at, OLD.reason) THEN
        RAISE EXCEPTION 'A policy that is or was in force never changes: make a new version.'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'a_policy_in_force_stays';
    END IF;
    IF NEW.state <> OLD.state AND (OLD.state, NEW.state) <> ('live', 'retired') THEN
        RAISE EXCEPTION 'A policy goes from draft to live to retired and never back: make a new version.'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'a_policy_in_force_stays';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER a_policy_in_force_stays BEFORE UPDATE OR DELETE ON interventions_policy
    FOR EACH ROW EXECUTE FUNCTION interventions_policy_stays();

-- A decision can lapse once, and erasure can take what it rested on; nothing else about it ever changes.
CREATE FUNCTION interventions_decision_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.enrolment_id, NEW.episode_id, NEW.step, NEW.policy_id, NEW.action, NEW.lesson_id, NEW.eligible,
        NEW.propensity, NEW.expected_value, NEW.known_seq, NEW.at)
        IS DISTINCT FROM
       (OLD.id, OLD.enrolment_id, OLD.episode_id, OLD.step, OLD.policy_id, OLD.action, OLD.lesson_id, OLD.eligible,
        OLD.propensity, OLD.expected_value, OLD.known_seq, OLD.at)
        OR (NEW.lapsed_at IS DISTINCT FROM OLD.lapsed_at AND OLD.lapsed_at IS NOT NULL)
        OR (NEW.snapshot IS DISTINCT FROM OLD.snapshot AND NEW.snapshot IS NOT NULL)
        OR (NEW.reasons <> OLD.reasons AND NOT (NEW.reasons = '[]'::jsonb AND NEW.snapshot IS NULL)) THEN
        RAISE EXCEPTION 'A decision is a record of what was decided: it can lapse once or be erased, nothing else.'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'a_decision_stays';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER a_decision_stays BEFORE UPDATE ON interventions_decision
    FOR EACH ROW EXECUTE FUNCTION interventions_decision_stays();

-- A decision either reached somebody or was suppressed. Both sides lock the decision's row first, so that of two
-- transactions at the same moment the second sees what the first did.
CREATE FUNCTION interventions_sent_or_suppressed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM interventions_decision WHERE id = NEW.decision_id FOR NO KEY UPDATE;
    IF TG_TABLE_NAME = 'interventions_suppression' THEN
        IF EXISTS (SELECT 1 FROM interventions_delivery WHERE decision_id = NEW.decision_id AND state = 'sent') THEN
            RAISE EXCEPTION 'This decision has reached the learner: it cannot be suppressed any more.'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'sent_or_suppressed_never_both';
        END IF;
    ELSIF EXISTS (SELECT 1 FROM interventions_suppression WHERE decision_id = NEW.decision_id) THEN
        RAISE EXCEPTION 'This decision is suppressed: nothing of it may be sent.'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'sent_or_suppressed_never_both';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER sent_or_suppressed_never_both BEFORE INSERT OR UPDATE OF decision_id ON interventions_suppression
    FOR EACH ROW EXECUTE FUNCTION interventions_sent_or_suppressed();
CREATE TRIGGER sent_or_suppressed_never_both BEFORE INSERT OR UPDATE OF state ON interventions_delivery
    FOR EACH ROW WHEN (NEW.state = 'sent') EXECUTE FUNCTION interventions_sent_or_suppressed();
"""

BACKWARD = """
DROP TRIGGER sent_or_suppressed_never_both ON interventions_delivery;
DROP TRIGGER sent_or_suppressed_never_both ON interventions_suppression;
DROP FUNCTION interventions_sent_or_suppressed();
DROP TRIGGER a_decision_stays ON interventions_decision;
DROP FUNCTION interventions_decision_stays();
DROP TRIGGER a_policy_in_force_stays ON interventions_policy;
DROP FUNCTION interventions_policy_stays();
ALTER TABLE interventions_escalation DROP CONSTRAINT an_escalation_points_at_its_proof;
"""


class Migration(migrations.Migration):
    dependencies = [("interventions", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
