"""Where people work and what their work asks of them."""

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q

from learners.models.levels import HIGHEST_LEVEL, LOWEST_LEVEL, Level
from learners.querysets import OrgUnitQuerySet

validate_iri = RegexValidator(r"^[A-Za-z][A-Za-z0-9+.-]*:\S+$", "Write an IRI, such as https://… or urn:….")


class OrgUnit(models.Model):
    """A unit of the organisation; units form a tree. Its manager and coach are its people's fallback."""

    code = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=120)
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="children"
    )
    time_zone = models.CharField(max_length=64, blank=True)
    holidays = models.CharField(
        "public holidays",
        max_length=16,
        blank=True,
        db_default="",  # yesterday's code does not know it
        help_text="A country (DE) or a part of one (DE-BY). Empty: as the unit above, else the organisation's.",
    )
    manager = models.ForeignKey(
        "learners.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="managed_units"
    )
    coach = models.ForeignKey(
        "learners.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="coached_units"
    )

    objects = OrgUnitQuerySet.as_manager()

    class Meta:
        ordering = ("code", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(parent__isnull=True) | ~Q(parent=F("id")), name="org_unit_is_not_its_own_parent"
            )
        ]

    def __str__(self) -> str:
        return self.name


class JobRole(models.Model):
    """What somebody does here, and how much hangs on it."""

    class Impact(models.TextChoices):
        STANDARD = "standard", "Standard"
        ELEVATED = "elevated", "Elevated"
        CRITICAL = "critical", "Critical"

    code = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=120)
    impact = models.CharField(max_length=16, choices=Impact, default=Impact.STANDARD)
    competencies: "models.ManyToManyField[Competency, RoleCompetency]" = models.ManyToManyField(
        "learners.Competency", through="learners.RoleCompetency", related_name="job_roles"
    )

    class Meta:
        ordering = ("code", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(impact__in=("standard", "elevated", "critical")), name="job_role_impact_is_known"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Competency(models.Model):
    """Something a person can be more or less able to do."""

    key = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True, db_default="")  # yesterday's code does not know it
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="children"
    )

    class Meta:
        ordering = ("key", "pk")
        verbose_name_plural = "competencies"
        constraints = [
            models.CheckConstraint(
                condition=Q(parent__isnull=True) | ~Q(parent=F("id")), name="competency_is_not_its_own_parent"
            )
        ]

    def __str__(self) -> str:
        return self.name


class RoleCompetency(models.Model):
    """A job role asks for a competency, at a level where one is required."""

    job_role = models.ForeignKey(JobRole, on_delete=models.CASCADE)
    competency = models.ForeignKey(Competency, on_delete=models.CASCADE)
    level = models.PositiveSmallIntegerField(
        null=True, blank=True, choices=Level, help_text="Empty: asked for, at no stated level."
    )
    position = models.PositiveSmallIntegerField(default=0, db_default=0)

    class Meta:
        ordering = ("job_role", "position", "competency", "pk")
        verbose_name_plural = "role competencies"
        constraints = [
            models.UniqueConstraint(
                fields=("job_role", "competency"), name="a_role_asks_for_a_competency_once"
            ),
            models.CheckConstraint(
                condition=Q(level__isnull=True) | Q(level__gte=LOWEST_LEVEL, level__lte=HIGHEST_LEVEL),
                name="required_level_is_on_the_scale",
            ),
        ]


class CompetencyLesson(models.Model):
    """A lesson, named by its activity's IRI, that teaches a competency."""

    competency = models.ForeignKey(Competency, on_delete=models.CASCADE, related_name="taught_by")
    iri = models.CharField(max_length=500, unique=True, validators=[validate_iri])
    name = models.CharField(max_length=200)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ("competency", "position", "name", "pk")
        verbose_name = "lesson of a competency"
        verbose_name_plural = "lessons of a competency"

    def __str__(self) -> str:
        return self.name


class CompetencyItem(models.Model):
    """A question or task, named by its activity's IRI, whose answer shows a competency."""

    competency = models.ForeignKey(Competency, on_delete=models.CASCADE, related_name="shown_by")
    lesson = models.ForeignKey(
        CompetencyLesson, null=True, blank=True, on_delete=models.SET_NULL, related_name="items"
    )
    iri = models.CharField(max_length=500, unique=True, validators=[validate_iri])
    name = models.CharField(max_length=200)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ("competency", "position", "name", "pk")
        verbose_name = "item of a competency"
        verbose_name_plural = "items of a competency"

    def __str__(self) -> str:
        return self.name
