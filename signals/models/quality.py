"""How good what each source sends is: daily counts, the words it uses, and what its monitors have found.

Nothing here is about a person: counts per source and day, IRIs of verbs and activity types, sentences about systems.
"""

from django.db import models
from django.db.models import F, Q

from signals.models.knowledge import ModelVersion
from signals.models.statements import Credential


class SourceDay(models.Model):
    """What one source sent on one UTC day (by when it arrived), counted by ``signals.quality.tally``.

    The first group counts every statement. The second counts the statements that were read again: all of them where
    few came, else a sample; shares of ``read`` hold for the whole.
    """

    source = models.ForeignKey(Credential, on_delete=models.CASCADE, db_index=False, related_name="+")
    day = models.DateField()
    last_at = models.DateTimeField()  # when the last one came

    statements = models.IntegerField(default=0)  # new ones
    parked = models.IntegerField(default=0)  # of them, about nobody known when they came
    resent = models.IntegerField(default=0)  # sent again, saying the same
    refused = models.IntegerField(
        default=0
    )  # faulty ones for which a strict batch was refused (signals.refusals)
    quarantined = models.IntegerField(default=0)
    misdated = models.IntegerField(default=0)  # of the quarantined, those with an impossible timestamp

    read = models.IntegerField(default=0)
    undated = models.IntegerField(default=0)  # no timestamp: taken to have happened when they came
    midnight = models.IntegerField(default=0)  # at 00:00:00 exactly: a date that pretends to be a moment
    ahead = models.IntegerField(default=0)  # happened more than a minute after they came
    old = models.IntegerField(default=0)  # happened more than 30 days before they came
    results = models.IntegerField(default=0)  # verbs of which a score is expected
    unscored = models.IntegerField(default=0)
    endings = models.IntegerField(default=0)  # verbs of which a duration is expected
    untimed = models.IntegerField(default=0)
    deriving = models.IntegerField(default=0)  # one person, one activity: what events are made of
    outside = models.IntegerField(default=0)  # of them, in no known course
    unregistered = models.IntegerField(default=0)  # of them, without a registration
    events = models.IntegerField(default=0)  # of the read ones, those that became an event
    twins = models.IntegerField(default=0)  # of these events, those that say what another one had said
    # How long after it happened it came: {quarter hours: how many}, "early" and "late" beyond 14 hours.
    lags = models.JSONField(default=dict)

    class Meta:
        ordering = ("source", "day")
        constraints = [
            # Also the index by which one source's weeks are read.
            models.UniqueConstraint(fields=("source", "day"), name="one_tally_per_source_and_day"),
            models.CheckConstraint(
                condition=Q(parked__gte=0, parked__lte=F("statements"), misdated__lte=F("quarantined"))
                & Q(unscored__lte=F("results"), untimed__lte=F("endings"), twins__lte=F("events"))
                & Q(outside__lte=F("deriving"), unregistered__lte=F("deriving"), events__lte=F("read"))
                & Q(read__lte=F("statements"), midnight__lte=F("read"), undated__lte=F("read")),
                name="a_part_of_a_tally_is_no_more_than_the_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"tally {self.pk}"


class SourceTerm(models.Model):
    """A verb or activity type that a source uses, and since when."""

    class Kind(models.TextChoices):
        VERB = "verb", "Verb"
        TYPE = "type", "Activity type"

    source = models.ForeignKey(Credential, on_delete=models.CASCADE, db_index=False, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind)
    key = models.BigIntegerField()  # keyed 64-bit hash of the IRI, as statements and events carry it
    iri = models.TextField()
    seen = models.BigIntegerField()  # verbs: every statement; types: among those read
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering = ("source", "kind", "iri", "pk")
        constraints = [
            models.UniqueConstraint(fields=("source", "kind", "key"), name="a_term_is_noted_once_per_source"),
            models.CheckConstraint(condition=Q(kind__in=["verb", "type"]), name="a_term_is_a_verb_or_a_type"),
        ]

    def __str__(self) -> str:
        return self.iri


class IntakeNote(models.Model):
    """A batch that held something sent before: written only then, gone when it is counted."""

    source = models.ForeignKey(
        Credential, on_delete=models.CASCADE, db_index=False, db_constraint=False, related_name="+"
    )
    at = models.DateTimeField()
    resent = models.IntegerField(default=0)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"note {self.pk}"


class TallyMark(models.Model):
    """How far the tally has come. One row; its lock lets one counter count at a time."""

    through = models.DateTimeField(null=True, blank=True)  # everything stored before this is counted
    recounted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("pk",)
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="there_is_one_tally_mark")]

    def __str__(self) -> str:
        return "tally mark"


