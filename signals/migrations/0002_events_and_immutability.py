"""The event table, partitioned by month, and the database's own promise that a statement never changes."""

from django.db import migrations

EVENTS = """
CREATE TABLE signals_event (
    occurred_at timestamptz NOT NULL,
    statement_id uuid NOT NULL,
    learner_id uuid NOT NULL,
    enrolment_id bigint,
    known_at timestamptz NOT NULL,
    known_seq bigint NOT NULL,
    activity bigint NOT NULL,
    activity_type bigint,
    scaled double precision,
    progress double precision,
    voided_seq bigint,
    amount integer NOT NULL DEFAULT 1,
    duration_s integer,
    verb smallint NOT NULL,
    success boolean,
    CONSTRAINT signals_event_pkey PRIMARY KEY (occurred_at, statement_id),
    CONSTRAINT an_event_means_a_canonical_verb CHECK (verb BETWEEN 0 AND 17)
) PARTITION BY RANGE (occurred_at);

-- "What did this person do, newest first": timeline, export and erasure.
CREATE INDEX event_by_learner ON signals_event (learner_id, occurred_at);
-- "All of this enrolment's dirty days": rollups read nothing else. Without it every rollup walks the month.
CREATE INDEX event_by_enrolment ON signals_event (enrolment_id, occurred_at) WHERE enrolment_id IS NOT NULL;
-- Scans over a span of time (rebuild, cold store).
CREATE INDEX event_by_time ON signals_event USING brin (occurred_at);
"""

IMMUTABLE = """
CREATE FUNCTION signals_statement_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        -- Erasure says so in its own transaction: SET LOCAL rekindle.erasing = 'on'.
        IF current_setting('rekindle.erasing', true) IS DISTINCT FROM 'on' THEN
            RAISE EXCEPTION 'A statement is never deleted, except to erase a person.'
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN OLD;
    END IF;
    IF (NEW.id, NEW.stored, NEW.credential_id, NEW.verb, NEW.actor, NEW.search_keys, NEW.digest, NEW.body,
        NEW.voids) IS DISTINCT FROM
       (OLD.id, OLD.stored, OLD.credential_id, OLD.verb, OLD.actor, OLD.search_keys, OLD.digest, OLD.body,
        OLD.voids)
       AND current_setting('rekindle.erasing', true) IS DISTINCT FROM 'on'
       AND current_setting('rekindle.rotating', true) IS DISTINCT FROM 'on' THEN
        RAISE EXCEPTION 'A statement never changes; only whether it is voided or parked may.'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER statement_stays BEFORE UPDATE OR DELETE ON signals_statement
    FOR EACH ROW EXECUTE FUNCTION signals_statement_stays();
"""


class Migration(migrations.Migration):
    dependencies = [("signals", "0001_initial")]

    operations = [
        migrations.RunSQL(EVENTS, "DROP TABLE signals_event"),
        migrations.RunSQL(
            IMMUTABLE,
            "DROP TRIGGER statement_stays ON signals_statement; DROP FUNCTION signals_statement_stays()",
        ),
    ]
