"""From signal to decision: what is watched, the episode it belongs to, and what was decided and why."""

import uuid

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q

from consent.crypto import EncryptedTextField


class Action(models.TextChoices):
    MONITOR = "monitor", "Keep watching"
    NUDGE = "nudge", "Nudge"
    LESSON = "lesson", "Micro-lesson"
    LESSON_NUDGE = "lesson_nudge", "Micro-lesson and nudge"
    MANAGER = "manager", "A word from the manager"
    COACH = "coach", "Coach"


LEARNER_DIRECTED = (Action.NUDGE, Action.LESSON, Action.LESSON_NUDGE)
HUMAN_DIRECTED = (Action.MANAGER, Action.COACH)


class Watch(models.Model):
    """When an enrolment must next be looked at because of time alone: a threshold, a window's end, a free slot."""

    enrolment = models.OneToOneField(
        "learners.Enrolment", primary_key=True, on_delete=models.CASCADE, related_name="watch"
    )
    review_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("pk",)
        verbose_name_plural = "watches"
        indexes = [
            models.Index(fields=("review_at",), condition=Q(review_at__isnull=False), name="watch_due")
        ]


class Episode(models.Model):
    """A stretch of difficulty of one learner in one course, from the trigger to its end."""

    class Ladder(models.TextChoices):
        FAST = "fast", "Fast"
        NORMAL = "normal", "Normal"

    class End(models.TextChoices):
        RECOVERED = "recovered", "Recovered"
        SETTLED = "settled", "Settled by a person"
        COURSE_ENDED = "course_ended", "The course ended"
        CONSENT = "consent", "The learner said no"
        EXPIRED = "expired", "Nothing changed in 30 days"
        RULE_DONE = "rule_done", "The rule's step is over"
        NOT_NEEDED = "not_needed", "A person says that help was not needed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    enrolment = models.ForeignKey("learners.Enrolment", on_delete=models.CASCADE, related_name="episodes")
    triggers = models.JSONField()  # the keys that held when it opened
    # Set where a rule opened it and no trigger: one step, which no person follows up (docs/adr/0013).
    rule = models.ForeignKey(
        "interventions.Rule", null=True, blank=True, on_delete=models.PROTECT, related_name="episodes"
    )
    ladder = models.CharField(max_length=8, choices=Ladder)
    opened_at = models.DateTimeField()
    signal_at = models.DateTimeField()  # when the condition became true: what the 48 hours count from
    failed_attempts = models.PositiveSmallIntegerField(default=0)
    step = models.PositiveSmallIntegerField(default=0)  # of the next acting decision
    closed_at = models.DateTimeField(null=True, blank=True)
    end = models.CharField(max_length=16, choices=End, blank=True)

    class Meta:
        ordering = ("-opened_at", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=("enrolment",),
                condition=Q(closed_at__isnull=True),
                name="one_open_episode_per_enrolment",
            ),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True, end="") | (Q(closed_at__isnull=False) & ~Q(end="")),
                name="an_episode_closes_for_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"episode {self.pk}"


class Decision(models.Model):
    """One evaluation: what was eligible, what was chosen and why. "Do nothing" is a choice."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    enrolment = models.ForeignKey("learners.Enrolment", on_delete=models.CASCADE, related_name="decisions")
    episode = models.ForeignKey(
        Episode, null=True, blank=True, on_delete=models.CASCADE, related_name="decisions", db_index=False
    )
    step = models.PositiveSmallIntegerField(null=True, blank=True)
    policy = models.ForeignKey("interventions.Policy", on_delete=models.PROTECT, related_name="+")
    action = models.CharField(max_length=16, choices=Action)
    lesson = models.ForeignKey(
        "interventions.Lesson", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    # The version of a rule that chose the step or what it says.
    rule = models.ForeignKey(
        "interventions.Rule", null=True, blank=True, on_delete=models.PROTECT, related_name="decisions"
    )
    eligible = models.JSONField(default=list)
    propensity = models.FloatField(default=1.0)
    expected_value = models.FloatField(null=True, blank=True)
    reasons = models.JSONField(default=list)
    snapshot = models.JSONField(null=True)  # null only after erasure
    known_seq = models.BigIntegerField()
    at = models.DateTimeField()
    # Acting, but reached nobody in the end: suppressed, expired or turned down. The step may be decided anew.
    lapsed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=("episode", "step"),
                condition=~Q(action="monitor") & Q(lapsed_at__isnull=True),
                name="one_acting_decision_per_step",
            ),
            models.CheckConstraint(
                condition=Q(action="monitor") | (Q(episode__isnull=False) & Q(step__isnull=False)),
                name="an_acting_decision_has_an_episode",
            ),
            models.CheckConstraint(
                condition=Q(propensity__gt=0) & Q(propensity__lte=1),
                name="decision_propensity_is_a_positive_share",
            ),
        ]
        indexes = [
            models.Index(fields=("enrolment", "-at"), name="decision_by_enrolment"),  # the timeline
            models.Index(fields=("episode",), condition=Q(episode__isnull=False), name="decision_by_episode"),
            # Rows come in the order of time, so a few pages tell a backtest where its span lies.
            BrinIndex(fields=("at",), autosummarize=True, name="decision_by_time"),
        ]

    def __str__(self) -> str:
        return f"decision {self.pk}"


class Approval(models.Model):
    """An automated step that waits for a human yes, or had one."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        APPROVED = "approved", "Approved"
        CHANGED = "changed", "Approved with another route"
        DECLINED = "declined", "Declined"
        LAPSED = "lapsed", "No longer needed"

    decision = models.OneToOneField(
        Decision, primary_key=True, on_delete=models.CASCADE, related_name="approval"
    )
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    asked_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    answered_by = models.UUIDField(null=True, blank=True)
    collected_at = models.DateTimeField(null=True, blank=True)  # coaching has opened a case for it

    class Meta:
        ordering = ("asked_at", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(state="waiting", answered_at__isnull=True)
                | (~Q(state="waiting") & Q(answered_at__isnull=False)),
                name="an_approval_is_answered_at_a_time",
            )
        ]
        indexes = [
            models.Index(
                fields=("asked_at",),
                condition=Q(collected_at__isnull=True, state="waiting"),
                name="approval_no_case",
            )
        ]


