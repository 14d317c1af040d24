"""The database notes whom linking must look at again: a trigger, because rosters write learners in bulk."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION learners_note_new_for_linking() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO learners_linkrecord (learner_id, blocks, dirty_since)
    SELECT id, '{}', statement_timestamp() FROM fresh ORDER BY id
    ON CONFLICT (learner_id) DO NOTHING;
    RETURN NULL;
END $$;

CREATE TRIGGER learners_link_new AFTER INSERT ON learners_learner
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION learners_note_new_for_linking();

CREATE FUNCTION learners_note_changed_for_linking() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE learners_linkrecord SET dirty_since = coalesce(dirty_since, statement_timestamp())
    WHERE learner_id = NEW.id;
    RETURN NULL;
END $$;

-- Encrypted columns differ after every save; whether their text does is for linking to find out.
CREATE TRIGGER learners_link_changed
    AFTER UPDATE OF name, email, employee_number, unit_id, job_role_id, started_on, erased_at
    ON learners_learner
    FOR EACH ROW
    WHEN ((OLD.name, OLD.email, OLD.employee_number, OLD.unit_id, OLD.job_role_id, OLD.started_on, OLD.erased_at)
          IS DISTINCT FROM
          (NEW.name, NEW.email, NEW.employee_number, NEW.unit_id, NEW.job_role_id, NEW.started_on, NEW.erased_at))
    EXECUTE FUNCTION learners_note_changed_for_linking();

INSERT INTO learners_linkrecord (learner_id, blocks, dirty_since)
SELECT id, '{}', statement_timestamp() FROM learners_learner
ON CONFLICT (learner_id) DO NOTHING;
"""

BACKWARD = """
DROP TRIGGER learners_link_changed ON learners_learner;
DROP TRIGGER learners_link_new ON learners_learner;
DROP FUNCTION learners_note_changed_for_linking();
DROP FUNCTION learners_note_new_for_linking();
"""


class Migration(migrations.Migration):
    dependencies = [("learners", "0022_linking")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
