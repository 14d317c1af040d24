"""Other sources than the record store's own clients: where they are, what they brought, and what was agreed."""

from django.db import models
from django.db.models import F, Q

from consent.crypto import EncryptedJSONField, EncryptedTextField
from signals.models.statements import Credential


class Feed(models.Model):
    """One place a source comes from, set up by an admin: a Moodle site, a Git forge, an issuer of badges."""

    source = models.CharField(max_length=32)  # a name in signals.sources.SOURCES
    name = models.SlugField(max_length=64, unique=True)
    base_url = models.CharField(max_length=300, blank=True, default="")
    secret = EncryptedTextField(
        blank=True, default=""
    )  # a token we show, or the secret a webhook is signed with
    settings = models.JSONField(
        blank=True, default=dict
    )  # what else the source asks for; see docs/sources.md
    watermark = models.JSONField(blank=True, default=dict, editable=False)  # up to where it has been read
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ("source", "name", "pk")

    def __str__(self) -> str:
        return self.name


class ImportRun(models.Model):
    """One file, pull or delivery, and what came of it. Unfinished means interrupted: run it again, nothing doubles."""

    source = models.CharField(max_length=32)
    feed = models.ForeignKey(Feed, null=True, blank=True, on_delete=models.SET_NULL, related_name="runs")
    file_name = EncryptedTextField(blank=True, default="")  # may well hold a name
    delivery = models.CharField(
        max_length=100, blank=True, default=""
    )  # the sender's own id of a webhook's call
    by = models.UUIDField(
        null=True, blank=True
    )  # the user who uploaded it; null: a command or the source itself
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    rows = models.IntegerField(default=0)
    new = models.IntegerField(default=0)
    same = models.IntegerField(default=0)
    changed = models.IntegerField(default=0)
    waiting = models.IntegerField(default=0)  # of the new and changed: about nobody we know yet
    refused = models.IntegerField(default=0)  # rows that say nothing we can take; the file still has them
    quarantined = models.IntegerField(default=0)
    # The first of them, for whoever looks later: [line, what is wrong, what to mend].
    problems = EncryptedJSONField(blank=True, default=list)
    # Columns the file should have had; the file was refused whole.
    missing_columns = models.JSONField(blank=True, default=list)

    class Meta:
        ordering = ("-started_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=("feed", "delivery"), condition=~Q(delivery=""), name="a_delivery_is_taken_once"
            ),
            models.CheckConstraint(
                condition=Q(finished_at__isnull=True) | Q(finished_at__gte=F("started_at")),
                name="a_run_ends_after_it_starts",
            ),
        ]
        # Freshness and volume of a contract: the runs of a source, newest first.
        indexes = [models.Index(fields=("source", "-started_at"), name="run_by_source")]

    def __str__(self) -> str:
        return f"{self.source} run {self.pk}"


