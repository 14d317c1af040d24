"""What identity providers have told us over SCIM: their people and groups, in their words."""

import uuid

from django.db import models
from django.db.models import Q

from consent.crypto import EncryptedJSONField


class ScimClient(models.Model):
    """An identity provider that tells us who works here, and the token it shows."""

    class Groups(models.TextChoices):
        UNIT = "unit", "Organisation units"
        JOB_ROLE = "job_role", "Job roles"
        NOTHING = "nothing", "Nothing: keep them, use them for nothing"

    # A uuid, because audit entries name who acted by one.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=64, unique=True)
    token_hash = models.BinaryField(max_length=16, unique=True, editable=False)
    groups_mean = models.CharField(max_length=16, choices=Groups, default=Groups.UNIT)
    home_page = models.CharField(
        max_length=200,
        blank=True,
        help_text="Where statements name people by their user name here, such as https://example.okta.com: the home "
        "page of those xAPI accounts. Empty: they do not.",
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("name", "pk")
        verbose_name = "SCIM client"
        constraints = [
            models.CheckConstraint(
                condition=Q(groups_mean__in=("unit", "job_role", "nothing")),
                name="scim_groups_mean_something",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def source(self) -> str:
        """What this client is called among the sources of role names."""
        return f"scim:{self.name}"


class ScimPerson(models.Model):
    """One learner as one identity provider describes them. After a DELETE the row stays, for their return."""

    client = models.ForeignKey(ScimClient, on_delete=models.PROTECT, related_name="people")
    learner = models.OneToOneField("learners.Learner", on_delete=models.CASCADE, related_name="provisioned")
    user_name_hash = models.BinaryField(max_length=16)
    external_hash = models.BinaryField(max_length=16, null=True)
    # The attributes of learners.scim.schemas as last sent.
    said = EncryptedJSONField()
    # keyed hash of a manager nobody knows yet; whoever arrives under that name is given the person
    waits_for = models.BinaryField(max_length=16, null=True)
    role_name = models.ForeignKey(
        "learners.RoleName", null=True, on_delete=models.SET_NULL, related_name="people"
    )
    closed_account = models.BooleanField(default=False)  # so that coming back may open it again
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("pk",)
        verbose_name_plural = "SCIM people"
        constraints = [
            models.UniqueConstraint(
                fields=("client", "user_name_hash"),
                condition=Q(deleted_at__isnull=True),
                name="a_user_name_is_given_once_per_client",
            )
        ]
        indexes = [
            # filter=externalId eq "…"
            models.Index(fields=("client", "external_hash"), name="scim_person_by_external_id"),
            # who has been waiting for the person who just arrived
            models.Index(
                fields=("waits_for",), condition=Q(waits_for__isnull=False), name="scim_person_waits_for"
            ),
        ]

    def __str__(self) -> str:
        return f"SCIM person {self.pk}"


class ScimGroup(models.Model):
    """A group of an identity provider, and the unit or job role it stands for."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(ScimClient, on_delete=models.PROTECT, related_name="groups")
    display_name = models.CharField(max_length=400)
    external_id = models.CharField(max_length=200, blank=True)
    unit = models.ForeignKey("learners.OrgUnit", null=True, on_delete=models.SET_NULL, related_name="+")
    role_name = models.ForeignKey("learners.RoleName", null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ("created_at", "pk")
        verbose_name = "SCIM group"
        constraints = [
            models.UniqueConstraint(
                fields=("client", "display_name"), name="a_group_name_is_given_once_per_client"
            )
        ]

    def __str__(self) -> str:
        return self.display_name


class ScimMembership(models.Model):
    """Somebody is in a group. Of several groups the one joined last counts."""

    group = models.ForeignKey(ScimGroup, on_delete=models.CASCADE, related_name="memberships")
    person = models.ForeignKey(ScimPerson, on_delete=models.CASCADE, related_name="memberships")
    since = models.DateTimeField()

    class Meta:
        ordering = ("since", "pk")
        constraints = [models.UniqueConstraint(fields=("group", "person"), name="in_a_group_once")]

    def __str__(self) -> str:
        return f"membership {self.pk}"
