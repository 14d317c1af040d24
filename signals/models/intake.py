"""Who else may talk to the record store, what was refused, and what was dated otherwise than it says."""

from django.core.validators import URLValidator
from django.db import models
from django.db.models import Q

from signals.models.statements import Credential


class IssuerTrust(models.Model):
    """Bearer tokens that this issuer gives to this client are taken for this credential."""

    credential = models.ForeignKey(Credential, on_delete=models.PROTECT, related_name="trusts")
    issuer = models.CharField(max_length=300)  # exactly as it stands in tokens
    client_id = models.CharField(max_length=200)
    audience = models.CharField(max_length=300)  # what a token must be meant for
    # Where its signing keys are; empty: where the issuer's own OpenID configuration says, on the issuer's own host.
    keys_url = models.CharField(
        max_length=300, blank=True, default="", validators=[URLValidator(["https", "http"])]
    )
    claim = models.CharField(max_length=64, default="scope")  # holds what the client was granted
    # What a granted value permits here: {"lrs:write": ["write"]}. Empty: the scopes of xAPI 1.0.3 (Communication 4.2).
    grants = models.JSONField(default=dict, blank=True)
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ("issuer", "client_id", "pk")
        verbose_name = "trusted issuer"
        verbose_name_plural = "trusted issuers"
        constraints = [
            models.UniqueConstraint(
                fields=("issuer", "client_id"), name="an_issuers_client_means_one_credential"
            ),
            models.CheckConstraint(
                condition=~Q(issuer="") & ~Q(client_id="") & ~Q(audience=""),
                name="a_trust_names_issuer_client_and_audience",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.issuer} ({self.client_id})"


class Refusal(models.Model):
    """How often one source was refused something on one day, for one kind of reason, so that nothing is lost unseen."""

    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="refusals")
    day = models.DateField()
    kind = models.CharField(max_length=32)  # a fault's kind, or request, permission, rate
    requests = models.BigIntegerField(default=0)
    statements = models.BigIntegerField(default=0)  # how many statements these requests held
    last_at = models.DateTimeField()

    class Meta:
        ordering = ("-day", "credential", "kind", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=("credential", "day", "kind"), name="refusals_are_counted_in_one_place"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.kind}"


class ClockCorrection(models.Model):
    """A stored statement whose event is not dated by its timestamp, because its sender's clock is wrong."""

    statement_id = models.UUIDField(primary_key=True)
    occurred_at = models.DateTimeField()
    clock = models.CharField(max_length=8, choices=Credential.Clock)
    offset_s = models.IntegerField(default=0)
    made_at = models.DateTimeField()

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return str(self.pk)
