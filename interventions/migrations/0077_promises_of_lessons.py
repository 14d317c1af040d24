"""What the database promises about lessons: what was published stays, and a visit keeps what it showed."""

from django.db import migrations

FORWARD = """
-- A published text can be replaced once; nothing else about it ever changes. A draft can.
CREATE FUNCTION interventions_lesson_text_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT OLD.is_draft AND (
        (NEW.id, NEW.lesson_id, NEW.language, NEW.version, NEW.is_draft, NEW.format, NEW.title, NEW.body, NEW.address,
         NEW.questions, NEW.created_by, NEW.created_at)
        IS DISTINCT FROM
        (OLD.id, OLD.lesson_id, OLD.language, OLD.version, OLD.is_draft, OLD.format, OLD.title, OLD.body, OLD.address,
         OLD.questions, OLD.created_by, OLD.created_at)
        OR (NEW.replaced_at IS DISTINCT FROM OLD.replaced_at AND OLD.replaced_at IS NOT NULL)) THEN
        RAISE EXCEPTION 'A published text of a lesson never changes: make the next version.'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'a_published_lesson_text_stays';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER a_published_lesson_text_stays BEFORE UPDATE ON interventions_lessontext
    FOR EACH ROW EXECUTE FUNCTION interventions_lesson_text_stays();

CREATE FUNCTION interventions_visit_keeps_its_text() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.text_id IS NOT NULL AND NEW.text_id IS DISTINCT FROM OLD.text_id THEN
        RAISE EXCEPTION 'A visit keeps the version of the lesson that it showed.'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'a_visit_keeps_what_it_showed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER a_visit_keeps_what_it_showed BEFORE UPDATE OF text_id ON interventions_lessonvisit
    FOR EACH ROW EXECUTE FUNCTION interventions_visit_keeps_its_text();

ALTER TABLE interventions_lessonvisit ADD CONSTRAINT a_visit_shows_a_text_of_its_lesson
    FOREIGN KEY (text_id, lesson_id) REFERENCES interventions_lessontext (id, lesson_id)
    MATCH SIMPLE DEFERRABLE INITIALLY DEFERRED;
"""

BACKWARD = """
ALTER TABLE interventions_lessonvisit DROP CONSTRAINT a_visit_shows_a_text_of_its_lesson;
DROP TRIGGER a_visit_keeps_what_it_showed ON interventions_lessonvisit;
DROP FUNCTION interventions_visit_keeps_its_text();
DROP TRIGGER a_published_lesson_text_stays ON interventions_lessontext;
DROP FUNCTION interventions_lesson_text_stays();
"""


class Migration(migrations.Migration):
    dependencies = [("interventions", "0076_lessons_there_are")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