class DayOff(models.Model):
    """A day on which less is learned: no source is expected to send as on other days of its kind."""

    day = models.DateField(unique=True)
    name = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ("day",)
        verbose_name_plural = "days off"

    def __str__(self) -> str:
        return f"{self.day} {self.name}".strip()


class FindingQuerySet(models.QuerySet["Finding"]):
    def open(self) -> "FindingQuerySet":
        """Those that still hold."""
        return self.filter(closed_at__isnull=True)


class Finding(models.Model):
    """Something about a source, or about the live model, that is not as it was, until it is over."""

    class Kind(models.TextChoices):
        VOLUME = "volume", "Far less than usual"
        CLOCK = "clock", "Clock is off"
        MIDNIGHT = "midnight", "Timestamps hold only the date"
        OLD = "old", "History sent as if it were new"
        MISSING_TIME = "missing_time", "Timestamps are missing"
        MISSING_SCORE = "missing_score", "Scores are missing"
        MISSING_DURATION = "missing_duration", "Durations are missing"
        MISSING_COURSE = "missing_course", "Course is not known"
        MISSING_REGISTRATION = "missing_registration", "Registrations are missing"
        NEW_VERB = "new_verb", "New verbs"
        NEW_TYPE = "new_type", "New activity types"
        RESENT = "resent", "Sent again"
        TWINS = "twins", "The same twice, under two ids"
        REFUSED = "refused", "Refused as faulty"
        QUARANTINE = "quarantine", "Waiting in quarantine"
        PARKED = "parked", "About nobody we know"
        MODEL_DRIFT = "model_drift", "People are not as in training"
        MODEL_CALIBRATION = "model_calibration", "Risks come true more or less often than said"
        MODEL_FAULT = "model_fault", "The live model cannot be used"

    class Ending(models.TextChoices):
        RECOVERED = "recovered", "As usual again"
        OUT_OF_USE = "out_of_use", "The source was taken out of use"
        ACCEPTED = "accepted", "Somebody said that this is normal now"
        FADED = "faded", "Too little came to tell, for four weeks"

    # About one of the two.
    source = models.ForeignKey(
        Credential, on_delete=models.CASCADE, null=True, blank=True, related_name="findings"
    )
    model = models.ForeignKey(
        ModelVersion, on_delete=models.CASCADE, null=True, blank=True, related_name="findings"
    )
    kind = models.CharField(max_length=24, choices=Kind)
    opened_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()  # when it last held
    closed_at = models.DateTimeField(null=True, blank=True)
    ending = models.CharField(max_length=12, choices=Ending, blank=True, default="")
    measured = models.FloatField()
    low = models.FloatField(null=True, blank=True)  # the range in which it was expected
    high = models.FloatField(null=True, blank=True)
    cases = models.IntegerField()  # how many statements it was measured on
    says = models.TextField()  # what was seen, for people
    mend = models.TextField()  # what to do about it
    detail = models.JSONField(default=dict)
    told_at = models.DateTimeField(null=True, blank=True)  # when the administrators were told

    objects = FindingQuerySet.as_manager()

    class Meta:
        ordering = ("-opened_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=("source", "kind"),
                condition=Q(closed_at__isnull=True),
                name="one_open_finding_per_source_and_kind",
            ),
            models.UniqueConstraint(
                fields=("model", "kind"),
                condition=Q(closed_at__isnull=True),
                name="one_open_finding_per_model_and_kind",
            ),
            models.CheckConstraint(
                condition=Q(source__isnull=False, model__isnull=True)
                | Q(source__isnull=True, model__isnull=False),
                name="a_finding_is_about_a_source_or_a_model",
            ),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True, ending="")
                | (Q(closed_at__isnull=False, closed_at__gte=F("opened_at")) & ~Q(ending="")),
                name="a_finding_ends_after_it_began_and_says_how",
            ),
        ]
        indexes = [
            # The mail stage looks for what nobody has been told of.
            models.Index(
                fields=("opened_at",), condition=Q(told_at__isnull=True), name="finding_not_yet_told"
            ),
        ]

    def __str__(self) -> str:
        return f"finding {self.pk}"

    @property
    def about(self) -> str:
        """What it is about, by name."""
        if self.model is not None:
            return f"Model {self.model.name}"
        return self.source.name if self.source is not None else ""
