"""Where a model does not know, or may be wrong, a person looks: second looks, and models that could not be used."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID, uuid4

from django.db import models
from django.db.models import F, Q

from consent import gate
from consent.crypto import EncryptedTextField
from consent.scopes import Scope
from learners import access
from learners.models import User


class SecondLookQuerySet(models.QuerySet["SecondLook"]):
    def open(self) -> "SecondLookQuerySet":
        """Those that wait for an answer."""
        return self.filter(answered_at__isnull=True)

    def visible_to(self, user: User, *, now: datetime) -> "SecondLookQuerySet":
        """Those a coach may answer: of learners in their care (or in nobody's) who allow it; never their own."""
        return self.of(access.in_care_of(user, on=now.date()))

    def of(self, learner_ids: Collection[UUID]) -> "SecondLookQuerySet":
        """The same, where it is known already who is in the coach's care."""
        return self.filter(enrolment__learner_id__in=learner_ids).allowed()

    def allowed(self) -> "SecondLookQuerySet":
        """Those whose learner lets their activity be used and a coach look."""
        rows: SecondLookQuerySet = self
        for scope in (Scope.RECORD, Scope.PROFILE, Scope.COACH):
            willing = gate.only_allowing(
                self.model._default_manager.all(), scope, field="enrolment__learner_id"
            )
            rows = rows.filter(pk__in=willing.order_by().values("pk"))
        return rows


class SecondLook(models.Model):
    """A person is asked whether somebody needs help: the model was not sure, two models disagreed, or as a check."""

    class Kind(models.TextChoices):
        NOT_SURE = "not_sure", "Too little is known"
        DISAGREEMENT = "disagreement", "Two models disagree"
        AUDIT = "audit", "Drawn as a check"

    class Answer(models.TextChoices):
        NEEDS_HELP = "needs_help", "Needs help"
        DOES_NOT = "does_not", "Does not need help"
        CANNOT_TELL = "cannot_tell", "Cannot tell"
        NOBODY = "nobody", "Nobody looked in time"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    enrolment = models.ForeignKey("learners.Enrolment", on_delete=models.CASCADE, related_name="second_looks")
    kind = models.CharField(max_length=16, choices=Kind)
    asked_at = models.DateTimeField()
    # With what chance it was drawn from those it might have been; null where nothing was drawn.
    chance = models.FloatField(null=True, blank=True)
    answer = models.CharField(max_length=16, choices=Answer, blank=True)
    answered_by = models.UUIDField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    note = EncryptedTextField(blank=True, default="")

    objects = SecondLookQuerySet.as_manager()

    class Meta:
        ordering = ("asked_at", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=("enrolment", "kind"),
                condition=Q(answered_at__isnull=True),
                name="one_open_second_look_per_enrolment_and_kind",
            ),
            models.CheckConstraint(
                condition=Q(answer="", answered_at__isnull=True, answered_by__isnull=True)
                | Q(answer="nobody", answered_at__isnull=False, answered_by__isnull=True)
                | (
                    Q(answered_at__gte=F("asked_at"), answered_by__isnull=False)
                    & ~Q(answer__in=("", "nobody"))
                ),
                name="a_second_look_is_answered_by_somebody_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(chance__isnull=True) | (Q(chance__gt=0) & Q(chance__lte=1)),
                name="the_chance_of_a_second_look_is_a_positive_share",
            ),
        ]
        indexes = [
            # The budget of a week counts what was asked in it.
            models.Index(fields=("kind", "asked_at"), name="second_look_by_kind_and_time"),
        ]

    def __str__(self) -> str:
        return f"second look {self.pk}"

    @property
    def is_open(self) -> bool:
        return self.answered_at is None


class SecondLookBudget(models.Model):
    """How many second looks a unit's coaches are asked for in a week, where the model is not sure."""

    unit = models.OneToOneField(
        "learners.OrgUnit", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )  # null: every unit that has no number of its own
    per_week = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ("unit__code", "pk")
        constraints = [
            models.UniqueConstraint(
                F("unit_id"), nulls_distinct=False, name="one_second_look_budget_per_unit"
            ),
            models.CheckConstraint(condition=Q(per_week__lte=200), name="a_second_look_budget_is_bounded"),
        ]

    def __str__(self) -> str:
        return f"{self.unit.name if self.unit else 'Every other unit'}: {self.per_week} a week"


class ModelFault(models.Model):
    """A model version that is live and could not be used, from when it was noticed until it is over."""

    version = models.ForeignKey("signals.ModelVersion", on_delete=models.CASCADE, related_name="faults")
    says = models.TextField()  # why, for people
    noticed_at = models.DateTimeField()
    scored_with = models.CharField(max_length=64)  # the name of the version that scores in its place
    over_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-noticed_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=("version",), condition=Q(over_at__isnull=True), name="one_open_fault_per_model"
            ),
            models.CheckConstraint(
                condition=Q(over_at__isnull=True) | Q(over_at__gte=F("noticed_at")),
                name="a_fault_is_over_after_it_was_noticed",
            ),
        ]

    def __str__(self) -> str:
        return f"fault {self.pk}"
