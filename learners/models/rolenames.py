"""What systems call a job role, and which of our job roles each name means."""

from django.db import models
from django.db.models import Q

from learners.querysets import RoleNameQuerySet


class RoleName(models.Model):
    """A name that a system uses for a job role. Without a meaning it waits for a person to give it one."""

    ANY = ""

    # "roster", "scim:NAME", or empty: whichever system says it.
    source = models.CharField(max_length=80, blank=True, help_text="Empty: in every system.")
    name = models.CharField(max_length=200)
    key = models.CharField(max_length=200, editable=False)  # learners.rolenames.spelling of the name
    job_role = models.ForeignKey(
        "learners.JobRole", null=True, blank=True, on_delete=models.SET_NULL, related_name="names"
    )
    # What it resembles. Never applied by itself.
    proposal = models.ForeignKey(
        "learners.JobRole", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    similarity = models.FloatField(null=True, blank=True)
    first_seen_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)

    objects = RoleNameQuerySet.as_manager()

    class Meta:
        ordering = ("key", "source", "pk")
        constraints = [
            models.UniqueConstraint(fields=("source", "key"), name="a_system_names_a_role_once"),
            models.CheckConstraint(
                condition=Q(similarity__isnull=True) | Q(similarity__gte=0, similarity__lte=1),
                name="similarity_is_a_share",
            ),
            models.CheckConstraint(condition=~Q(key=""), name="a_role_name_is_not_empty"),
        ]

    def __str__(self) -> str:
        return self.name
