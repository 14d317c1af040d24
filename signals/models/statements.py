"""What learning systems sent us, as they sent it."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

from consent.crypto import EncryptedJSONField, EncryptedTextField


class Credential(models.Model):
    """A key and secret with which one source system talks to the record store, and what it may do."""

    class Permission(models.TextChoices):
        WRITE = "write", "Write statements"
        READ = "read", "Read all statements"
        READ_MINE = "read/mine", "Read own statements"
        STATE = "state", "Read and write activities' state about learners"
        DEFINE = "define", "Define activities by what its statements say of them"
        PROFILE = "profile", "Read and write profiles of activities and agents"
        BULK = "bulk", "Send in bulk: faulty statements go to quarantine instead of refusing the batch"
        BACKFILL = "backfill", "Make statements known as of their own time"
        ALL = "all", "Everything but bulk and backfill"

    class Clock(models.TextChoices):
        SENT = "sent", "As sent"
        SHIFT = "shift", "Shifted by a fixed number of seconds"
        ARRIVAL = "arrival", "When it reached us"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=120, unique=True)
    key = models.CharField(max_length=64, unique=True)
    secret_hash = models.BinaryField(max_length=32, editable=False)
    permissions = ArrayField(models.CharField(max_length=16, choices=Permission))
    # The system the statements come from; several credentials may belong to one. Empty: the credential's name.
    source = models.CharField(max_length=120, blank=True, default="")
    # The xAPI agent who vouches for its statements (Data 2.4.9); null: an account of ours named by the credential's
    # id. Never changed once set, as it is part of statements already handed out.
    authority = EncryptedJSONField(null=True, blank=True)
    authority_hash = models.BinaryField(max_length=16, null=True, blank=True, editable=False)
    # Only people of this unit and those below are its business; null: everybody.
    unit = models.ForeignKey(
        "learners.OrgUnit", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)  # null: LRS_REQUESTS_PER_MINUTE
    # Which moment its events are dated by. The statements themselves keep the timestamp they came with.
    clock = models.CharField(max_length=8, choices=Clock, default=Clock.SENT)
    clock_offset_s = models.IntegerField(default=0)
    is_active = models.BooleanField(default=True)
    # A timestamp before this day is a clock gone wrong; empty: only the record store's own earliest day counts.
    first_day = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)  # to the minute

    class Meta:
        ordering = ("name", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    permissions__contained_by=[
                        "write",
                        "read",
                        "read/mine",
                        "state",
                        "define",
                        "profile",
                        "bulk",
                        "backfill",
                        "all",
                    ]
                ),
                name="credential_permissions_are_known",
            ),
            models.CheckConstraint(
                condition=Q(authority__isnull=True, authority_hash__isnull=True)
                | Q(authority__isnull=False, authority_hash__isnull=False),
                name="an_authority_can_be_looked_up",
            ),
            models.CheckConstraint(
                condition=Q(clock="shift") & ~Q(clock_offset_s=0)
                | Q(clock__in=("sent", "arrival"), clock_offset_s=0),
                name="a_clock_is_shifted_by_something",
            ),
            models.CheckConstraint(
                condition=Q(requests_per_minute__isnull=True) | Q(requests_per_minute__gt=0),
                name="a_rate_limit_lets_something_through",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def source_name(self) -> str:
        """The system it belongs to."""
        return self.source or self.name

    def held(self) -> set[str]:
        """Every permission it has: "all" stands for everything that is not granted by name only."""
        held = set(self.permissions)
        return held | set(self.EVERYTHING) if self.Permission.ALL in held else held

    def permits(self, permission: str) -> bool:
        """Whether it has this permission."""
        return permission in self.held()

    EVERYTHING = ("write", "read", "read/mine", "state", "define", "profile")


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
            # Paging: those of one moment are put in order of id as they are read.
            models.Index(fields=("stored",), name="statement_by_moment"),
            GinIndex(fields=("search_keys",), name="statement_by_search_key"),  # the standard's filters
            # Resolving an identifier looks for what was parked under it.
            models.Index(fields=("actor",), condition=Q(parked=True), name="statement_parked_by_actor"),
            models.Index(fields=("voids",), condition=Q(voids__isnull=False), name="statement_by_voided"),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class ParkedOutside(models.Model):
    """A parked statement whose actor's identifier named nobody on its day. Looked at again when the identifier changes.

    Without this, resolving would claim the same statements for ever, since only their encrypted text has their time.
    """

    statement = models.OneToOneField(
        Statement, primary_key=True, on_delete=models.CASCADE, related_name="outside"
    )
    seen = models.CharField(max_length=32)  # digest of the identifier's rows when it was looked at

    class Meta:
        ordering = ("pk",)


class Quarantined(models.Model):
    """A statement we could not take in, whole, with the reason and what to mend."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for somebody"
        REQUEUED = "requeued", "Taken in after a mend"
        DISCARDED = "discarded", "Discarded by a person"

    credential = models.ForeignKey(Credential, on_delete=models.PROTECT, related_name="quarantined")
    statement_id = models.UUIDField(null=True, blank=True)
    digest = models.BinaryField(max_length=16)
    body = models.BinaryField()  # as it came, for ever
    mended = models.BinaryField(null=True, blank=True)  # as a person corrected it
    faults = (
        EncryptedJSONField()
    )  # [{"path": "$.verb.id", "fault": "…", "mend": "…"}]; may quote the statement
    reason = models.CharField(max_length=32)  # the kind of the first fault: what the list is filtered by
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    received_at = models.DateTimeField()
    tried_at = models.DateTimeField(null=True, blank=True)  # when somebody last tried in vain to take it in
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.UUIDField(null=True, blank=True)  # the user
    note = EncryptedTextField(null=True, blank=True)  # why it was discarded

    class Meta:
        ordering = ("-received_at", "-pk")
        verbose_name = "quarantined statement"
        verbose_name_plural = "quarantined statements"
        constraints = [
            models.UniqueConstraint(fields=("credential", "digest"), name="quarantined_once"),
            models.CheckConstraint(
                condition=Q(state="waiting", settled_at__isnull=True)
                | (~Q(state="waiting") & Q(settled_at__isnull=False)),
                name="quarantine_is_settled_when_it_no_longer_waits",
            ),
            models.CheckConstraint(
                condition=~Q(state="discarded") | Q(note__isnull=False),
                name="what_is_discarded_is_discarded_for_a_reason",
            ),
        ]
        indexes = [
            # A rebuild asks what is held back of the statements it reads.
            models.Index(
                fields=("statement_id",),
                condition=Q(statement_id__isnull=False),
                name="quarantined_by_statement",
            ),
            # The review page's list, and how many of one source wait.
            models.Index(
                fields=("credential", "received_at"), condition=Q(state="waiting"), name="quarantined_waiting"
            ),
            # The tally counts what came since it last looked.
            models.Index(fields=("received_at",), name="quarantined_by_arrival"),
        ]

    def __str__(self) -> str:
        return f"quarantined {self.pk}"