class Attempt(models.Model):
    """An automated step that reached the learner, and whether things were better when its window closed."""

    class Verdict(models.TextChoices):
        PENDING = "pending", "Window still open"
        IMPROVED = "improved", "Improved"
        NO_IMPROVEMENT = "no_improvement", "No improvement"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    decision = models.OneToOneField(Decision, on_delete=models.CASCADE, related_name="attempt")
    episode = models.ForeignKey(Episode, on_delete=models.CASCADE, related_name="attempts")
    reached_at = models.DateTimeField()
    window_ends_at = models.DateTimeField()
    verdict = models.CharField(max_length=16, choices=Verdict, default=Verdict.PENDING)
    judged_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("episode", "reached_at", "pk")
        constraints = [
            # What an escalation's proof points at, by composite foreign key (migration 0002).
            models.UniqueConstraint(fields=("id", "episode", "verdict"), name="an_attempt_with_its_verdict"),
            models.CheckConstraint(
                condition=Q(verdict="pending", judged_at__isnull=True)
                | (~Q(verdict="pending") & Q(judged_at__isnull=False)),
                name="an_attempt_is_judged_at_a_time",
            ),
            models.CheckConstraint(
                condition=~Q(verdict="no_improvement") | Q(judged_at__gte=F("window_ends_at")),
                name="an_attempt_has_its_whole_window_before_it_fails",
            ),
        ]


class Escalation(models.Model):
    """A human takes over, with proof that an automated attempt failed or a named exemption."""

    class Exemption(models.TextChoices):
        CRITICAL_ROLE = "critical_role", "Critical role"
        LEARNER_ASKED = "learner_asked", "The learner asked"
        CONTEST = "contest", "The learner contests"
        MANAGER_ASKED = "manager_asked", "The manager asked for a look"
        UNREACHABLE = "unreachable", "Cannot be reached automatically"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    decision = models.OneToOneField(Decision, on_delete=models.CASCADE, related_name="escalation")
    episode = models.ForeignKey(Episode, on_delete=models.CASCADE, related_name="escalations")
    # Together with the episode a foreign key to (id, episode, verdict) of the attempt: migration 0002.
    attempt = models.ForeignKey(
        Attempt, null=True, blank=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    attempt_verdict = models.CharField(max_length=16, null=True, blank=True)  # noqa: DJ001  (a null key column)
    exemption = models.CharField(max_length=16, choices=Exemption, blank=True)
    at = models.DateTimeField()
    collected_at = models.DateTimeField(null=True, blank=True)  # coaching has opened a case for it

    class Meta:
        ordering = ("at", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(attempt__isnull=False, attempt_verdict="no_improvement", exemption="")
                | Q(
                    attempt__isnull=True,
                    attempt_verdict__isnull=True,
                    exemption__in=(
                        "critical_role",
                        "learner_asked",
                        "contest",
                        "manager_asked",
                        "unreachable",
                    ),
                ),
                name="an_escalation_proves_a_failed_attempt_or_names_an_exemption",
            )
        ]
        indexes = [
            models.Index(fields=("at",), condition=Q(collected_at__isnull=True), name="escalation_no_case")
        ]


class HelpRequest(models.Model):
    """The learner asks for a person, or says that we are wrong; or the manager asks somebody to look.

    Each brings a human without further attempts.
    """

    class Kind(models.TextChoices):
        HELP = "help", "Needs help"
        CONTEST = "contest", "Says this is wrong"
        MANAGER = "manager", "The manager asks for a look"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    enrolment = models.ForeignKey(
        "learners.Enrolment", on_delete=models.CASCADE, related_name="help_requests"
    )
    decision = models.ForeignKey(Decision, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind)
    text = EncryptedTextField(blank=True, default="")
    asked_by = models.ForeignKey(  # the manager; null where the learner asked
        "learners.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_at = models.DateTimeField()
    escalated_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("asked_at", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=("enrolment", "kind"),
                condition=Q(answered_at__isnull=True),
                name="one_open_request_of_a_kind",
            )
        ]
