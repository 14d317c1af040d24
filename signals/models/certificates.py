"""What people earned, from whatever source: certificates, licences and badges, and until when they hold."""

from django.db import models
from django.db.models import F, Q


class Certificate(models.Model):
    """One statement that somebody earned something. Rides on its event, as a result does.

    Which one counts follows from the rows alone: of one credential (``activity``) the one earned last, so that a
    renewal replaces what it renews in whatever order the two come. Where it came from, its statement says.
    """

    statement_id = models.UUIDField(primary_key=True)
    learner_id = models.UUIDField()
    enrolment_id = models.BigIntegerField(null=True, blank=True)  # null: earned outside any known course
    occurred_at = models.DateTimeField()  # when it was earned
    known_at = models.DateTimeField()
    known_seq = models.BigIntegerField()
    activity = models.BigIntegerField()  # keyed 64-bit hash of the credential's IRI
    course = models.ForeignKey(
        "learners.Course", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    competency = models.ForeignKey(
        "learners.Competency", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    expires_at = models.DateTimeField(null=True, blank=True)  # its last moment; null: it does not end
    # The source named a day: it holds until that day is over where the learner lives (``expires_at``: in UTC).
    whole_day = models.BooleanField(default=False)
    voided_seq = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ("occurred_at", "statement_id")
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gte=F("occurred_at")),
                name="a_certificate_ends_after_it_was_earned",
            ),
            models.CheckConstraint(
                condition=Q(whole_day=False) | Q(expires_at__isnull=False),
                name="only_an_end_is_a_whole_day",
            ),
        ]
        indexes = [
            # The certificates a person holds, of each credential the last first.
            models.Index(fields=("learner_id", "activity", "-occurred_at"), name="certificate_by_learner")
        ]
