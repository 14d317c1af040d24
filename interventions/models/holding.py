"""What makes sends wait: the weeks a unit has declared business-critical, and which alerts were held for what."""

from datetime import timedelta

from django.db import models
from django.db.models import F, Q

# Nobody is left without help for longer because of one declaration; who needs more time declares it anew.
LONGEST_DAYS = 56


class HoldReason(models.TextChoices):
    """Why nothing is sent for a while. Of several at once the first here is the one that is named."""

    LEAVE = "leave", "On leave"
    BUSY_WEEK = "busy_week", "A business-critical week"
    HOLIDAY = "holiday", "A public holiday"


class BusyPeriod(models.Model):
    """Days on which a unit, and every unit below it, is not to be disturbed."""

    class Source(models.TextChoices):
        ADMIN = "admin", "An administrator"
        MANAGER = "manager", "The unit's manager"
        CALENDAR = "calendar", "A calendar file"

    unit = models.ForeignKey("learners.OrgUnit", on_delete=models.CASCADE, related_name="busy_periods")
    name = models.CharField(max_length=120, help_text="What people call it: “Quarter close”.")
    first_date = models.DateField(verbose_name="first day")
    last_date = models.DateField(verbose_name="last day")
    source = models.CharField(max_length=8, choices=Source, editable=False)
    calendar_uid = models.CharField(max_length=255, blank=True, editable=False)  # the event it came from
    declared_by = models.UUIDField(null=True, blank=True, editable=False)
    declared_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ("first_date", "unit", "pk")
        verbose_name = "business-critical week"
        verbose_name_plural = "business-critical weeks"
        constraints = [
            models.CheckConstraint(
                condition=Q(last_date__gte=F("first_date")), name="a_busy_period_ends_after_it_begins"
            ),
            models.CheckConstraint(
                condition=Q(last_date__lt=F("first_date") + timedelta(days=LONGEST_DAYS)),
                name="a_busy_period_lasts_eight_weeks_at_most",
            ),
            models.UniqueConstraint(
                fields=("unit", "calendar_uid", "first_date"),
                condition=~Q(calendar_uid=""),
                name="a_calendar_s_event_is_read_once",
            ),
        ]
        # Which periods of these units are not over yet: asked whenever somebody is decided about.
        indexes = [models.Index(fields=("unit", "last_date"), name="busy_period_by_unit")]

    def __str__(self) -> str:
        return self.name


class Hold(models.Model):
    """An alert that waits because of leave, a busy week or a holiday. At reopening its step is decided anew."""

    decision = models.OneToOneField(
        "interventions.Decision", primary_key=True, on_delete=models.CASCADE, related_name="hold"
    )
    reason = models.CharField(max_length=16, choices=HoldReason)
    name = models.CharField(max_length=120, blank=True)  # "Quarter close"; empty for leave
    since = models.DateTimeField()
    until = models.DateTimeField()
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-since", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(reason__in=("leave", "busy_week", "holiday")), name="a_hold_has_a_known_reason"
            ),
            models.CheckConstraint(condition=Q(until__gt=F("since")), name="a_hold_ends_after_it_begins"),
        ]
