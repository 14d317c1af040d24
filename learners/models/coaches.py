"""What coaches can take on, whom they may help beside those in their care, and who had better not meet."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinLengthValidator
from django.db import models
from django.db.models import Q


class CoachProfile(models.Model):
    """What a coach speaks beside their own language, and how many cases they can carry. A missing row: as usual."""

    user = models.OneToOneField(
        "learners.User", primary_key=True, on_delete=models.CASCADE, related_name="coach_profile"
    )
    languages = ArrayField(
        models.CharField(max_length=8, validators=[MinLengthValidator(2)]),
        default=list,
        blank=True,
        help_text="Two letters each, with commas: de, fr. Their own language counts anyway.",
    )
    most_cases = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="At one time. Empty: what the policy's hours a week leave room for."
    )

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"coach profile {self.pk}"


class CoachSkill(models.Model):
    """A coach knows their way about in a course or a competency. Who has none listed can help with anything."""

    user = models.ForeignKey("learners.User", on_delete=models.CASCADE, related_name="coach_skills")
    competency = models.ForeignKey(
        "learners.Competency", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    course = models.ForeignKey(
        "learners.Course", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )

    class Meta:
        ordering = ("user", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(competency__isnull=False, course__isnull=True)
                | Q(competency__isnull=True, course__isnull=False),
                name="a_coach_s_skill_is_a_competency_or_a_course",
                violation_error_message="Choose a competency or a course, one of the two.",
            ),
            models.UniqueConstraint(
                fields=("user", "competency", "course"),
                name="a_coach_has_a_skill_once",
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return f"coach skill {self.pk}"


class UnitCoach(models.Model):
    """One more coach for a unit and all below it, beside the one in charge: may take up their cases."""

    unit = models.ForeignKey("learners.OrgUnit", on_delete=models.CASCADE, related_name="more_coaches")
    user = models.ForeignKey("learners.User", on_delete=models.CASCADE, related_name="helps_in")

    class Meta:
        ordering = ("unit", "pk")
        verbose_name_plural = "unit coaches"
        constraints = [models.UniqueConstraint(fields=("unit", "user"), name="a_coach_helps_in_a_unit_once")]

    def __str__(self) -> str:
        return f"unit coach {self.pk}"


class CoachConflict(models.Model):
    """This coach is not to meet this learner, because one of them said so. Nobody is asked why."""

    class By(models.TextChoices):
        LEARNER = "learner", "The learner"
        COACH = "coach", "The coach"
        ADMIN = "admin", "An administrator"

    learner = models.ForeignKey("learners.Learner", on_delete=models.CASCADE, related_name="coach_conflicts")
    user = models.ForeignKey("learners.User", on_delete=models.CASCADE, related_name="coach_conflicts")
    said_by = models.CharField(max_length=8, choices=By, default=By.ADMIN)
    said_at = models.DateTimeField()

    class Meta:
        ordering = ("learner", "pk")
        constraints = [
            models.UniqueConstraint(fields=("learner", "user"), name="two_people_are_kept_apart_once"),
            models.CheckConstraint(
                condition=Q(said_by__in=("learner", "coach", "admin")), name="a_conflict_says_who_said_so"
            ),
        ]

    def __str__(self) -> str:
        return f"coach conflict {self.pk}"
