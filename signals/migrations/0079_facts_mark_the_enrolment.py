"""An enrolment is computed anew when what a source knew of it beforehand becomes known or changes."""

from django.db import migrations

COLUMNS = "state, starts_on, due_on, learner_id, course_id"


def _trigger(columns: str) -> str:
    old, new = (", ".join(f"{row}.{name}" for name in columns.split(", ")) for row in ("OLD", "NEW"))
    return f"""
DROP TRIGGER signals_mark_changed ON learners_enrolment;
CREATE TRIGGER signals_mark_changed
    AFTER UPDATE OF {columns} ON learners_enrolment
    FOR EACH ROW
    WHEN (({old}) IS DISTINCT FROM ({new}))
    EXECUTE FUNCTION signals_mark_changed_enrolment();
"""


class Migration(migrations.Migration):
    dependencies = [("signals", "0078_mastery"), ("learners", "0031_facts_and_declared_attributes")]
    operations = [migrations.RunSQL(_trigger(f"{COLUMNS}, earlier_attempts, study_load"), _trigger(COLUMNS))]
