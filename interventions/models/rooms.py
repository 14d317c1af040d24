"""Rooms of coaches that are told once a working morning that something waits."""

from datetime import time

from django.db import models
from django.db.models import Q

from consent.crypto import EncryptedTextField


class CoachRoom(models.Model):
    """A room in Slack or Teams, by its incoming webhook. It hears how many cases wait, and of nobody."""

    class Kind(models.TextChoices):
        SLACK = "slack", "Slack (an incoming webhook)"
        TEAMS = "teams", "Microsoft Teams (a workflow's webhook)"

    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=8, choices=Kind)
    address = EncryptedTextField()
    at = models.TimeField("from", default=time(8, 30))  # the organisation's clock
    is_active = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    last_told_on = models.DateField(null=True, blank=True, editable=False)
    last_error = models.CharField(max_length=300, blank=True, editable=False)

    class Meta:
        ordering = ("name", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(at__gte=time(6), at__lte=time(11)), name="a_room_is_told_in_the_morning"
            )
        ]

    def __str__(self) -> str:
        return self.name
