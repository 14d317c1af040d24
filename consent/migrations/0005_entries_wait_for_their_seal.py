"""Every audit entry queues for its seal, whoever writes it; receipts only ever grow."""

from django.db import migrations

QUEUE = """
CREATE FUNCTION consent_wait_for_seal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO consent_auditunsealed (entry_id) VALUES (NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER an_entry_waits_for_its_seal AFTER INSERT ON consent_auditentry
    FOR EACH ROW EXECUTE FUNCTION consent_wait_for_seal();
CREATE TRIGGER receipts_only_grow BEFORE UPDATE OR DELETE ON consent_subjectrequest
    FOR EACH ROW EXECUTE FUNCTION consent_append_only();
INSERT INTO consent_auditunsealed (entry_id)
    SELECT e.id FROM consent_auditentry e
    WHERE NOT EXISTS (SELECT FROM consent_auditseal s WHERE s.entry_id = e.id)
    ON CONFLICT DO NOTHING;
"""

UNDO = """
DROP TRIGGER receipts_only_grow ON consent_subjectrequest;
DROP TRIGGER an_entry_waits_for_its_seal ON consent_auditentry;
DROP FUNCTION consent_wait_for_seal();
"""


class Migration(migrations.Migration):
    dependencies = [("consent", "0004_queue_of_the_sealer")]
    operations = [migrations.RunSQL(QUEUE, UNDO)]
