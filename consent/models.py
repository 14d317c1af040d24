"""May we, and did we: scopes with their texts, everybody's standing, the ledger, the audit log and its seals."""

import uuid

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

from consent.scopes import LawfulBasis, Scope


class ConsentScope(models.Model):
    """One purpose: why it is lawful and how long its data is kept."""

    key = models.CharField(max_length=16, primary_key=True)
    name = models.CharField(max_length=120)
    lawful_basis = models.CharField(max_length=24, choices=LawfulBasis)
    retention_days = models.PositiveIntegerField()
    is_blocked = models.BooleanField(
        default=False, help_text="A purpose this installation refuses, whatever is agreed."
    )

    class Meta:
        ordering = ("key",)
        constraints = [
            models.CheckConstraint(
                condition=~Q(key="appraisal") | Q(is_blocked=True), name="appraisal_stays_blocked"
            ),
            models.CheckConstraint(condition=Q(retention_days__gt=0), name="retention_is_at_least_a_day"),
        ]

    def __str__(self) -> str:
        return self.name


class ScopeText(models.Model):
    """What people read before they choose. A published text never changes: publish another version."""

    scope = models.ForeignKey(ConsentScope, on_delete=models.PROTECT, related_name="texts")
    version = models.PositiveIntegerField()
    language = models.CharField(max_length=8)
    text = models.TextField()
    published_at = models.DateTimeField()

    class Meta:
        ordering = ("scope", "-version", "language")
        constraints = [
            models.UniqueConstraint(
                fields=("scope", "version", "language"), name="one_text_per_version_and_language"
            )
        ]

    def __str__(self) -> str:
        return f"{self.scope_id} {self.version} {self.language}"


class Standing(models.Model):
    """What one person says to one scope now. Withdrawal and send-claims lock this row."""

    subject = models.UUIDField()
    scope = models.CharField(max_length=16, choices=[(scope.value, scope.value) for scope in Scope])
    allowed = models.BooleanField(null=True, blank=True)  # null: never asked, the lawful basis decides
    since = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("subject", "scope")
        constraints = [
            models.UniqueConstraint(fields=("subject", "scope"), name="one_standing_per_person_and_scope"),
            # Appraisal is not among them: nobody can be made to stand for it.
            models.CheckConstraint(
                condition=Q(scope__in=[scope.value for scope in Scope]), name="standing_scope_is_known"
            ),
            models.CheckConstraint(
                condition=Q(allowed__isnull=True) | Q(since__isnull=False), name="a_choice_has_its_moment"
            ),
        ]
        indexes = [
            models.Index(
                fields=("scope", "subject"), condition=Q(allowed=False), name="standing_refused"
            )  # the gate
        ]


class ConsentChange(models.Model):
    """A change of mind, kept for good (append-only by trigger)."""

    subject = models.UUIDField(db_index=True)
    scope = models.CharField(max_length=16)
    allowed = models.BooleanField()
    by_kind = models.CharField(max_length=16)
    by_uuid = models.UUIDField()
    text_version = models.PositiveIntegerField(null=True, blank=True)
    language = models.CharField(max_length=8)
    at = models.DateTimeField()

    class Meta:
        ordering = ("at", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(scope__in=[scope.value for scope in Scope]), name="change_scope_is_known"
            )
        ]


class AuditEntry(models.Model):
    """Somebody did something (append-only by trigger). Holds uuids only."""

    actor_kind = models.CharField(max_length=16)
    actor_uuid = models.UUIDField()
    action = models.CharField(max_length=64)
    target_kind = models.CharField(max_length=16)
    target_uuid = models.UUIDField()
    detail = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        ordering = ("pk",)
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=("target_uuid", "at"), name="audit_by_target"),
            models.Index(fields=("actor_uuid", "at"), name="audit_by_actor"),
            # Which pages showed this person: a page is one entry that lists everybody on it.
            GinIndex(fields=("detail",), opclasses=("jsonb_path_ops",), name="audit_by_detail"),
        ]


class AuditUnsealed(models.Model):
    """An entry that waits for its seal. A trigger writes it beside the entry, the sealer takes it away.

    Looking for entries without a seal would walk the whole log every minute; remembering the last number would miss
    an entry that commits later than one with a higher number.
    """

    entry = models.OneToOneField(
        AuditEntry, on_delete=models.PROTECT, primary_key=True, related_name="waiting"
    )

    class Meta:
        ordering = ("entry",)


class AuditSeal(models.Model):
    """The place of one entry in the chain: its hash covers the entry and the hash before it."""

    position = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField(AuditEntry, on_delete=models.PROTECT, related_name="seal")
    hash = models.BinaryField(max_length=32)
    sealed_at = models.DateTimeField()

    class Meta:
        ordering = ("position",)


class SubjectRequest(models.Model):
    """A person's request about their own data, and the receipt of what was done."""

    class Kind(models.TextChoices):
        ACCESS = "access", "Access"
        ERASURE = "erasure", "Erasure"
        OBJECTION = "objection", "Objection"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    subject = models.UUIDField(db_index=True)
    kind = models.CharField(max_length=16, choices=Kind)
    # Requests are answered in the transaction that receives them, so none is ever "open".
    by_kind = models.CharField(max_length=16, default="system")
    by_uuid = models.UUIDField(default=uuid.UUID(int=0))
    receipt = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        ordering = ("-at", "pk")


class KeyCheck(models.Model):
    """A value that every key of the ring must be able to read: tells a wrong ring before it does harm."""

    name = models.CharField(max_length=64, primary_key=True)  # a key's fingerprint, or "index"
    key_name = models.CharField(max_length=64, default="", blank=True)  # as FIELD_KEYS called it
    probe = models.BinaryField()

    class Meta:
        ordering = ("name",)
