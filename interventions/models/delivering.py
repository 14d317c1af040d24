"""From decision to effect: the cap ledger, what was sent or why not, answers, and what came of it."""

import uuid

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value

from consent.crypto import EncryptedTextField


def _point(name: str) -> Func:
    """A number as a range of itself, so that plain GiST compares it: no extension is needed."""
    return Func(F(name), F(name), Value("[]"), function="int8range")


class AlertSlot(models.Model):
    """One place in the cap ledger, taken for 168 hours: two per learner, one per learner for word to a manager.

    Ranges of one place never overlap, so no rolling 168 hours can hold more alerts than there are places.
    """

    class Kind(models.TextChoices):
        LEARNER = "learner", "To the learner"
        ABOUT = "about", "About the learner, to a manager"

    class State(models.TextChoices):
        RESERVED = "reserved", "Reserved"
        COMMITTED = "committed", "Used"
        RELEASED = "released", "Given back"

    kind = models.CharField(max_length=8, choices=Kind)
    learner = models.ForeignKey("learners.Learner", on_delete=models.CASCADE, related_name="alert_slots")
    holder = (
        models.BigIntegerField()
    )  # interventions.limits.holder(kind, learner): what the constraint compares
    place = models.BigIntegerField()
    during = DateTimeRangeField()
    decision = models.ForeignKey(
        "interventions.Decision", on_delete=models.CASCADE, related_name="alert_slots"
    )
    state = models.CharField(max_length=16, choices=State, default=State.RESERVED)

    class Meta:
        ordering = ("-during", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=("decision", "kind"), condition=~Q(state="released"), name="an_alert_takes_one_slot"
            ),
            models.CheckConstraint(
                condition=Q(kind="learner", place__in=(1, 2)) | Q(kind="about", place=1),
                name="places_are_two_to_a_learner_and_one_about",
            ),
            ExclusionConstraint(
                name="places_in_the_cap_ledger_never_overlap",
                expressions=[
                    (_point("holder"), RangeOperators.OVERLAPS),
                    (_point("place"), RangeOperators.OVERLAPS),
                    ("during", RangeOperators.OVERLAPS),
                ],
                condition=~Q(state="released"),
            ),
        ]


class Delivery(models.Model):
    """One message on one channel. Its state moves by conditional update only."""

    class Channel(models.TextChoices):
        EMAIL = "email", "E-mail"
        CARD = "card", "Card on the learner's page"
        SLACK = "slack", "Slack"
        TEAMS = "teams", "Microsoft Teams"
        MOODLE = "moodle", "Moodle message"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        # Looked at once more and found right; one of a few that go out one after the other. Nothing has left yet.
        CLAIMED = "claimed", "About to be sent"
        SENDING = "sending", "Being sent"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed for good"
        CANCELLED = "cancelled", "Cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    decision = models.ForeignKey(
        "interventions.Decision", on_delete=models.CASCADE, related_name="deliveries"
    )
    learner = models.ForeignKey("learners.Learner", on_delete=models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=8, choices=Channel)
    subject = EncryptedTextField()
    body = EncryptedTextField()
    # The version of the words that was filled in; null where they are those we ship.
    # Which version of the lesson was announced: a decision names the lesson, its deliveries what was shown of it.
    lesson_text = models.ForeignKey(
        "interventions.LessonText", null=True, blank=True, on_delete=models.PROTECT, related_name="deliveries"
    )
    message_text = models.ForeignKey(
        "interventions.MessageText",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="deliveries",
    )
    due_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    tries = models.PositiveSmallIntegerField(default=0)
    claimed_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    provider_answer = models.CharField(max_length=300, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    # Sent, and what follows from that (the attempt's window, the log, word to others) is still to be written.
    to_follow_up = models.BooleanField(default=False, db_default=False)

    class Meta:
        ordering = ("due_at", "pk")
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=("decision", "channel"), name="a_decision_speaks_once_per_channel"
            ),
            models.CheckConstraint(
                condition=~Q(state="sent") | Q(sent_at__isnull=False), name="what_is_sent_was_sent_at_a_time"
            ),
        ]
        indexes = [
            models.Index(fields=("due_at",), condition=Q(state="queued"), name="delivery_due"),
            # What a worker left behind that died.
            models.Index(
                fields=("claimed_at",),
                condition=Q(state__in=("claimed", "sending")),
                name="delivery_under_way",
            ),
            models.Index(fields=("sent_at",), condition=Q(to_follow_up=True), name="delivery_to_follow_up"),
        ]


