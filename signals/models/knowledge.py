"""What follows from what happened: features, risk with its reasons, labels, and the models behind them."""

from django.db import models
from django.db.models import Q


class ModelVersion(models.Model):
    """One way of turning features into a risk, with its parameters; for one that was trained, how it came to be."""

    name = models.CharField(max_length=64, unique=True)  # "composite-1"
    kind = models.CharField(max_length=32)
    parameters = models.JSONField(default=dict)
    is_live = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    # What only a trained version has; see signals.risk.learned for the artefact, signals.training for the rest.
    artefact = models.BinaryField(null=True, blank=True)  # zstd of JSON; never code
    feature_set = models.CharField(max_length=64, blank=True, db_default="")
    label = models.CharField(
        max_length=64, blank=True, db_default=""
    )  # definition and version: "passed_by_end@1"
    trained_as_of = models.DateTimeField(null=True, blank=True)  # nothing known later was used
    dataset_hash = models.CharField(max_length=64, blank=True, db_default="")
    code_version = models.CharField(max_length=64, blank=True, db_default="")
    metrics = models.JSONField(default=dict, db_default={}, blank=True)
    card = models.JSONField(
        default=dict, db_default={}, blank=True
    )  # the model card, as signals.training.card writes it
    # Scores beside the live one, for comparison only (signals.risk.shadow).
    is_shadow = models.BooleanField(default=False, db_default=False)
    # Rolled back and not promoted since: risks that still come from it are no longer acted upon.
    taken_back_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at", "-pk")
        verbose_name = "model of risk"
        verbose_name_plural = "models of risk"
        constraints = [
            models.UniqueConstraint(fields=("is_live",), condition=Q(is_live=True), name="one_model_is_live"),
            models.UniqueConstraint(
                fields=("is_shadow",), condition=Q(is_shadow=True), name="one_model_is_in_shadow"
            ),
            models.CheckConstraint(
                condition=Q(is_live=False) | Q(is_shadow=False, taken_back_at__isnull=True),
                name="a_live_model_is_neither_in_shadow_nor_taken_back",
            ),
            # Retraining on the same data with the same code and method gives the same model.
            models.UniqueConstraint(
                fields=("kind", "label", "dataset_hash", "code_version"),
                condition=~Q(dataset_hash=""),
                name="a_model_is_trained_once_per_dataset_and_code",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class FeatureRow(models.Model):
    """The current features of an enrolment, and how much was known when they were computed."""

    enrolment = models.OneToOneField(
        "learners.Enrolment", primary_key=True, on_delete=models.CASCADE, related_name="features"
    )
    feature_set = models.CharField(max_length=32)
    values = models.JSONField()
    as_of = models.DateTimeField()
    known_seq = models.BigIntegerField()

    class Meta:
        ordering = ("pk",)


class CohortGrid(models.Model):
    """How a cohort's features were spread at a moment: what a percentile compares with until the next one.

    An enrolment's percentiles are of the newest grid that is not later than the moment they are computed for, so older
    ones stay as long as features that were compared with them (signals.features.quantiles).
    """

    course = models.ForeignKey("learners.Course", on_delete=models.CASCADE, related_name="+")
    starts_on = models.DateField()  # cohort = course and start
    as_of = models.DateTimeField()
    feature_set = models.CharField(max_length=32)
    people = models.PositiveIntegerField()  # in the sample
    grids = models.JSONField()  # {feature: 101 numbers}, see signals.features.cohort

    class Meta:
        ordering = ("course", "starts_on", "-as_of", "pk")
        constraints = [
            # Also the index by which the newest is found.
            models.UniqueConstraint(
                fields=("course", "starts_on", "as_of"), name="one_grid_per_cohort_and_moment"
            ),
            # A grid of fewer would show single people.
            models.CheckConstraint(condition=Q(people__gte=10), name="a_grid_is_of_ten_people_or_more"),
        ]

    def __str__(self) -> str:
        return f"grid {self.pk}"


class FeatureFault(models.Model):
    """A feature's definition that raised: it counts as unknown, the others go on. No data, only what kind of fault."""

    key = models.CharField(max_length=64)
    version = models.PositiveSmallIntegerField()
    fault = models.CharField(max_length=120)  # class of the exception, and PostgreSQL's code for it
    times = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        ordering = ("-last_at", "key", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=("key", "version", "fault"), name="a_fault_is_noted_once_per_definition"
            )
        ]

    def __str__(self) -> str:
        return f"{self.key}@{self.version}: {self.fault}"


class Risk(models.Model):
    """The current risk of an enrolment: a value with reasons, or an honest "not sure"."""

    enrolment = models.OneToOneField(
        "learners.Enrolment", primary_key=True, on_delete=models.CASCADE, related_name="risk"
    )
    value = models.FloatField(null=True, blank=True)  # null: abstained, coverage too low
    coverage = models.FloatField()
    known_signals = models.SmallIntegerField()
    reasons = models.JSONField(default=list)  # see signals.risk.reasons
    # Log-odds before any signal speaks, for models whose contributions are log-odds; else null.
    base = models.FloatField(null=True, blank=True)
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    as_of = models.DateTimeField()
    known_seq = models.BigIntegerField()
    # When time alone next changes it enough to matter; null when only events can.
    review_at = models.DateTimeField(null=True, blank=True)
    # Set whenever it is computed, cleared when the decision stage has read it: "not yet decided upon".
    unread_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("pk",)
        constraints = [
            models.CheckConstraint(
                condition=Q(value__isnull=True) | (Q(value__gte=0) & Q(value__lte=1)),
                name="a_risk_is_a_share",
            ),
            models.CheckConstraint(
                condition=Q(coverage__gte=0) & Q(coverage__lte=1), name="coverage_is_a_share"
            ),
        ]
        indexes = [
            models.Index(fields=("review_at",), condition=Q(review_at__isnull=False), name="risk_to_review"),
            models.Index(
                fields=("unread_since",), condition=Q(unread_since__isnull=False), name="risk_unread"
            ),
            # Those about whom we are not sure, for the draw of second looks.
            models.Index(fields=("enrolment",), condition=Q(value__isnull=True), name="risk_not_sure"),
        ]


class RiskChange(models.Model):
    """A risk moved by at least 0.05, or became known or unknown."""

    enrolment = models.ForeignKey("learners.Enrolment", on_delete=models.CASCADE, related_name="risk_changes")
    before = models.FloatField(null=True, blank=True)
    after = models.FloatField(null=True, blank=True)
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ("enrolment", "-at", "-pk")
        # Labels of the untreated look for the changes whose horizon has just passed.
        indexes = [models.Index(fields=("at",), name="risk_change_by_time")]


class Label(models.Model):
    """What turned out to be true of an enrolment as of a date, by one versioned definition."""

    enrolment = models.ForeignKey("learners.Enrolment", on_delete=models.CASCADE, related_name="labels")
    as_of = models.DateTimeField()
    definition = models.CharField(max_length=64)  # name and version: "recovered_14d@1"
    value = models.BooleanField(null=True, blank=True)  # null: censored
    horizon_days = models.PositiveIntegerField()
    treated = models.BooleanField()
    propensity = models.FloatField(null=True, blank=True)
    recorded_at = models.DateTimeField()

    class Meta:
        ordering = ("enrolment", "as_of", "definition", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=("enrolment", "as_of", "definition"), name="one_label_per_date_and_definition"
            ),
            models.CheckConstraint(
                condition=Q(propensity__isnull=True) | (Q(propensity__gt=0) & Q(propensity__lte=1)),
                name="a_propensity_is_a_positive_share",
            ),
        ]
