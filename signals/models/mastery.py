"""How well people have mastered competencies, from their single answers, and what that rests on."""

from django.db import models
from django.db.models import F, Q


class MasteryFit(models.Model):
    """Parameters of performance factors analysis, fitted to the answers there were."""

    fitted_at = models.DateTimeField()
    fading = models.FloatField()  # by which an answer weighs less with every later one
    pooled = models.JSONField()  # [start, gain, loss], for competencies without answers of their own
    strands = models.JSONField()  # {competency: [start, gain, loss]}
    answers = models.PositiveIntegerField()
    learners = models.PositiveIntegerField()
    metrics = models.JSONField(default=dict)  # on people held out, beside the mean of the last five answers

    class Meta:
        ordering = ("-fitted_at", "-pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(fading__gt=0) & Q(fading__lte=1), name="answers_fade_and_never_grow"
            ),
        ]

    def __str__(self) -> str:
        return f"mastery fit {self.pk}"


class ItemDifficulty(models.Model):
    """How much harder an item is than the others of its competency, in log-odds."""

    activity = models.BigIntegerField(primary_key=True)  # keyed 64-bit hash of the item's IRI
    competency = models.ForeignKey("learners.Competency", on_delete=models.CASCADE, related_name="+")
    difficulty = models.FloatField()
    answers = models.PositiveIntegerField()
    fit = models.ForeignKey(MasteryFit, on_delete=models.CASCADE, related_name="items")

    class Meta:
        ordering = ("pk",)
        verbose_name_plural = "item difficulties"

    def __str__(self) -> str:
        return f"item {self.pk}"


class Mastery(models.Model):
    """The current mastery of a competency: how likely a person's next answer is right, and how sure that is."""

    pk = models.CompositePrimaryKey("learner_id", "competency_id")
    learner = models.ForeignKey(
        "learners.Learner", on_delete=models.CASCADE, related_name="mastery", db_index=False
    )
    competency = models.ForeignKey("learners.Competency", on_delete=models.CASCADE, related_name="+")
    value = models.FloatField()
    low = models.FloatField()  # nine times out of ten it lies between these
    high = models.FloatField()
    answers = models.PositiveIntegerField()
    last_answer_at = models.DateTimeField()
    as_of = models.DateTimeField()
    fit = models.ForeignKey(MasteryFit, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("learner", "competency")
        verbose_name_plural = "mastery"
        constraints = [
            models.CheckConstraint(
                condition=Q(low__gte=0) & Q(value__gte=F("low")) & Q(high__gte=F("value")) & Q(high__lte=1),
                name="mastery_lies_between_its_bounds",
            ),
            models.CheckConstraint(condition=Q(answers__gt=0), name="mastery_rests_on_answers"),
        ]

    def __str__(self) -> str:
        return f"mastery of competency {self.competency_id}"
