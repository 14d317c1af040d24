"""The IRIs by which learning systems name the canonical verbs."""

from django.db import migrations

ADL = "http://adlnet.gov/expapi/verbs/"
W3ID = "https://w3id.org/xapi/adl/verbs/"
TINCAN = "http://id.tincanapi.com/verb/"
STREAMS = "http://activitystrea.ms/schema/1.0/"
VIDEO = "https://w3id.org/xapi/video/verbs/"
DOD = "https://w3id.org/xapi/dod-isd/verbs/"
ACROSSX = "https://w3id.org/xapi/acrossx/verbs/"
REKINDLE = "https://w3id.org/rekindle/xapi/verbs/"

COMPLETED, ATTEMPTED, EXPERIENCED, INTERACTED, REGISTERED, UNREGISTERED, EARNED, PASSED, FAILED = range(1, 10)
SCORED, ANSWERED, PROGRESSED, LAUNCHED, TERMINATED, RATED, COMMENTED, EXITED = range(10, 18)

SYNONYMS = {
    COMPLETED: [ADL + "completed", ADL + "mastered", W3ID + "completed", VIDEO + "completed", STREAMS + "complete",
                STREAMS + "submit", ACROSSX + "completed", TINCAN + "finished", DOD + "completed"],
    ATTEMPTED: [ADL + "attempted", ADL + "initialized", W3ID + "initialized", W3ID + "attempted", ADL + "resumed",
                W3ID + "resumed", STREAMS + "start", VIDEO + "initialized", DOD + "started"],
    EXPERIENCED: [ADL + "experienced", TINCAN + "viewed", TINCAN + "previewed", TINCAN + "reviewed", TINCAN + "read",
                  STREAMS + "read", STREAMS + "watch", STREAMS + "listen", STREAMS + "open", STREAMS + "access",
                  STREAMS + "consume", STREAMS + "experience", STREAMS + "play", VIDEO + "played",
                  ACROSSX + "viewed", ACROSSX + "watched", DOD + "read", TINCAN + "opened", ADL + "played"],
    INTERACTED: [ADL + "interacted", W3ID + "interacted", VIDEO + "paused", VIDEO + "seeked", VIDEO + "interacted",
                 TINCAN + "selected", TINCAN + "downloaded", TINCAN + "paused", STREAMS + "interact",
                 STREAMS + "search", ACROSSX + "searched", DOD + "clicked", TINCAN + "clicked"],
    REGISTERED: [ADL + "registered", TINCAN + "enrolled-onto-learning-plan", STREAMS + "join", TINCAN + "registered",
                 ADL + "enrolled", W3ID + "registered"],
    UNREGISTERED: [ADL + "unregistered", STREAMS + "leave", TINCAN + "unregistered", W3ID + "unregistered",
                   ADL + "withdrew", ADL + "dropped", REKINDLE + "withdrew"],
    EARNED: [TINCAN + "earned", "http://specification.openbadges.org/xapi/verbs/earned", ADL + "earned",
             STREAMS + "receive", "http://specification.openbadges.org/xapi/verbs/awarded",
             W3ID + "earned"],
    PASSED: [ADL + "passed", W3ID + "passed", W3ID + "satisfied"],
    FAILED: [ADL + "failed", W3ID + "failed"],
    SCORED: [ADL + "scored", W3ID + "scored", TINCAN + "evaluated", ACROSSX + "evaluated"],
    ANSWERED: [ADL + "answered", W3ID + "answered", ACROSSX + "answered"],
    PROGRESSED: [ADL + "progressed", W3ID + "progressed", TINCAN + "marked-completion-percent"],
    LAUNCHED: [ADL + "launched", W3ID + "launched", TINCAN + "launched"],
    TERMINATED: [ADL + "terminated", W3ID + "terminated", VIDEO + "terminated", W3ID + "abandoned",
                 ADL + "suspended", W3ID + "suspended", TINCAN + "abandoned"],
    RATED: [TINCAN + "rated", TINCAN + "rated-with-stars", STREAMS + "like", ADL + "rated"],
    COMMENTED: [ADL + "commented", STREAMS + "comment", ADL + "asked", ADL + "responded", ACROSSX + "commented",
                ACROSSX + "posted", TINCAN + "replied"],
    EXITED: [ADL + "exited", W3ID + "exited"],
}


def add(apps, schema_editor):
    VerbSynonym = apps.get_model("signals", "VerbSynonym")
    VerbSynonym.objects.bulk_create(
        [VerbSynonym(iri=iri, verb=verb) for verb, iris in SYNONYMS.items() for iri in iris],
        ignore_conflicts=True,
    )


class Migration(migrations.Migration):
    dependencies = [("signals", "0002_events_and_immutability")]

    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
