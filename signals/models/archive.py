"""The manifest of the cold store: one row for each file, without which nobody can read it."""

from datetime import date

from django.db import models
from django.db.models import Q

from consent.crypto import FINGERPRINT


class ArchiveFile(models.Model):
    """One month of one kind of row, as an encrypted Parquet file. The row holds its key, so the row is the file."""

    class Kind(models.TextChoices):
        EVENT = "event", "Events, by the month they happened in"
        STATEMENT = "statement", "Statements as sent, by the month they were stored in"

    kind = models.CharField(max_length=16, choices=Kind)
    month = models.DateField()  # its first day (UTC)
    name = models.CharField(max_length=80, unique=True)  # below the directory of the cold store
    rows = models.BigIntegerField()
    bytes = models.BigIntegerField()
    sha256 = models.BinaryField(max_length=32)  # of the file as it lies on the disk
    first_at = models.DateTimeField(null=True, blank=True)  # of occurred_at or stored
    last_at = models.DateTimeField(null=True, blank=True)
    schema_version = models.SmallIntegerField()
    # The file's own key, encrypted with the key ring: rotating the ring writes this again and leaves the file.
    sealed_key = models.BinaryField()
    # What PostgreSQL held when the file was written: when it differs later, the file is written again.
    source_hash = models.CharField(max_length=64)
    archived_at = models.DateTimeField()
    verified_at = models.DateTimeField(null=True, blank=True)
    # From then on PostgreSQL holds only what came later, completions, and notes for bodies: the file is the truth.
    cooled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("kind", "month", "pk")
        constraints = [
            models.UniqueConstraint(fields=("kind", "month"), name="a_month_is_archived_once"),
            models.CheckConstraint(
                condition=Q(month__day=1), name="an_archived_month_is_named_by_its_first_day"
            ),
            models.CheckConstraint(
                condition=Q(cooled_at__isnull=True) | Q(verified_at__isnull=False),
                name="nothing_is_dropped_that_was_not_read_back",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def key_id(self) -> str:
        """The fingerprint of the ring's key that this file's key is encrypted with."""
        return bytes(self.sealed_key)[FINGERPRINT].hex()

    @property
    def is_cold(self) -> bool:
        return self.cooled_at is not None

    @staticmethod
    def cold_event_months(months: set[date] | None = None) -> set[date]:
        """Those of the months (else all) whose events lie in the cold store only."""
        cold = ArchiveFile.objects.filter(kind=ArchiveFile.Kind.EVENT, cooled_at__isnull=False)
        if months is not None:
            cold = cold.filter(month__in=months)
        return set(cold.order_by().values_list("month", flat=True))
