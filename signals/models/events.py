"""What happened, in our own words: events, results, and the daily rollups that serve the present."""

from collections.abc import Mapping
from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import connection, models
from django.db.models import F, Q

from signals.xapi.primitives import is_iri


class Verb(models.IntegerChoices):
    """The canonical verbs. Numbers are stored in events and never change their meaning."""

    COMPLETED = 1, "completed"
    ATTEMPTED = 2, "attempted"
    EXPERIENCED = 3, "experienced"
    INTERACTED = 4, "interacted"
    REGISTERED = 5, "registered"
    UNREGISTERED = 6, "unregistered"
    EARNED = 7, "earned"
    PASSED = 8, "passed"
    FAILED = 9, "failed"
    SCORED = 10, "scored"
    ANSWERED = 11, "answered"
    PROGRESSED = 12, "progressed"
    LAUNCHED = 13, "launched"
    TERMINATED = 14, "terminated"
    RATED = 15, "rated"
    COMMENTED = 16, "commented"
    EXITED = 17, "exited"
    ATTENDED = 18, "attended"
    CONTRIBUTED = 19, "contributed"
    WAS_RATED = 20, "was rated"
    MEASURED = 21, "measured"
    OTHER = 0, "other"


LONGEST_IRI = 600  # bounded, as a database's index is


def _check_iri(value: str) -> None:
    if not is_iri(value):
        raise ValidationError(
            "Write the whole IRI with its scheme, as in https://acme.example/saw or urn:acme:saw."
        )


# What others say about a person. It is kept as an event, and is no activity of theirs: it never counts as a day on
# which they learned.
OBSERVED = (Verb.WAS_RATED, Verb.MEASURED)


class Device(models.IntegerChoices):
    """What something was done on, where the source says so."""

    DESKTOP = 1, "desktop"
    PHONE = 2, "phone"
    TABLET = 3, "tablet"
    TV = 4, "tv"
    OTHER = 5, "other"


class Network(models.IntegerChoices):
    """How the device was connected, where the source says so."""

    WIRED = 1, "wired"
    WIFI = 2, "wifi"
    CELLULAR = 3, "cellular"
    OFFLINE = 4, "offline"


class VerbSynonym(models.Model):
    """An IRI that some system uses, and the canonical verb it means here."""

    iri = models.CharField(max_length=LONGEST_IRI, unique=True, validators=[_check_iri])
    verb = models.SmallIntegerField(choices=Verb)

    class Meta:
        ordering = ("verb", "iri", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(verb__in=list(Verb.values)), name="a_synonym_means_a_canonical_verb"
            )
        ]

    def __str__(self) -> str:
        return self.iri


class UnknownVerbQuerySet(models.QuerySet["UnknownVerb"]):
    def unmapped(self) -> "UnknownVerbQuerySet":
        """Those that are still nobody's synonym."""
        return self.exclude(iri__in=VerbSynonym.objects.order_by().values("iri"))


class UnknownVerb(models.Model):
    """A verb that came in and is nobody's synonym: its events count as "other" until somebody maps it."""

    iri = models.TextField(unique=True)
    seen = models.BigIntegerField(default=0)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    objects = UnknownVerbQuerySet.as_manager()

    class Meta:
        ordering = ("-seen", "iri", "pk")

    def __str__(self) -> str:
        return self.iri

    @staticmethod
    def count(seen: Mapping[str, int], *, now: datetime) -> None:
        """Adds what was seen to the counts."""
        iris = sorted(iri for iri in seen if len(iri) <= LONGEST_IRI)  # one order for all writers
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO signals_unknownverb AS u (iri, seen, first_seen_at, last_seen_at)"
                " SELECT iri, seen, %s, %s FROM unnest(%s::text[], %s::bigint[]) n(iri, seen)"
                " ON CONFLICT (iri) DO UPDATE SET seen = u.seen + excluded.seen,"
                " last_seen_at = greatest(u.last_seen_at, excluded.last_seen_at)",
                [now, now, iris, [seen[iri] for iri in iris]],
            )


class Event(models.Model):
    """One thing a known learner did in a known course. Rides on its statement: made in the same transaction.

    Range-partitioned by month of occurred_at (migration 0002); partitions are made ahead by signals.partitions.
    """

    pk = models.CompositePrimaryKey("occurred_at", "statement_id")
    statement_id = models.UUIDField()
    learner_id = models.UUIDField()
    enrolment_id = models.BigIntegerField(
        null=True, blank=True
    )  # null: a known person outside any known course
    occurred_at = models.DateTimeField()
    known_at = models.DateTimeField()  # when it was stored; as of its own time from a backfilling credential
    known_seq = models.BigIntegerField()  # order of knowing within the enrolment, taken under its lock
    verb = models.SmallIntegerField(choices=Verb)
    activity = models.BigIntegerField()  # keyed 64-bit hash of the object's IRI
    activity_type = models.BigIntegerField(null=True, blank=True)  # keyed 64-bit hash of the type's IRI
    amount = models.IntegerField(default=1)  # how often, where a source sends counts (clicks)
    scaled = models.FloatField(null=True, blank=True)  # score, 0 to 1
    success = models.BooleanField(null=True, blank=True)
    duration_s = models.IntegerField(null=True, blank=True)
    progress = models.FloatField(null=True, blank=True)  # share done, 0 to 1
    voided_seq = models.BigIntegerField(null=True, blank=True)  # known_seq at which it was voided
    # A number that is no share: what a metric measured, a mark on a scale without an end.
    value = models.FloatField(null=True, blank=True)
    # Under what circumstances (signals/surroundings.py). Null, and then without a byte, where the source is silent.
    session = models.BigIntegerField(null=True, blank=True)  # keyed hash
    background_s = models.IntegerField(null=True, blank=True)  # of the time it accounts for
    device = models.SmallIntegerField(choices=Device, null=True, blank=True)
    network = models.SmallIntegerField(choices=Network, null=True, blank=True)

    class Meta:
        managed = False
        db_table = "signals_event"
        ordering = ("occurred_at", "statement_id")


