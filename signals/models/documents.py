"""What clients keep in the record store beside statements: documents, files, and what activities are called."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

from consent.crypto import EncryptedJSONField, EncryptedTextField


class Document(models.Model):
    """A document of the state, activity profile or agent profile resource. Content and name are encrypted."""

    class Kind(models.IntegerChoices):
        STATE = 1, "state"
        ACTIVITY_PROFILE = 2, "activity profile"
        AGENT_PROFILE = 3, "agent profile"

    kind = models.SmallIntegerField(choices=Kind)
    activity = models.BigIntegerField(null=True, blank=True)  # keyed 64-bit hash of the activity's IRI
    agent = models.BinaryField(max_length=16, null=True, blank=True)  # keyed hash, as a statement's actor
    registration = models.UUIDField(null=True, blank=True)
    name_hash = models.BinaryField(max_length=16)
    name = EncryptedTextField()  # the stateId or profileId
    content_type = EncryptedTextField()
    content = models.BinaryField()  # encrypted
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ("pk",)
        constraints = [
            models.UniqueConstraint(
                fields=("kind", "agent", "activity", "registration", "name_hash"),
                name="a_document_is_kept_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(kind=1, activity__isnull=False, agent__isnull=False)
                | Q(kind=2, activity__isnull=False, agent__isnull=True, registration__isnull=True)
                | Q(kind=3, activity__isnull=True, agent__isnull=False, registration__isnull=True),
                name="a_document_belongs_to_what_its_resource_says",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.Kind(self.kind).label} document {self.pk}"


class Attachment(models.Model):
    """A file sent along with statements, kept once however often it is sent. The content is encrypted."""

    key = models.BinaryField(primary_key=True, max_length=16)  # keyed hash of the content's SHA-2 sum
    content_type = models.CharField(max_length=255)
    content = models.BinaryField()
    length = models.IntegerField()  # bytes, before encryption

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"attachment of {self.length} bytes"


class AttachmentUse(models.Model):
    """Which statement a file came with. A file that no statement uses any more is removed."""

    attachment = models.ForeignKey(Attachment, on_delete=models.CASCADE, related_name="uses")
    statement = models.ForeignKey(
        "signals.Statement", on_delete=models.CASCADE, related_name="attachment_uses"
    )

    class Meta:
        ordering = ("pk",)
        constraints = [
            models.UniqueConstraint(fields=("statement", "attachment"), name="a_statement_uses_a_file_once")
        ]

    def __str__(self) -> str:
        return f"use {self.pk}"


class StatementLink(models.Model):
    """A statement about another one. A filter that the other one meets finds this one too (xAPI 1.0.3, 2.1.3).

    ``keys`` are the search keys of this statement and of the one meant, and of what that one is about in turn; empty
    until it has come.
    """

    statement = models.OneToOneField(
        "signals.Statement", primary_key=True, on_delete=models.CASCADE, related_name="link"
    )
    target = models.UUIDField()
    stored = models.DateTimeField()
    keys = ArrayField(models.BigIntegerField(), null=True)

    class Meta:
        ordering = ("stored", "pk")
        indexes = [
            GinIndex(fields=("keys",), name="link_by_search_key"),  # the standard's filters
            models.Index(fields=("target",), name="link_by_target"),  # what follows from a change of keys
            # Each batch asks whether somebody waits for one of its statements; mostly nobody does.
            models.Index(fields=("target",), condition=Q(keys__isnull=True), name="link_waiting_for_target"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} is about {self.target}"


class Activity(models.Model):
    """What is known of an activity from everything that was said about it: its definition, put together."""

    key = models.BigIntegerField(primary_key=True)  # keyed 64-bit hash of its IRI
    definition = EncryptedJSONField()
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ("pk",)
        verbose_name_plural = "activities"

    def __str__(self) -> str:
        return f"activity {self.pk}"
