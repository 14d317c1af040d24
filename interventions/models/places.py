"""Where the lessons of the catalogue live in an LMS."""

from django.db import models
from django.db.models import Q


class LessonPlace(models.Model):
    """A lesson that people take in the LMS: messages and cards lead there, in the place of our own page."""

    lesson = models.OneToOneField(
        "interventions.Lesson", primary_key=True, on_delete=models.CASCADE, related_name="place"
    )
    address = models.URLField(max_length=500)  # of the page there, as a learner opens it
    # Moodle's number of the course it is in, for a connection that enrols; null: nobody is enrolled for it.
    moodle_course = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ("lesson", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(address__startswith="https://") | Q(address__startswith="http://"),
                name="a_lessons_place_is_on_the_web",
            )
        ]

    def __str__(self) -> str:
        return self.address