class AssessmentResult(models.Model):
    """One answer or score on something that can be got right."""

    statement_id = models.UUIDField(primary_key=True)
    learner_id = models.UUIDField()
    enrolment_id = models.BigIntegerField()
    occurred_at = models.DateTimeField()
    known_seq = models.BigIntegerField()
    activity = models.BigIntegerField()
    scaled = models.FloatField(null=True, blank=True)
    success = models.BooleanField(null=True, blank=True)
    is_item = models.BooleanField(default=False)  # one question, not a whole assessment
    voided_seq = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ("occurred_at", "statement_id")
        constraints = [
            models.CheckConstraint(
                condition=Q(scaled__isnull=True) | (Q(scaled__gte=-1) & Q(scaled__lte=1)),
                name="a_scaled_score_lies_within_one",
            ),
            models.CheckConstraint(
                condition=Q(scaled__isnull=False) | Q(success__isnull=False), name="a_result_says_something"
            ),
        ]
        indexes = [
            models.Index(
                fields=("enrolment_id", "-occurred_at"), name="result_by_enrolment"
            )  # the last five scores
        ]


class EnrolmentMark(models.Model):
    """Per enrolment: how much is known, and which days' rollups are stale. Its row lock orders all knowing."""

    enrolment = models.OneToOneField(
        "learners.Enrolment", primary_key=True, on_delete=models.CASCADE, related_name="mark"
    )
    known_seq = models.BigIntegerField(default=0)
    dirty_days = ArrayField(models.DateField(), default=list)
    dirty_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("pk",)
        indexes = [
            # Stage 3 claims the longest waiting first.
            models.Index(
                fields=("dirty_since",), condition=Q(dirty_since__isnull=False), name="mark_not_yet_done"
            )
        ]


class DailyRollup(models.Model):
    """One enrolment's UTC day, recomputed exactly from its events whenever the day is dirty."""

    pk = models.CompositePrimaryKey("enrolment_id", "day")
    enrolment = models.ForeignKey(
        "learners.Enrolment", on_delete=models.CASCADE, related_name="rollups", db_index=False
    )
    day = models.DateField()
    events = models.IntegerField()
    amount = models.IntegerField()  # clicks
    activities = models.IntegerField()  # distinct
    learning_sessions = models.IntegerField()
    seconds = models.IntegerField()  # dwell, as signals/features/rollup.py defines it
    results = models.IntegerField()
    failures = models.IntegerField()
    score_sum = models.FloatField()
    score_count = models.IntegerField()
    completions = models.IntegerField()
    last_at = models.DateTimeField()
    hasty = models.IntegerField(default=0, db_default=0)  # left for something else within ten seconds
    # Amounts by kind of material (signals/features/kinds.py) ...
    kind_content = models.IntegerField(default=0, db_default=0)
    kind_assessment = models.IntegerField(default=0, db_default=0)
    kind_discussion = models.IntegerField(default=0, db_default=0)
    kind_file = models.IntegerField(default=0, db_default=0)
    kind_page = models.IntegerField(default=0, db_default=0)
    kind_media = models.IntegerField(default=0, db_default=0)
    kind_meeting = models.IntegerField(default=0, db_default=0)
    kind_other = models.IntegerField(default=0, db_default=0)
    # ... and by quarter of the UTC day.
    night = models.IntegerField(default=0, db_default=0)
    morning = models.IntegerField(default=0, db_default=0)
    afternoon = models.IntegerField(default=0, db_default=0)
    evening = models.IntegerField(default=0, db_default=0)
    # Which activities, sorted: how many different ones there were in a month cannot be added up from days.
    opened = ArrayField(models.BigIntegerField(), null=True, blank=True)
    # How far each video or sound was got through: two arrays side by side, null where none was.
    watched = ArrayField(models.BigIntegerField(), null=True, blank=True)
    watched_shares = ArrayField(models.FloatField(), null=True, blank=True)
    # Which edition of the recipe made it (signals/features/rollup.py). Yesterday's code writes the first.
    recipe = models.SmallIntegerField(default=1, db_default=1)

    class Meta:
        ordering = ("enrolment", "day")
        constraints = [
            models.CheckConstraint(
                condition=Q(watched__isnull=True, watched_shares__isnull=True)
                | Q(watched__len=F("watched_shares__len")),
                name="each_thing_watched_has_its_share",
            ),
        ]
        indexes = [
            # The stage that brings rollups of an earlier recipe up to date; empty once it has.
            models.Index(
                fields=("enrolment",), condition=Q(recipe__lt=2), name="rollup_of_an_earlier_recipe"
            ),
        ]
