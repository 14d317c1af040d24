"""Rules for micro-coaching: a readable condition, what it chooses, who answers for it and until when."""

from django.db import models
from django.db.models import F, Q


class Rule(models.Model):
    """One version of a rule. What is or was in force never changes but for its owner (trigger in migration 0051)."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        LIVE = "live", "In force"
        RETIRED = "retired", "Retired"

    class Step(models.TextChoices):
        NUDGE = "nudge", "A message"
        LESSON = "lesson", "A micro-lesson"
        LESSON_NUDGE = "lesson_nudge", "A micro-lesson and a small next step"

    key = models.SlugField(max_length=40)
    version = models.PositiveIntegerField()
    title = models.CharField(max_length=120)
    when = models.JSONField()  # interventions.rules.condition.When
    action = models.CharField(max_length=16, choices=Step)
    lesson = models.ForeignKey(
        "interventions.Lesson", null=True, blank=True, on_delete=models.PROTECT, related_name="rules"
    )
    message = models.SlugField(max_length=64, blank=True)  # its own words; empty: those of the step
    # Else it only chooses what a step of the routing matrix says.
    acts_alone = models.BooleanField(default=False)
    rest_days = models.PositiveSmallIntegerField(
        null=True, blank=True
    )  # acts again after so many; null: once
    position = models.PositiveSmallIntegerField(default=100)  # of several that apply, the lowest counts
    owner = models.ForeignKey(
        "learners.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="rules"
    )
    expires_on = models.DateField(null=True, blank=True)
    state = models.CharField(max_length=8, choices=State, default=State.DRAFT)
    # It looks at something that goes with a protected attribute: only with the review board's yes.
    needs_review = models.BooleanField(default=False)
    review_reasons = models.JSONField(default=list, blank=True)
    reviewed_by = models.ForeignKey(
        "learners.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)
    created_by = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField()
    live_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("position", "key", "-version")
        constraints = [
            models.UniqueConstraint(fields=("key", "version"), name="a_version_of_a_rule_is_one"),
            models.UniqueConstraint(
                fields=("key",), condition=Q(state="live"), name="one_version_of_a_rule_is_live"
            ),
            models.UniqueConstraint(fields=("key",), condition=Q(state="draft"), name="one_draft_of_a_rule"),
            models.CheckConstraint(
                condition=Q(state="draft") | Q(live_at__isnull=False), name="a_rule_in_force_says_since_when"
            ),
            models.CheckConstraint(
                condition=Q(reviewed_by__isnull=True, reviewed_at__isnull=True)
                | Q(reviewed_by__isnull=False, reviewed_at__isnull=False),
                name="a_review_of_a_rule_has_who_and_when",
            ),
            models.CheckConstraint(
                condition=~Q(state="live", needs_review=True) | Q(reviewed_at__isnull=False),
                name="a_rule_on_a_proxy_has_the_boards_yes",
            ),
            models.CheckConstraint(
                condition=Q(reviewed_by__isnull=True)
                | Q(created_by__isnull=True)
                | ~Q(reviewed_by=F("created_by")),
                name="nobody_reviews_their_own_rule",
            ),
            models.CheckConstraint(
                condition=Q(action__in=("nudge", "lesson", "lesson_nudge")),
                name="a_rule_speaks_to_the_learner_only",
            ),
            models.CheckConstraint(
                condition=Q(rest_days__isnull=True) | Q(rest_days__gte=7),
                name="a_rule_rests_a_week_at_least",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key}@{self.version}"
