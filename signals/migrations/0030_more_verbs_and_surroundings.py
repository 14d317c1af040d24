"""Verbs for what other sources say, and the circumstances of an event: null, and then free, where nobody said."""

from django.db import migrations, models

ADL = "http://adlnet.gov/expapi/verbs/"
TINCAN = "http://id.tincanapi.com/verb/"
STREAMS = "http://activitystrea.ms/schema/1.0/"
DOD = "https://w3id.org/xapi/dod-isd/verbs/"
ACROSSX = "https://w3id.org/xapi/acrossx/verbs/"
TLA = "https://w3id.org/xapi/tla/verbs/"
EDLM = "https://xapi.edlm/profiles/edlm-lms/concepts/verbs/"
REKINDLE = "https://w3id.org/rekindle/xapi/verbs/"

COMPLETED, ATTEMPTED, EXPERIENCED, INTERACTED, REGISTERED, UNREGISTERED, EARNED = range(1, 8)
SCORED, TERMINATED = 10, 14
ATTENDED, CONTRIBUTED, WAS_RATED, MEASURED = 18, 19, 20, 21

SYNONYMS = {
    ATTENDED: [ADL + "attended", STREAMS + "attend", REKINDLE + "attended"],
    CONTRIBUTED: [REKINDLE + "contributed"],
    WAS_RATED: [REKINDLE + "was-rated"],
    MEASURED: [REKINDLE + "measured"],
    # What Moodle's logstore_xapi and Open edX's event-routing-backends say beside ADL's own.
    REGISTERED: [EDLM + "enrolled"],
    ATTEMPTED: [TLA + "resumed", EDLM + "restarted"],
    INTERACTED: [DOD + "navigated", ACROSSX + "edited"],
    SCORED: [TLA + "scored", DOD + "assessed"],
    EARNED: [TLA + "achieved"],
    TERMINATED: [TLA + "suspended"],
}

FORWARD = """
ALTER TABLE signals_event
    ADD COLUMN value double precision,
    ADD COLUMN session bigint,
    ADD COLUMN background_s integer,
    ADD COLUMN device smallint,
    ADD COLUMN network smallint;
ALTER TABLE signals_event DROP CONSTRAINT an_event_means_a_canonical_verb;
ALTER TABLE signals_event ADD CONSTRAINT an_event_means_a_canonical_verb
    CHECK (verb BETWEEN 0 AND 21) NOT VALID;
ALTER TABLE signals_event ADD CONSTRAINT time_unseen_is_no_debt CHECK (background_s >= 0) NOT VALID;
"""
VALIDATE = """
ALTER TABLE signals_event VALIDATE CONSTRAINT an_event_means_a_canonical_verb;
ALTER TABLE signals_event VALIDATE CONSTRAINT time_unseen_is_no_debt;
"""
BACKWARD = """
ALTER TABLE signals_event DROP CONSTRAINT time_unseen_is_no_debt;
ALTER TABLE signals_event DROP COLUMN value, DROP COLUMN session, DROP COLUMN background_s, DROP COLUMN device,
    DROP COLUMN network;
"""
VERBS = [
    (1, "completed"), (2, "attempted"), (3, "experienced"), (4, "interacted"), (5, "registered"),
    (6, "unregistered"), (7, "earned"), (8, "passed"), (9, "failed"), (10, "scored"), (11, "answered"),
    (12, "progressed"), (13, "launched"), (14, "terminated"), (15, "rated"), (16, "commented"), (17, "exited"),
    (18, "attended"), (19, "contributed"), (20, "was rated"), (21, "measured"), (0, "other"),
]


def add(apps, schema_editor):
    VerbSynonym = apps.get_model("signals", "VerbSynonym")
    VerbSynonym.objects.bulk_create(
        [VerbSynonym(iri=iri, verb=verb) for verb, iris in SYNONYMS.items() for iri in iris],
        ignore_conflicts=True,
    )


class Migration(migrations.Migration):
    atomic = False  # so that validating scans the events without the lock that adding took

    dependencies = [("signals", "0021_discarded_for_a_reason")]

    operations = [
        migrations.RunSQL(FORWARD, BACKWARD),
        migrations.RunSQL(VALIDATE, migrations.RunSQL.noop),
        migrations.RemoveConstraint("verbsynonym", "a_synonym_means_a_canonical_verb"),
        migrations.AlterField("verbsynonym", "verb", models.SmallIntegerField(choices=VERBS)),
        migrations.AddConstraint(
            "verbsynonym",
            models.CheckConstraint(
                condition=models.Q(verb__in=[number for number, _ in VERBS]),
                name="a_synonym_means_a_canonical_verb",
            ),
        ),
        migrations.RunPython(add, migrations.RunPython.noop),
    ]
