"""Where messages go and where they come back from: addresses that refuse, chat systems, other systems, API tokens."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from consent.crypto import EncryptedJSONField, EncryptedTextField


class UnreachableAddress(models.Model):
    """An e-mail address that refused for good. Kept by its hash: another address of the same person is unharmed."""

    class Kind(models.TextChoices):
        BOUNCED = "bounced", "There is no such mailbox"
        COMPLAINED = "complained", "The recipient called it spam"

    hash = models.BinaryField(
        max_length=16, unique=True
    )  # learners.identity.identifier_hash, as Identifier.hash
    kind = models.CharField(max_length=16, choices=Kind)
    detail = models.CharField(max_length=200, blank=True)  # codes of the mail server or provider; no address
    at = models.DateTimeField()

    class Meta:
        ordering = ("-at", "pk")
        verbose_name_plural = "unreachable addresses"


class ChatConnection(models.Model):
    """How this installation speaks to people in one chat system, or in the LMS by its own messages.

    Each message goes to one person, never to a room.
    """

    class Kind(models.TextChoices):
        SLACK = "slack", "Slack (an app with a bot token)"
        TEAMS = "teams", "Microsoft Teams (a workflow's webhook)"
        MOODLE = "moodle", "Moodle (its own messages, by web services)"

    class KnownBy(models.TextChoices):
        EMAIL = "email", "E-mail address"
        ID = "id", "Moodle's number, from the learner's identifiers"
        USERNAME = "username", "User name, from the learner's identifiers"
        IDNUMBER = "idnumber", "Employee number (Moodle's ID number)"

    kind = models.CharField(max_length=8, choices=Kind)
    address = EncryptedTextField(blank=True, default="")
    token = EncryptedTextField(blank=True, default="")
    # How Moodle knows our learners; Slack and Teams know them by their address.
    known_by = models.CharField(max_length=8, choices=KnownBy, default=KnownBy.EMAIL)
    # Off: messages do not go there; a Moodle that only enrols.
    writes = models.BooleanField("sends messages", default=True, db_default=True)
    # Moodle: puts a learner into the course where a suggested lesson lives, in this role.
    enrols = models.BooleanField("enrols learners", default=False)
    enrol_role = models.PositiveIntegerField("role of the enrolled", default=5)  # Moodle's own student
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    # What last kept messages from going out; emptied by the next that does.
    last_error = models.CharField(max_length=300, blank=True, editable=False)
    last_error_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("kind", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=("kind",), condition=Q(is_active=True), name="one_active_chat_connection_of_a_kind"
            ),
            models.CheckConstraint(
                condition=Q(enrols=False, known_by="email", writes=True) | Q(kind="moodle"),
                name="only_moodle_has_moodles_settings",
            ),
            models.CheckConstraint(
                condition=Q(last_error="") | Q(last_error_at__isnull=False), name="a_chats_fault_has_a_time"
            ),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()


class WebhookEndpoint(models.Model):
    """Another system that is told what happens: in signed requests (Standard Webhooks), or in xAPI statements."""

    class Form(models.TextChoices):
        WEBHOOK = "webhook", "Signed webhooks"
        XAPI = "xapi", "xAPI statements to a record store"

    class Event(models.TextChoices):
        SENT = "suggestion.sent", "A suggestion reached a learner"
        ANSWERED = "suggestion.answered", "A learner answered a suggestion"
        UNREACHABLE = "address.unreachable", "A learner's e-mail address refuses for good"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80, unique=True)
    form = models.CharField(max_length=8, choices=Form, default=Form.WEBHOOK)
    address = EncryptedTextField()  # may carry a secret in its path
    secret = EncryptedTextField()  # whsec_ and base64 of 32 random bytes; of a record store its password
    key = EncryptedTextField(blank=True, default="")  # who we are at a record store
    # The system whose account names name people there; empty: people are named by their e-mail address.
    home_page = models.CharField(max_length=300, blank=True, default="")
    events = ArrayField(models.CharField(max_length=32, choices=Event), default=list)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("name", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(form="webhook") | ~Q(events__contains=["address.unreachable"]),
                name="statements_tell_of_suggestions_only",
            )
        ]

    def __str__(self) -> str:
        return self.name


class WebhookMessage(models.Model):
    """One event told to one endpoint. Its id is the idempotency key that the receiver sees (webhook-id)."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        SENDING = "sending", "Being sent"
        SENT = "sent", "Sent"
        FAILED = "failed", "Given up"
        CANCELLED = "cancelled", "Cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="messages")
    event = models.CharField(max_length=32)
    subject = models.UUIDField(null=True, blank=True)  # the learner it speaks of; null: a test
    body = EncryptedJSONField()
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    answer = models.CharField(max_length=300, blank=True)  # status and the beginning of what came back

    class Meta:
        ordering = ("-created_at", "pk")
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="sent") | Q(sent_at__isnull=False),
                name="a_webhook_sent_was_sent_at_a_time",
            )
        ]
        indexes = [
            models.Index(fields=("due_at",), condition=Q(state="queued"), name="webhook_due"),
            models.Index(fields=("claimed_at",), condition=Q(state="sending"), name="webhook_in_doubt"),
            models.Index(fields=("subject",), name="webhook_by_subject"),  # withdrawal, erasure, export
        ]


class ApiToken(models.Model):
    """What a system shows to use the API. The token itself is kept nowhere, only its hash."""

    class Scope(models.TextChoices):
        LEARNERS_FIND = "learners:find", "Find a learner by an identifier"
        RISK_READ = "risk:read", "Read a learner's band and the reasons, in words"
        SUGGESTIONS_READ = "suggestions:read", "Read a learner's suggestions"
        ANSWERS_WRITE = "answers:write", "Answer a suggestion in a learner's name"
        EPISODES_READ = "episodes:read", "Read episodes and what was tried"
        POLICY_READ = "policy:read", "Read the policy in force"
        CARD = "card", "Give a learner's browser a pass for the embedded card"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80, unique=True)
    token_hash = models.BinaryField(max_length=16, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=32, choices=Scope), default=list)
    per_minute = models.PositiveIntegerField(default=600)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("name", "pk")
        verbose_name = "API token"
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at__gt=models.F("created_at")),
                name="an_api_token_expires_after_it_is_made",
            )
        ]

    def __str__(self) -> str:
        return self.name
