"""What can be sent: micro-lessons and messages, in each language."""

import uuid
from datetime import date

from django.db import models
from django.db.models import Exists, OuterRef, Q


class LessonQuerySet(models.QuerySet["Lesson"]):
    def suggestible(self, *, on: date) -> "LessonQuerySet":
        """In use on this day, not run out, and with something to show."""
        shown = LessonText.objects.in_use().filter(lesson=OuterRef("pk"))
        return self.filter(
            Q(expires_on__isnull=True) | Q(expires_on__gt=on), Exists(shown), is_active=True, retired_at=None
        )


class Lesson(models.Model):
    """A micro-lesson of a few minutes on one competency. What it says is in its texts, in versions."""

    class Origin(models.TextChoices):
        SHIPPED = "shipped", "Shipped with Rekindle"
        OWN = "own", "Written here"
        CSV = "csv", "From a CSV file"
        MOODLE = "moodle", "From Moodle"
        CARTRIDGE = "cartridge", "From a Common Cartridge"

    key = models.SlugField(max_length=64, unique=True)
    competency = models.ForeignKey(
        "learners.Competency", null=True, blank=True, on_delete=models.PROTECT, related_name="lessons"
    )
    minutes = models.PositiveSmallIntegerField(default=5)
    is_active = models.BooleanField(default=True)  # in use; else a draft, or retired
    retired_at = models.DateTimeField(null=True, blank=True)
    origin = models.CharField(max_length=16, choices=Origin, default=Origin.OWN, db_default=Origin.OWN)
    owner = models.ForeignKey(
        "learners.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="lessons"
    )
    expires_on = models.DateField(null=True, blank=True)  # from this day it is suggested to nobody anew
    told_for = models.DateField(null=True, blank=True)  # the day of expiry that its owner was told of

    objects = LessonQuerySet.as_manager()

    class Meta:
        ordering = ("key", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(is_active=False) | Q(retired_at__isnull=True),
                name="a_lesson_in_use_is_not_retired",
            ),
            models.CheckConstraint(
                condition=~Q(origin="shipped") | Q(expires_on__isnull=True, owner__isnull=True),
                name="a_shipped_lesson_has_no_owner_and_never_expires",
            ),
            models.CheckConstraint(
                condition=Q(origin__in=("shipped", "own", "csv", "moodle", "cartridge")),
                name="the_origin_of_a_lesson_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.key

    def has_expired(self, today: date) -> bool:
        return self.expires_on is not None and self.expires_on <= today

    def is_open(self, today: date) -> bool:
        """Whether it may be suggested, or begun, today. (Whether it has a text: ``suggestible``.)"""
        return self.is_active and self.retired_at is None and not self.has_expired(today)

    def state(self) -> str:
        """Where it stands: in use, retired, or a draft that nobody sees."""
        if self.retired_at is not None:
            return "retired"
        return "in use" if self.is_active else "draft"


class LessonTextQuerySet(models.QuerySet["LessonText"]):
    def in_use(self) -> "LessonTextQuerySet":
        return self.filter(is_draft=False, replaced_at__isnull=True)

    def drafts(self) -> "LessonTextQuerySet":
        return self.filter(is_draft=True)


class LessonText(models.Model):
    """One version of a lesson in one language. A draft can be edited; what was published stays as it is."""

    class Format(models.TextChoices):
        TEXT = "text", "A text of our own, with questions"
        LINK = "link", "A page elsewhere"
        VIDEO = "video", "A video elsewhere, with its transcript"
        DOCUMENT = "document", "A document elsewhere"

    lesson = models.ForeignKey(Lesson, on_delete=models.CASCADE, related_name="texts")
    language = models.CharField(max_length=8)
    version = models.PositiveIntegerField(default=1, db_default=1)
    is_draft = models.BooleanField(default=False, db_default=False)
    format = models.CharField(max_length=8, choices=Format, default=Format.TEXT, db_default=Format.TEXT)
    title = models.CharField(max_length=120)
    body = models.TextField()  # the text; of a link or document what it is about; of a video its transcript
    address = models.CharField(max_length=1000, blank=True, default="", db_default="")
    questions = models.JSONField()  # [{"text", "choices": […], "answer": index, "because"}]
    created_by = models.UUIDField(null=True, blank=True)  # null: shipped
    created_at = models.DateTimeField(null=True, blank=True)
    replaced_at = models.DateTimeField(null=True, blank=True)  # null: in use, or a draft

    objects = LessonTextQuerySet.as_manager()

    class Meta:
        ordering = ("lesson", "language", "-version", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=("lesson", "language"),
                condition=Q(is_draft=False, replaced_at__isnull=True),
                name="one_text_per_lesson_and_language",
            ),
            models.UniqueConstraint(
                fields=("lesson", "language"), condition=Q(is_draft=True), name="one_draft_of_a_lesson_text"
            ),
            models.UniqueConstraint(
                fields=("lesson", "language", "version"), name="a_version_of_a_lesson_text_is_kept_once"
            ),
            # What a visit's composite foreign key points at: see migration 0076.
            models.UniqueConstraint(fields=("id", "lesson"), name="a_lesson_text_with_its_lesson"),
            models.CheckConstraint(
                condition=Q(is_draft=False) | Q(replaced_at__isnull=True), name="a_draft_is_not_replaced"
            ),
            models.CheckConstraint(
                condition=Q(format="text", address="")
                | Q(format__in=("link", "video", "document"), address__regex=r"^https?://"),
                name="a_lesson_elsewhere_has_its_address",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_in_use(self) -> bool:
        return not self.is_draft and self.replaced_at is None


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
    # The version that was shown, first to last; null: begun before versions were kept.
    text = models.ForeignKey(
        LessonText, null=True, blank=True, on_delete=models.PROTECT, related_name="visits"
    )
    started_at = models.DateTimeField()
    stepped_at = models.DateTimeField(
        null=True, blank=True
    )  # the last step, so that time away is not counted
    seconds = models.PositiveIntegerField(default=0, db_default=0)  # spent, without the time away
    completed_at = models.DateTimeField(null=True, blank=True)
    answers = models.JSONField(default=list)  # of the questions so far, in their order
    score = models.FloatField(null=True, blank=True)  # share right, 0 to 1

    class Meta:
        ordering = ("-started_at", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(score__isnull=True) | (Q(score__gte=0) & Q(score__lte=1)),
                name="lesson_score_is_a_share",
            )
        ]
