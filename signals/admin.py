"""Sources and their credentials, the table of verbs, and what waits in quarantine."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from signals.models import (
    Credential,
    IssuerTrust,
    ModelVersion,
    Quarantined,
    Refusal,
    UnknownVerb,
    Verb,
    VerbSynonym,
)
from signals.quality import admin as quality_admin
from signals.risk import admin as risk_admin
from signals.sources import admin as sources_admin
from signals.views.credential_admin import CredentialAdmin, IssuerTrustAdmin, RefusalAdmin
from signals.views.model_admin import ModelVersionAdmin
from signals.views.quarantine_admin import QuarantinedAdmin

# These register the pages about data quality, about models at work and of other sources.
__all__ = ["quality_admin", "risk_admin", "sources_admin"]

admin.site.register(Credential, CredentialAdmin)
admin.site.register(IssuerTrust, IssuerTrustAdmin)
admin.site.register(Quarantined, QuarantinedAdmin)
admin.site.register(Refusal, RefusalAdmin)
admin.site.register(ModelVersion, ModelVersionAdmin)


@admin.register(VerbSynonym)
class VerbSynonymAdmin(admin.ModelAdmin):
    list_display = ("iri", "verb")
    list_filter = ("verb",)
    search_fields = ("iri",)


@admin.register(UnknownVerb)
class UnknownVerbAdmin(admin.ModelAdmin):
    """Verbs that came in and count as "other" until they are added to the synonyms."""

    list_display = ("iri", "seen", "first_seen_at", "last_seen_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[UnknownVerb]:
        return UnknownVerb.objects.unmapped()

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {
            **super().get_actions(request),
            **{
                f"means_{verb.label}": (
                    _meaning(verb),
                    f"means_{verb.label}",
                    f"Means {verb.label} from now on",
                )
                for verb in Verb
                if verb != Verb.OTHER
            },
        }

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None


def _meaning(verb: Verb) -> Any:
    def add(model_admin: UnknownVerbAdmin, request: HttpRequest, queryset: QuerySet[UnknownVerb]) -> None:
        VerbSynonym.objects.bulk_create(
            [VerbSynonym(iri=unknown.iri, verb=verb) for unknown in queryset], ignore_conflicts=True
        )
        model_admin.message_user(
            request, f"From now on it means {verb.label}; manage.py rebuild does it for what came before."
        )

    return add
