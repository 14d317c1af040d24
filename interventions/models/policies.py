"""The policy: everything adjustable about deciding, as one versioned document."""

from django.db import models
from django.db.models import F, Q


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


class PolicyProposal(models.Model):
    """Somebody wants a draft in force that needs another administrator's yes, or a day's wait where there is none."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for a second yes"
        APPROVED = "approved", "Approved by a second administrator"
        WAITED = "waited", "In force after a day's wait"
        DECLINED = "declined", "Declined"
        OUTDATED = "outdated", "The draft or the policy in force has changed since"

    policy = models.ForeignKey(Policy, on_delete=models.CASCADE, related_name="proposals")
    base_version = models.PositiveIntegerField()  # what was in force when it was proposed
    digest = models.CharField(max_length=64)  # SHA-256 of the draft's document as proposed
    needs = models.JSONField()  # [place, why]: what makes it need a second yes
    reason = models.CharField(max_length=300)
    proposed_by = models.UUIDField()
    proposed_at = models.DateTimeField()
    waits_until = models.DateTimeField(null=True, blank=True)  # only where nobody else could say yes
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    answered_by = models.UUIDField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("-proposed_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=("policy",), condition=Q(state="waiting"), name="one_proposal_of_a_draft_waits"
            ),
            models.CheckConstraint(
                condition=~Q(state="approved")
                | (Q(answered_by__isnull=False) & ~Q(answered_by=F("proposed_by"))),
                name="who_approves_is_not_who_proposed",
            ),
            models.CheckConstraint(
                condition=~Q(state="waited")
                | Q(waits_until__isnull=False, answered_at__gte=F("waits_until"))
                & Q(answered_by__isnull=False),
                name="who_is_alone_waits_to_the_end",
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", answered_at__isnull=True)
                | (~Q(state="waiting") & Q(answered_at__isnull=False)),
                name="a_proposal_is_answered_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"proposal of policy {self.policy_id}"
