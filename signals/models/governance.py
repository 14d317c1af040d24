"""How a model came to be live, and what watches over it: promotions, shadow scores, retired features, training."""

from django.db import models
from django.db.models import F, Q

from signals.models.knowledge import ModelVersion


class Promotion(models.Model):
    """What became of a candidate. Appended only (trigger in migration 0074); the newest row that changed
    something says which model is live."""

    class Outcome(models.TextChoices):
        PROMOTED = "promoted", "Promoted"
        REFUSED = "refused", "Refused"
        ROLLED_BACK = "rolled_back", "Rolled back"
        SHADOWED = "shadowed", "Put in shadow"
        UNSHADOWED = "unshadowed", "Taken out of shadow"
        ASKED = "asked", "Waits for the gate"

    candidate = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="promotions")
    replaced = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    at = models.DateTimeField()
    by = models.UUIDField(null=True, blank=True)  # a user; null: the nightly gate or somebody at the console
    outcome = models.CharField(max_length=12, choices=Outcome)
    reason = models.CharField(max_length=2000)
    comparison = models.JSONField(default=dict)  # signals.training.gate.Comparison

    class Meta:
        ordering = ("-pk",)
        constraints = [
            models.CheckConstraint(
                condition=Q(replaced__isnull=True) | ~Q(candidate=F("replaced")),
                name="a_model_does_not_replace_itself",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="a_promotion_says_why"),
        ]
        indexes = [
            # Which model is live: the newest of these.
            models.Index(
                fields=("-id",),
                condition=Q(outcome__in=("promoted", "rolled_back")),
                name="promotion_that_counts",
            )
        ]

    def __str__(self) -> str:
        return f"promotion {self.pk}"


class ShadowRisk(models.Model):
    """What the model in shadow would have said of an enrolment, beside what the live one said. Shown to no manager."""

    enrolment = models.OneToOneField(
        "learners.Enrolment", primary_key=True, on_delete=models.CASCADE, related_name="shadow_risk"
    )
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    value = models.FloatField(null=True, blank=True)  # null: not sure
    live_model = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    live_value = models.FloatField(null=True, blank=True)
    as_of = models.DateTimeField()
    asked_at = models.DateTimeField(
        null=True, blank=True
    )  # when a person was asked to look: they disagree much

    class Meta:
        ordering = ("pk",)
        constraints = [
            models.CheckConstraint(
                condition=(Q(value__isnull=True) | (Q(value__gte=0) & Q(value__lte=1)))
                & (Q(live_value__isnull=True) | (Q(live_value__gte=0) & Q(live_value__lte=1))),
                name="a_shadow_risk_is_a_share",
            ),
        ]


class RetiredFeature(models.Model):
    """A feature that no model learns from or is given any more. Taking it back is ending the row."""

    key = models.CharField(max_length=64)
    reason = models.CharField(max_length=300)
    retired_at = models.DateTimeField()
    retired_by = models.UUIDField(null=True, blank=True)
    restored_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-retired_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=("key",),
                condition=Q(restored_at__isnull=True),
                name="a_feature_is_retired_once_at_a_time",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="a_retired_feature_says_why"),
            models.CheckConstraint(
                condition=Q(restored_at__isnull=True) | Q(restored_at__gte=F("retired_at")),
                name="a_feature_is_restored_after_it_was_retired",
            ),
        ]


class TrainingRun(models.Model):
    """One night's training: what came of it, in words."""

    class Outcome(models.TextChoices):
        TRAINED = "trained", "A candidate was trained"
        SAME = "same", "Nothing new to learn from"
        TOO_LITTLE = "too_little", "Too little to learn from"
        FAILED = "failed", "Failed"

    at = models.DateTimeField()
    label = models.CharField(max_length=64)
    outcome = models.CharField(max_length=12, choices=Outcome)
    model_version = models.ForeignKey(
        ModelVersion, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    says = models.TextField()
    seconds = models.FloatField(default=0)

    class Meta:
        ordering = ("-at", "-pk")

    def __str__(self) -> str:
        return f"training {self.pk}"


class ModelAudit(models.Model):
    """A question about a model that takes its time: asked by somebody or by the night, answered by a stage."""

    class Kind(models.TextChoices):
        FAIRNESS = "fairness", "Fairness"
        REMEDY = "remedy", "Remedy tried"
        DRIFT = "drift", "Drift"

    kind = models.CharField(max_length=12, choices=Kind)
    model_version = models.ForeignKey(
        ModelVersion, on_delete=models.CASCADE, null=True, blank=True, related_name="audits"
    )
    parameters = models.JSONField(default=dict)  # of a remedy: {"remedy": ..., "attribute": ...}
    asked_at = models.DateTimeField()
    asked_by = models.UUIDField(null=True, blank=True)
    begun_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    result = models.JSONField(default=dict)
    says = models.TextField(blank=True, default="")  # why there is no answer

    class Meta:
        ordering = ("-asked_at", "-pk")
        constraints = [
            # Asking again while it waits is the same question.
            models.UniqueConstraint(
                fields=("kind", "model_version", "parameters"),
                nulls_distinct=False,
                condition=Q(done_at__isnull=True),
                name="a_question_about_a_model_waits_once",
            ),
        ]

    def __str__(self) -> str:
        return f"audit {self.pk}"
