"""What people see and do: cases, verdicts and notes."""

import uuid

from django.db import models
from django.db.models import Q

from coaching.querysets import CaseQuerySet
from consent.crypto import EncryptedTextField


class DismissReason(models.TextChoices):
    """Why a coach says no. Each has an effect: coaching.casework.dismiss."""

    NOT_AT_RISK = "not_at_risk", "Not at risk"
    HANDLED = "handled", "Right, but already handled elsewhere"
    AWAY = "away", "On leave or role changed"
    WRONG_DATA = "wrong_data", "Wrong data or wrong person"
    NOT_WORTH_IT = "not_worth_it", "Right, but not worth acting on"
    ASKED_TO_STOP = "asked_to_stop", "The learner asked us to stop"


class Case(models.Model):
    """Something a coach must decide about one learner in one course: one open at a time."""

    class State(models.TextChoices):
        OPEN = "open", "Needs a decision"
        SNOOZED = "snoozed", "Snoozed"
        ACCEPTED = "accepted", "Being worked on"
        CLOSED = "closed", "Closed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    enrolment = models.ForeignKey("learners.Enrolment", on_delete=models.CASCADE, related_name="cases")
    episode = models.ForeignKey("interventions.Episode", on_delete=models.CASCADE, related_name="cases")
    decision = models.ForeignKey("interventions.Decision", on_delete=models.CASCADE, related_name="cases")
    is_escalation = models.BooleanField()  # else a step that waits for approval
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    version = models.PositiveIntegerField(default=1)  # every change names the version it saw
    assignee = models.ForeignKey(
        "learners.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="cases"
    )
    # Whom it was suggested to, and why; without a coach, why it waits for anybody.
    suggested_to = models.ForeignKey(
        "learners.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    suggested_because = models.CharField(max_length=200, blank=True, default="", db_default="")
    opened_at = models.DateTimeField()
    due_at = models.DateTimeField()
    snoozed_until = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = CaseQuerySet.as_manager()

    class Meta:
        ordering = ("due_at", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=("enrolment",),
                condition=~Q(state="closed"),
                name="one_open_case_per_learner_and_course",
            ),
            models.CheckConstraint(
                condition=Q(state="closed", closed_at__isnull=False)
                | (~Q(state="closed") & Q(closed_at__isnull=True)),
                name="a_case_closes_at_a_time",
            ),
            models.CheckConstraint(
                condition=~Q(state="snoozed") | Q(snoozed_until__isnull=False),
                name="a_snoozed_case_comes_back",
            ),
            models.CheckConstraint(
                condition=Q(suggested_to__isnull=True) | ~Q(suggested_because=""),
                name="a_suggested_coach_comes_with_the_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"case {self.pk}"

    def shows_name_to(self, user_id: uuid.UUID) -> bool:
        """A coach sees whom a case is about while they are working on it, and a pseudonym otherwise."""
        return self.state == self.State.ACCEPTED and self.assignee_id == user_id

    def called(self, user_id: uuid.UUID) -> str:
        """What this coach calls the learner of the case."""
        learner = self.enrolment.learner
        return (learner.name if self.shows_name_to(user_id) else "") or learner.pseudonym


class Verdict(models.Model):
    """What a person decided on a case, and what that says about the flag and about the step."""

    class Kind(models.TextChoices):
        APPROVE = "approve", "Approved"
        CHANGE = "change", "Route changed"
        DISMISS = "dismiss", "Dismissed"
        SNOOZE = "snooze", "Snoozed"
        ACCEPT = "accept", "Took it on"
        CLOSE = "close", "Closed"
        HAND_ON = "hand_on", "Handed on"
        APART = "apart", "Not this person"

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="verdicts")
    kind = models.CharField(max_length=8, choices=Kind)
    reason = models.CharField(max_length=16, choices=DismissReason, blank=True)
    route = models.CharField(max_length=16, blank=True)  # the action chosen instead
    flag_was_right = models.BooleanField(null=True, blank=True)
    action_helped = models.BooleanField(null=True, blank=True)
    by = models.UUIDField()
    at = models.DateTimeField()

    class Meta:
        ordering = ("case", "at", "pk")
        constraints = [
            models.CheckConstraint(
                condition=~Q(kind="dismiss") | ~Q(reason=""), name="a_dismissal_has_one_of_the_six_reasons"
            )
        ]


class Note(models.Model):
    """What a coach wrote on a case. Never sent to a model."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="notes")
    text = EncryptedTextField()
    by = models.UUIDField()
    at = models.DateTimeField()

    class Meta:
        ordering = ("case", "at", "pk")
