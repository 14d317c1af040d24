"""The policy: everything adjustable about deciding, as one versioned document."""

from django.db import models
from django.db.models import Q


class Policy(models.Model):
    """One version of the policy. Its document never changes once the version is live (trigger in migration 0002)."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        LIVE = "live", "Live"
        RETIRED = "retired", "Retired"

    version = models.PositiveIntegerField(unique=True)
    document = models.JSONField()  # interventions.policy.document.Document
    state = models.CharField(max_length=8, choices=State, default=State.DRAFT)
    reason = models.CharField(max_length=300, blank=True)
    created_by = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField()
    live_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-version",)
        verbose_name_plural = "policies"
        constraints = [
            models.UniqueConstraint(fields=("state",), condition=Q(state="live"), name="one_policy_is_live"),
            models.CheckConstraint(
                condition=Q(state="draft") | Q(live_at__isnull=False),
                name="a_policy_in_force_says_since_when",
            ),
        ]

    def __str__(self) -> str:
        return f"policy {self.version}"
