"""What the database itself promises: evidence is only ever added to, published texts stay as they were."""

from django.db import migrations

APPEND_ONLY = """
CREATE FUNCTION consent_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% only ever grows: rows are neither changed nor removed', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER the_ledger_only_grows BEFORE UPDATE OR DELETE ON consent_consentchange
    FOR EACH ROW EXECUTE FUNCTION consent_append_only();
CREATE TRIGGER the_audit_log_only_grows BEFORE UPDATE OR DELETE ON consent_auditentry
    FOR EACH ROW EXECUTE FUNCTION consent_append_only();
CREATE TRIGGER seals_only_grow BEFORE UPDATE OR DELETE ON consent_auditseal
    FOR EACH ROW EXECUTE FUNCTION consent_append_only();
CREATE TRIGGER a_published_text_stays BEFORE UPDATE OR DELETE ON consent_scopetext
    FOR EACH ROW EXECUTE FUNCTION consent_append_only();
"""

UNDO = """
DROP TRIGGER the_ledger_only_grows ON consent_consentchange;
DROP TRIGGER the_audit_log_only_grows ON consent_auditentry;
DROP TRIGGER seals_only_grow ON consent_auditseal;
DROP TRIGGER a_published_text_stays ON consent_scopetext;
DROP FUNCTION consent_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("consent", "0001_initial")]
    operations = [migrations.RunSQL(APPEND_ONLY, UNDO)]
