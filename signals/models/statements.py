"""What learning systems sent us, as they sent it."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

from consent.crypto import EncryptedJSONField


class Credential(models.Model):
    """A key and secret with which one source system talks to the record store, and what it may do."""

    class Permission(models.TextChoices):
        WRITE = "write", "Write statements"
        READ = "read", "Read all statements"
        READ_MINE = "read/mine", "Read own statements"
        BULK = "bulk", "Send in bulk: faulty statements go to quarantine instead of refusing the batch"
        BACKFILL = "backfill", "Make statements known as of their own time"
        ALL = "all", "Everything but bulk and backfill"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=120, unique=True)
    key = models.CharField(max_length=64, unique=True)
    secret_hash = models.BinaryField(max_length=32, editable=False)
    permissions = ArrayField(models.CharField(max_length=16, choices=Permission))
    is_active = models.BooleanField(default=True)
    # A timestamp before this day is a clock gone wrong; empty: only the record store's own earliest day counts.
    first_day = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("name", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    permissions__contained_by=["write", "read", "read/mine", "bulk", "backfill", "all"]
                ),
                name="credential_permissions_are_known",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Statement(models.Model):
    """One xAPI statement, immutable. The body is compressed and encrypted; filters run on keyed hashes."""

    id = models.UUIDField(primary_key=True, editable=False)
    stored = models.DateTimeField()
    # No constraint in the database: it would lock the credential's one row once for every statement that arrives.
    credential = models.ForeignKey(
        Credential, on_delete=models.PROTECT, db_index=False, db_constraint=False, related_name="+"
    )
    verb = models.BigIntegerField()  # keyed 64-bit hash of the verb's IRI
    actor = models.BinaryField(max_length=16)  # keyed hash of the actor's canonical identifier
    # Keyed 64-bit hashes of everything the standard filters by besides time: see signals/xapi/keys.py.
    search_keys = ArrayField(models.BigIntegerField())
    digest = models.BinaryField(
        max_length=16
    )  # keyed hash of the bytes sent: the quick answer to "the same again?"
    body = models.BinaryField()
    voids = models.UUIDField(null=True, blank=True)
    voided_at = models.DateTimeField(null=True, blank=True)
    # The actor is not (yet) a known learner: no event exists; resolving the identifier makes one.
    parked = models.BooleanField(default=False)

    class Meta:
        ordering = ("-stored", "-id")
        indexes = [
            models.Index(fields=("stored", "id"), name="statement_by_stored"),  # paging
            GinIndex(fields=("search_keys",), name="statement_by_search_key"),  # the standard's filters
            # Resolving an identifier looks for what was parked under it.
            models.Index(fields=("actor",), condition=Q(parked=True), name="statement_parked_by_actor"),
            models.Index(fields=("voids",), condition=Q(voids__isnull=False), name="statement_by_voided"),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class Quarantined(models.Model):
    """A statement we could not take in, whole, with the reason and what to mend."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for somebody"
        REQUEUED = "requeued", "Taken in after a mend"
        DISCARDED = "discarded", "Discarded by a person"

    credential = models.ForeignKey(Credential, on_delete=models.PROTECT, related_name="quarantined")
    statement_id = models.UUIDField(null=True, blank=True)
    digest = models.BinaryField(max_length=16)
    body = models.BinaryField()
    faults = (
        EncryptedJSONField()
    )  # [{"path": "$.verb.id", "fault": "…", "mend": "…"}]; may quote the statement
    reason = models.CharField(max_length=32)  # the kind of the first fault: what the list is filtered by
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    received_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-received_at", "-pk")
        verbose_name_plural = "quarantined statements"
        constraints = [
            models.UniqueConstraint(fields=("credential", "digest"), name="quarantined_once"),
            models.CheckConstraint(
                condition=Q(state="waiting", settled_at__isnull=True)
                | (~Q(state="waiting") & Q(settled_at__isnull=False)),
                name="quarantine_is_settled_when_it_no_longer_waits",
            ),
        ]

    def __str__(self) -> str:
        return f"quarantined {self.pk}"