class Suppression(models.Model):
    """Why an acting decision reached nobody: exactly one primary reason."""

    class Reason(models.TextChoices):
        CONSENT = "consent", "The learner said no to this"
        CAP = "cap", "Already two alerts in seven days"
        ABOUT_CAP = "about_cap", "The manager heard about this person within seven days"
        MANAGER_BUDGET = "manager_budget", "The manager already has three open requests"
        NO_MANAGER = "no_manager", "No manager is known"
        NO_CHANNEL = "no_channel", "No way to reach the learner"
        RECOVERED = "recovered", "Things were better before it went out"
        EXPIRED = "expired", "Held too long to still make sense"
        DECLINED = "declined", "A person said no"
        UNANSWERED = "unanswered", "Nobody approved it in time"
        FAILED = "failed", "The channel refused it for good"
        COURSE_ENDED = "course_ended", "The course ended"
        SUPERSEDED = "superseded", "A person chose another route"
        LEAVE = "leave", "On leave when it was due"
        BUSY_WEEK = "busy_week", "A business-critical week when it was due"
        HOLIDAY = "holiday", "A public holiday when it was due"
        OUTBID = "outbid", "The last place of the week went to something worth more"
        ASK_FIRST = "ask_first", "A person is asked first again"

    decision = models.OneToOneField(
        "interventions.Decision", primary_key=True, on_delete=models.CASCADE, related_name="suppression"
    )
    reason = models.CharField(max_length=16, choices=Reason)
    at = models.DateTimeField()
    # What took the place that this one would have needed.
    lost_to = models.ForeignKey(
        "interventions.Decision", null=True, blank=True, on_delete=models.SET_NULL, related_name="won_over"
    )

    class Meta:
        ordering = ("-at", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(lost_to__isnull=True) | Q(reason="outbid"),
                name="only_what_was_outbid_lost_to_another",
            )
        ]


class ManagerAsk(models.Model):
    """One thing a manager is asked to do, approved by a human first. At most three are open at a time."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ACCEPTED = "accepted", "I'll do it"
        SNOOZED = "snoozed", "Not now"
        WRONG = "wrong", "This is wrong"
        HANDED_ON = "handed_on", "Ask a coach"
        DONE = "done", "Done"
        WITHDRAWN = "withdrawn", "No longer needed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    decision = models.OneToOneField(
        "interventions.Decision", on_delete=models.CASCADE, related_name="manager_ask"
    )
    enrolment = models.ForeignKey("learners.Enrolment", on_delete=models.CASCADE, related_name="manager_asks")
    manager = models.ForeignKey("learners.User", on_delete=models.CASCADE, related_name="asks")
    place = models.PositiveSmallIntegerField(
        null=True, blank=True
    )  # 1 to 3 while it takes the manager's attention
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    version = models.PositiveIntegerField(default=1)
    asked_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    snoozed_until = models.DateTimeField(null=True, blank=True)
    note = EncryptedTextField(blank=True, default="")
    # Two questions, because a right flag may lead to a step that does not help, and a wrong one to a welcome word.
    flag_was_right = models.BooleanField(null=True, blank=True)
    action_helped = models.BooleanField(null=True, blank=True)

    class Meta:
        ordering = ("manager", "place", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=("manager", "place"),
                condition=Q(place__isnull=False),
                name="three_places_for_open_asks",
            ),
            models.CheckConstraint(
                condition=Q(place__isnull=True) | Q(place__in=(1, 2, 3)),
                name="an_ask_has_one_of_three_places",
            ),
            models.CheckConstraint(
                condition=~Q(state="open") | Q(place__isnull=False), name="an_open_ask_has_a_place"
            ),
        ]


class Answer(models.Model):
    """What the learner said to a message, by one tap."""

    class Kind(models.TextChoices):
        DID_IT = "did_it", "Did it"
        NEED_HELP = "need_help", "Need help"
        NOT_NOW = "not_now", "Not now"
        WRONG = "wrong", "This is wrong"

    decision = models.OneToOneField(
        "interventions.Decision", primary_key=True, on_delete=models.CASCADE, related_name="answer"
    )
    kind = models.CharField(max_length=16, choices=Kind)
    helped = models.BooleanField(null=True, blank=True)  # did the step help, whatever was answered to it
    at = models.DateTimeField()

    class Meta:
        ordering = ("-at", "pk")


class Outcome(models.Model):
    """What came of a decision, by one named measure."""

    class Arm(models.TextChoices):
        TREATED = "treated", "Treated"
        HELD_OUT = "held_out", "Held out"

    decision = models.ForeignKey("interventions.Decision", on_delete=models.CASCADE, related_name="outcomes")
    measure = models.CharField(max_length=32)
    value = models.FloatField(null=True, blank=True)  # null: censored
    at = models.DateTimeField()
    # The comparison with people held out that this decision was part of, and on which side; empty: of none.
    comparison = models.SlugField(max_length=64, blank=True, default="", db_default="")
    arm = models.CharField(max_length=8, choices=Arm, blank=True, default="", db_default="")

    class Meta:
        ordering = ("decision", "measure", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=("decision", "measure"), name="one_outcome_per_decision_and_measure"
            ),
            models.CheckConstraint(
                condition=Q(comparison="", arm="") | (~Q(comparison="") & Q(arm__in=("treated", "held_out"))),
                name="a_comparison_has_two_arms",
            ),
        ]
        indexes = [
            # What comparisons say of an action: asked at every evaluation.
            models.Index(
                fields=("measure", "comparison"), condition=~Q(comparison=""), name="outcome_compared"
            )
        ]
