"""A decision that a merge of two records called off stands again when the merge is undone; by nothing else."""

from django.db import migrations

OLD = "OR (NEW.lapsed_at IS DISTINCT FROM OLD.lapsed_at AND OLD.lapsed_at IS NOT NULL)"
NEW = (
    "OR (NEW.lapsed_at IS DISTINCT FROM OLD.lapsed_at AND OLD.lapsed_at IS NOT NULL"
    " AND NOT (NEW.lapsed_at IS NULL AND current_setting('rekindle.unmerging', true) IS NOT DISTINCT FROM 'on'))"
)


def rewrite(old, new):
    """The function as it is, with this one condition changed."""

    def run(apps, schema_editor):
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("SELECT pg_get_functiondef('interventions_decision_stays'::regproc)")
            body = cursor.fetchone()[0]
            assert old in body, "interventions_decision_stays is not as migration 0002 made it"
            cursor.execute(body.replace(old, new))

    return run


class Migration(migrations.Migration):
    dependencies = [("interventions", "0003_starter")]
    operations = [migrations.RunPython(rewrite(OLD, NEW), rewrite(NEW, OLD))]
