"""What learners bring along, how they like to learn, and what they want to reach."""

from datetime import time

from django.db import models
from django.db.models import F, Q

from consent.crypto import EncryptedTextField
from learners.models.levels import HIGHEST_LEVEL, LOWEST_LEVEL, Level
from learners.querysets import BaselineSkillQuerySet


class BaselineSkill(models.Model):
    """Somebody's level in a competency, as one source saw it on a day."""

    class Source(models.TextChoices):
        SELF = "self", "The learner"
        MANAGER = "manager", "The manager"
        TEST = "test", "A test"
        CERTIFICATE = "certificate", "A certificate"
        IMPORT = "import", "Another system"

    learner = models.ForeignKey("learners.Learner", on_delete=models.CASCADE, related_name="baseline")
    competency = models.ForeignKey("learners.Competency", on_delete=models.CASCADE, related_name="+")
    level = models.PositiveSmallIntegerField(choices=Level)
    source = models.CharField(max_length=16, choices=Source)
    as_of = models.DateField()

    objects = BaselineSkillQuerySet.as_manager()

    class Meta:
        ordering = ("learner", "competency", "-as_of", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=("learner", "competency", "source", "as_of"), name="a_source_says_one_level_a_day"
            ),
            models.CheckConstraint(
                condition=Q(level__gte=LOWEST_LEVEL, level__lte=HIGHEST_LEVEL),
                name="baseline_level_is_on_the_scale",
            ),
            models.CheckConstraint(
                condition=Q(source__in=("self", "manager", "test", "certificate", "import")),
                name="baseline_source_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"baseline {self.pk}"


class Preferences(models.Model):
    """How somebody likes to be reached and to learn. A missing row, or an empty field: no wish."""

    class Channel(models.TextChoices):
        NONE = "", "On my page here and by e-mail"
        CARD = "card", "Only on my page here"

    class Format(models.TextChoices):
        NONE = "", "No preference"
        READING = "reading", "Reading"
        WATCHING = "watching", "Watching"
        DOING = "doing", "Trying it out"
        TALKING = "talking", "Talking with somebody"

    learner = models.OneToOneField(
        "learners.Learner", primary_key=True, on_delete=models.CASCADE, related_name="preferences"
    )
    channel = models.CharField(max_length=16, choices=Channel, blank=True, default="")
    learning_format = models.CharField(max_length=16, choices=Format, blank=True, default="")
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_to = models.TimeField(null=True, blank=True)
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ("pk",)
        verbose_name_plural = "preferences"
        constraints = [
            models.CheckConstraint(
                condition=Q(quiet_from__isnull=True, quiet_to__isnull=True)
                | (Q(quiet_from__isnull=False, quiet_to__isnull=False) & ~Q(quiet_from=F("quiet_to"))),
                name="quiet_hours_have_two_ends",
            ),
            models.CheckConstraint(condition=Q(channel__in=("", "card")), name="channel_is_known"),
            models.CheckConstraint(
                condition=Q(learning_format__in=("", "reading", "watching", "doing", "talking")),
                name="learning_format_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"preferences {self.pk}"

    @property
    def quiet_hours(self) -> tuple[time, time] | None:
        """From and until when nothing should come, on the learner's own clock."""
        if self.quiet_from is None or self.quiet_to is None:
            return None
        return self.quiet_from, self.quiet_to


class Goal(models.Model):
    """Something a learner wants to reach, in a competency or a course, by a day; in their own words too."""

    learner = models.ForeignKey("learners.Learner", on_delete=models.CASCADE, related_name="goals")
    competency = models.ForeignKey(
        "learners.Competency", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    course = models.ForeignKey(
        "learners.Course", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    by_date = models.DateField()
    words = EncryptedTextField(blank=True, default="")
    made_at = models.DateTimeField()
    reached_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("learner", "by_date", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(competency__isnull=True) | Q(course__isnull=True),
                name="a_goal_is_a_competency_or_a_course",
            )
        ]

    def __str__(self) -> str:
        return f"goal {self.pk}"
