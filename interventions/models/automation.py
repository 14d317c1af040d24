"""Routes that earned going out without a person's yes: one row for each stretch of time, kept when it is over."""

import uuid

from django.db import models
from django.db.models import F, Q

from interventions.models.deciding import Action


class AutomaticRoute(models.Model):
    """From ``earned_at`` on, steps of this route go out by themselves, until it is lost. Both ends keep their figures.

    A route is an action for one risk band and one impact of the role. What reaches managers and coaches is never one.
    """

    class Lost(models.TextChoices):
        PRECISION = "precision", "Judged right too seldom"
        CONTESTED = "contested", "Said to be wrong too often by those whom it concerned"
        NOT_FRESH = "not_fresh", "Too few fresh judgements"
        SWITCHED_OFF = "switched_off", "The policy no longer lets it"
        OTHER_FLAGS = "other_flags", "The policy reaches others than those it was earned with"
        BY_A_PERSON = "by_a_person", "An administrator wants a person to be asked again"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    action = models.CharField(max_length=16, choices=Action)
    band = models.CharField(max_length=8)
    impact = models.CharField(max_length=16)
    earned_at = models.DateTimeField()
    earned_right = models.PositiveIntegerField()
    earned_judged = models.PositiveIntegerField()
    earned_low = models.FloatField()  # the lower end of the interval
    bar = models.FloatField()  # of the policy at that time
    # The latest policy under which it stood; another that reaches others asks a person at once.
    policy = models.ForeignKey("interventions.Policy", on_delete=models.PROTECT, related_name="+")
    lost_at = models.DateTimeField(null=True, blank=True)
    lost_because = models.CharField(max_length=16, choices=Lost, blank=True)
    lost_right = models.PositiveIntegerField(null=True, blank=True)
    lost_judged = models.PositiveIntegerField(null=True, blank=True)
    lost_by = models.UUIDField(null=True, blank=True)  # the administrator who asked for it

    class Meta:
        ordering = ("-earned_at", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=("action", "band", "impact"),
                condition=Q(lost_at__isnull=True),
                name="a_route_is_automatic_once_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(action__in=("nudge", "lesson", "lesson_nudge")),
                name="only_what_goes_to_learners_is_ever_automatic",
            ),
            models.CheckConstraint(
                condition=Q(band__in=("medium", "high"), impact__in=("standard", "elevated", "critical")),
                name="an_automatic_route_is_a_cell_of_the_matrix",
            ),
            models.CheckConstraint(
                condition=Q(
                    earned_judged__gte=F("earned_right"), earned_low__gte=F("bar"), earned_judged__gt=0
                ),
                name="a_route_is_earned_above_its_bar",
            ),
            models.CheckConstraint(
                condition=Q(
                    lost_at__isnull=True,
                    lost_because="",
                    lost_right__isnull=True,
                    lost_judged__isnull=True,
                )
                | (
                    Q(
                        lost_at__gte=F("earned_at"),
                        lost_right__isnull=False,
                        lost_judged__gte=F("lost_right"),
                    )
                    & ~Q(lost_because="")
                ),
                name="a_route_is_lost_at_a_time_with_its_figures",
            ),
            models.CheckConstraint(
                condition=Q(lost_because="by_a_person", lost_by__isnull=False)
                | (~Q(lost_because="by_a_person") & Q(lost_by__isnull=True)),
                name="only_a_person_takes_a_route_back_by_hand",
            ),
        ]

    def __str__(self) -> str:
        return f"automatic route {self.pk}"
