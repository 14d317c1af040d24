"""The database marks an enrolment for computing when it appears, ends or moves.

Without this, somebody who never does anything would never be looked at: marks would come from events alone.
A trigger rather than a Django signal, because rosters and importers write enrolments in bulk, and because apps
below this one cannot know of marks.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION signals_mark_new_enrolments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO signals_enrolmentmark (enrolment_id, known_seq, dirty_days, dirty_since)
    SELECT id, 0, '{}', statement_timestamp() FROM fresh ORDER BY id
    ON CONFLICT (enrolment_id) DO NOTHING;
    RETURN NULL;
END $$;

CREATE TRIGGER signals_mark_new AFTER INSERT ON learners_enrolment
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION signals_mark_new_enrolments();

CREATE FUNCTION signals_mark_changed_enrolment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE signals_enrolmentmark SET dirty_since = coalesce(dirty_since, statement_timestamp())
    WHERE enrolment_id = NEW.id;
    RETURN NULL;
END $$;

CREATE TRIGGER signals_mark_changed
    AFTER UPDATE OF state, starts_on, due_on, learner_id, course_id ON learners_enrolment
    FOR EACH ROW
    WHEN ((OLD.state, OLD.starts_on, OLD.due_on, OLD.learner_id, OLD.course_id)
          IS DISTINCT FROM (NEW.state, NEW.starts_on, NEW.due_on, NEW.learner_id, NEW.course_id))
    EXECUTE FUNCTION signals_mark_changed_enrolment();

INSERT INTO signals_enrolmentmark (enrolment_id, known_seq, dirty_days, dirty_since)
SELECT id, 0, '{}', statement_timestamp() FROM learners_enrolment
ON CONFLICT (enrolment_id) DO NOTHING;
"""

BACKWARD = """
DROP TRIGGER signals_mark_changed ON learners_enrolment;
DROP TRIGGER signals_mark_new ON learners_enrolment;
DROP FUNCTION signals_mark_changed_enrolment();
DROP FUNCTION signals_mark_new_enrolments();
"""


class Migration(migrations.Migration):
    dependencies = [("signals", "0003_verb_synonyms"), ("learners", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
