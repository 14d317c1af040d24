"""Which lessons of the catalogue are part of a course of the LMS, and who was put into such a course."""

from django.db import models
from django.db.models import Q


class LessonPlace(models.Model):
    """A lesson that people take in the LMS: every link leads straight there, in the place of our own page."""

    lesson = models.OneToOneField(
        "interventions.Lesson", primary_key=True, on_delete=models.CASCADE, related_name="place"
    )
    # Of the page there, as a learner opens it; empty: the one that the lesson's text gives, in each language.
    address = models.URLField(max_length=500, blank=True, default="")
    # Moodle's number of the course it is in, for a connection that enrols; null: nobody is enrolled for it.
    moodle_course = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ("lesson", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(address="")
                | Q(address__startswith="https://")
                | Q(address__startswith="http://"),
                name="a_lessons_place_is_on_the_web",
            )
        ]

    def __str__(self) -> str:
        return self.address or f"where {self.lesson_id} says"


class PlatformEnrolment(models.Model):
    """A learner is put into the course of the LMS in which the suggested lesson lives: once for a suggestion."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        SENDING = "sending", "Being done"
        DONE = "done", "Enrolled"
        FAILED = "failed", "Given up"
        CANCELLED = "cancelled", "Cancelled"

    decision = models.OneToOneField(
        "interventions.Decision",
        primary_key=True,
        on_delete=models.CASCADE,
        related_name="platform_enrolment",
    )
    moodle_course = models.PositiveIntegerField()
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    tries = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(max_length=300, blank=True)  # in our own words and Moodle's codes

    class Meta:
        ordering = ("-created_at", "pk")
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="done") | Q(done_at__isnull=False),
                name="who_was_enrolled_was_so_at_a_time",
            ),
            models.CheckConstraint(
                condition=~Q(state="sending") | Q(claimed_at__isnull=False),
                name="an_enrolment_under_way_was_claimed",
            ),
        ]
        indexes = [
            # The stage: what is due, the oldest first.
            models.Index(
                fields=["due_at"],
                condition=Q(state__in=("queued", "sending")),
                name="platform_enrolment_due",
            )
        ]

    def __str__(self) -> str:
        return f"course {self.moodle_course}: {self.get_state_display()}"
