"""What people are enrolled in, what its plan asks when, and how each enrolment stands."""

from django.db import models
from django.db.models import F, Q

from learners.models.organisation import validate_iri
from learners.querysets import EnrolmentQuerySet


class Course(models.Model):
    """A course, programme or certification. Its IRI is how learning systems name it."""

    class Kind(models.TextChoices):
        COURSE = "course", "Course"
        PROGRAMME = "programme", "Programme"
        CERTIFICATION = "certification", "Certification"

    # Not a URLField: an activity may be named by any IRI, such as a urn.
    iri = models.CharField(max_length=500, unique=True, validators=[validate_iri])
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=16, choices=Kind, default=Kind.COURSE)
    starts_on = models.DateField(null=True, blank=True)
    length_days = models.PositiveIntegerField(null=True, blank=True)
    pass_mark = models.FloatField(default=0.4)

    class Meta:
        ordering = ("name", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(pass_mark__gte=0) & Q(pass_mark__lte=1), name="course_pass_mark_is_a_share"
            )
        ]

    def __str__(self) -> str:
        return self.name


class PlanStep(models.Model):
    """Something the plan of a course asks for by a day counted from the start."""

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="plan")
    activity_iri = models.CharField(max_length=500, validators=[validate_iri])
    name = models.CharField(max_length=200)
    due_day = models.IntegerField(help_text="Days after the course starts.")
    weight = models.FloatField(default=0)
    competency = models.ForeignKey("learners.Competency", null=True, blank=True, on_delete=models.SET_NULL)

    class Meta:
        ordering = ("course", "due_day", "pk")
        constraints = [
            models.UniqueConstraint(fields=("course", "activity_iri"), name="a_plan_names_an_activity_once")
        ]

    def __str__(self) -> str:
        return self.name


class Enrolment(models.Model):
    """One learner in one course from one start date."""

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        COMPLETED = "completed", "Completed"
        FAILED = "failed", "Not passed"
        WITHDRAWN = "withdrawn", "Withdrawn"

    learner = models.ForeignKey("learners.Learner", on_delete=models.CASCADE, related_name="enrolments")
    course = models.ForeignKey(Course, on_delete=models.PROTECT, related_name="enrolments")
    starts_on = models.DateField()
    due_on = models.DateField(null=True, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.ACTIVE)
    enrolled_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    # What a source knew when it enrolled somebody; null where none said it.
    earlier_attempts = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="How often this person took this course before."
    )
    study_load = models.FloatField(
        null=True,
        blank=True,
        help_text="Credits or hours, as the source counts them, of everything studied at the same time.",
    )

    objects = EnrolmentQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        constraints = [
            models.UniqueConstraint(
                fields=("learner", "course", "starts_on"), name="enrolled_once_per_start"
            ),
            models.UniqueConstraint(
                fields=("learner", "course"),
                condition=Q(state="active"),
                name="one_active_enrolment_per_course",
            ),
            models.CheckConstraint(
                condition=Q(state="active", ended_at__isnull=True)
                | (~Q(state="active") & Q(ended_at__isnull=False)),
                name="an_enrolment_ends_when_it_is_no_longer_active",
            ),
            models.CheckConstraint(
                condition=Q(due_on__isnull=True) | Q(due_on__gte=F("starts_on")),
                name="enrolment_is_due_after_it_starts",
            ),
            # NaN and infinity are greater than every number, so the upper bound keeps them out too.
            models.CheckConstraint(
                condition=Q(study_load__isnull=True) | (Q(study_load__gte=0) & Q(study_load__lte=10_000)),
                name="study_load_is_a_plain_amount",
            ),
        ]
        indexes = [
            models.Index(
                fields=("course", "starts_on"), name="enrolment_by_cohort"
            )  # cohort = course and start
        ]

    def __str__(self) -> str:
        return f"enrolment {self.pk}"