class Lineage(models.Model):
    """Where a fact comes from: the run and the row that produced this statement, and what has replaced it since."""

    statement_id = models.UUIDField(primary_key=True)
    run = models.ForeignKey(ImportRun, on_delete=models.PROTECT, related_name="facts")
    line = models.IntegerField()  # of the file; of a pull or delivery, the position in its answer
    source = models.CharField(max_length=32)
    key = models.BinaryField(max_length=16)  # keyed hash of what makes it the same fact when it comes again
    digest = models.BinaryField(max_length=16)  # keyed hash of what it says
    revision = models.SmallIntegerField(default=0)
    replaced_at = models.DateTimeField(null=True, blank=True)  # its statement has been voided

    class Meta:
        ordering = ("run", "line", "pk")
        verbose_name_plural = "lineage"
        constraints = [
            models.UniqueConstraint(
                fields=("source", "key", "revision"), name="a_fact_has_one_statement_a_revision"
            ),
            models.UniqueConstraint(
                fields=("source", "key"), condition=Q(replaced_at__isnull=True), name="a_fact_holds_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} line {self.line} of run {self.run_id}"


class AwaitedEmployee(models.Model):
    """An employee number that a source used before the roster did. Gone as soon as somebody has that number."""

    employee_hash = models.BinaryField(max_length=16, unique=True)
    number = EncryptedTextField()
    since = models.DateTimeField()

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"awaited employee {self.pk}"


class DataContract(models.Model):
    """What was agreed about a source: who answers for it, what it holds, how fresh it is, how much comes.

    It is about an adapter (``source``, perhaps one ``feed`` of it) or about a credential of the record store.
    """

    name = models.CharField(max_length=120, unique=True)
    source = models.CharField(max_length=32, blank=True, default="")
    feed = models.ForeignKey(Feed, null=True, blank=True, on_delete=models.CASCADE, related_name="contracts")
    credential = models.ForeignKey(
        Credential, null=True, blank=True, on_delete=models.CASCADE, related_name="contracts"
    )
    owner = EncryptedTextField()  # who answers for it, and how to reach them
    # Columns that every file must have beside those the adapter asks for, one a line.
    columns = models.TextField(blank=True, default="")
    most_refused = models.FloatField(
        default=0.05
    )  # share of rows refused or quarantined that is still as agreed
    fresh_hours = models.PositiveIntegerField(null=True, blank=True)  # null: whenever
    period_days = models.PositiveSmallIntegerField(default=7)
    least_rows = models.PositiveIntegerField(null=True, blank=True)  # a period; null: nothing agreed
    most_rows = models.PositiveIntegerField(null=True, blank=True)
    starts_at = models.DateTimeField()  # nothing is missed before it
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ("name", "pk")
        constraints = [
            models.CheckConstraint(
                condition=(Q(source="") & Q(feed__isnull=True) & Q(credential__isnull=False))
                | (~Q(source="") & Q(credential__isnull=True)),
                name="a_contract_is_about_a_source_or_a_credential",
            ),
            models.CheckConstraint(
                condition=Q(least_rows__isnull=True)
                | Q(most_rows__isnull=True)
                | Q(least_rows__lte=F("most_rows")),
                name="a_contracts_least_is_not_above_its_most",
            ),
            models.CheckConstraint(
                condition=Q(most_refused__gte=0) & Q(most_refused__lte=1),
                name="what_may_be_refused_is_a_share",
            ),
            models.CheckConstraint(
                condition=Q(period_days__gt=0), name="a_contracts_period_is_at_least_a_day"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ContractBreachQuerySet(models.QuerySet["ContractBreach"]):
    def open(self) -> "ContractBreachQuerySet":
        """Those that still hold."""
        return self.filter(closed_at__isnull=True)


class ContractBreach(models.Model):
    """A source that is not as agreed, from when it was noticed until it is mended."""

    class Kind(models.TextChoices):
        FRESHNESS = "freshness", "Nothing new for too long"
        TOO_FEW = "too_few", "Fewer rows than agreed"
        TOO_MANY = "too_many", "More rows than agreed"
        SCHEMA = "schema", "Columns or values are not as agreed"

    contract = models.ForeignKey(DataContract, on_delete=models.CASCADE, related_name="breaches")
    kind = models.CharField(max_length=16, choices=Kind)
    sentence = models.CharField(max_length=500)  # for people; about a source, never about a person
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    alerted_at = models.DateTimeField(null=True, blank=True)  # admins were told, once

    objects = ContractBreachQuerySet.as_manager()

    class Meta:
        ordering = ("-opened_at", "-pk")
        verbose_name_plural = "contract breaches"
        constraints = [
            models.UniqueConstraint(
                fields=("contract", "kind"), condition=Q(closed_at__isnull=True), name="a_breach_is_open_once"
            ),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True) | Q(closed_at__gte=F("opened_at")),
                name="a_breach_ends_after_it_begins",
            ),
        ]

    def __str__(self) -> str:
        return self.sentence
