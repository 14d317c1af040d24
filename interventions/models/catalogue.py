"""What can be sent: micro-lessons and messages, in each language."""

import uuid

from django.db import models
from django.db.models import Q


class Lesson(models.Model):
    """A micro-lesson of a few minutes on one competency, with three questions."""

    key = models.SlugField(max_length=64, unique=True)
    competency = models.ForeignKey(
        "learners.Competency", null=True, blank=True, on_delete=models.PROTECT, related_name="lessons"
    )
    minutes = models.PositiveSmallIntegerField(default=5)
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ("key", "pk")

    def __str__(self) -> str:
        return self.key


class LessonText(models.Model):
    """The lesson in one language: paragraphs of plain text, then questions with choices."""

    lesson = models.ForeignKey(Lesson, on_delete=models.CASCADE, related_name="texts")
    language = models.CharField(max_length=8)
    title = models.CharField(max_length=120)
    body = models.TextField()
    questions = models.JSONField()  # [{"text", "choices": […], "answer": index, "because"}]

    class Meta:
        ordering = ("lesson", "language", "pk")
        constraints = [
            models.UniqueConstraint(fields=("lesson", "language"), name="one_text_per_lesson_and_language")
        ]

    def __str__(self) -> str:
        return self.title


class MessageText(models.Model):
    """One version of what we say with an action, in one language and variant. Changing it makes the next version.

    Placeholders: see interventions.catalogue.PLACEHOLDERS.
    """

    key = models.SlugField(max_length=64)  # action, or action-trigger where a trigger has its own words
    language = models.CharField(max_length=8)
    variant = models.SlugField(max_length=16, default="a")  # several: each learner always meets the same one
    version = models.PositiveIntegerField(default=1)
    subject = models.CharField(max_length=120)
    body = models.TextField()
    created_by = models.UUIDField(null=True, blank=True)  # null: shipped
    created_at = models.DateTimeField(null=True, blank=True)
    replaced_at = models.DateTimeField(null=True, blank=True)  # null: in use

    class Meta:
        ordering = ("key", "language", "variant", "-version", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=("key", "language", "variant"),
                condition=Q(replaced_at__isnull=True),
                name="one_message_per_key_language_and_variant",
            ),
            models.UniqueConstraint(
                fields=("key", "language", "variant", "version"), name="a_version_of_a_message_is_kept_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} ({self.language}), {self.variant}{self.version}"


class LessonVisit(models.Model):
    """A learner took a lesson, from a suggestion or by themselves."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    learner = models.ForeignKey("learners.Learner", on_delete=models.CASCADE, related_name="lesson_visits")
    lesson = models.ForeignKey(Lesson, on_delete=models.PROTECT, related_name="visits")
    decision = models.ForeignKey(
        "interventions.Decision",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="lesson_visits",
    )
    started_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True, blank=True)
    answers = models.JSONField(default=list)
    score = models.FloatField(null=True, blank=True)  # share right, 0 to 1

    class Meta:
        ordering = ("-started_at", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(score__isnull=True) | (Q(score__gte=0) & Q(score__lte=1)),
                name="lesson_score_is_a_share",
            )
        ]
