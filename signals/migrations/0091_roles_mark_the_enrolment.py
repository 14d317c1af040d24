"""Whoever changes into another job role is looked at again in every course they are active in."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION signals_mark_changed_roles() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE signals_enrolmentmark SET dirty_since = coalesce(dirty_since, statement_timestamp())
    WHERE enrolment_id IN (
        SELECT m.enrolment_id FROM before o
        JOIN after n ON n.id = o.id
        JOIN learners_enrolment e ON e.learner_id = n.id AND e.state = 'active'
        JOIN signals_enrolmentmark m ON m.enrolment_id = e.id
        WHERE (o.job_role_id, o.role_since) IS DISTINCT FROM (n.job_role_id, n.role_since)
        ORDER BY m.enrolment_id FOR UPDATE OF m  -- one order for all writers
    );
    RETURN NULL;
END $$;

-- Once a statement, as rosters write thousands of people at once; a trigger of columns cannot see them together.
CREATE TRIGGER signals_mark_roles AFTER UPDATE ON learners_learner
    REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION signals_mark_changed_roles();
"""

BACKWARD = """
DROP TRIGGER signals_mark_roles ON learners_learner;
DROP FUNCTION signals_mark_changed_roles();
"""


class Migration(migrations.Migration):
    dependencies = [("signals", "0090_certificates"), ("learners", "0052_days_of_roles")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
