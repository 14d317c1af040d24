"""Who may talk to the record store: credentials, the issuers trusted for them, and what they were refused."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Count, OuterRef, QuerySet, Subquery, Sum
from django.http import HttpRequest
from django.utils import timezone

from consent import audit
from consent.actors import Party
from consent.read_only import ReadOnly
from signals.models import Credential, IssuerTrust, Quarantined, Refusal
from signals.views.forms import CredentialForm, TrustForm
from signals.xapi import credentials

KINDS = {
    "malformed": "not JSON",
    "missing": "something is missing",
    "unknown": "a property the standard does not know",
    "type": "a value of the wrong type",
    "value": "a value the standard forbids",
    "timestamp": "a clock that is wrong",
    "conflict": "an id already used",
    "unit": "somebody outside the source's unit",
    "request": "the request itself",
    "permission": "no permission",
    "rate": "too many requests (minutes in which that happened)",
    "full": "its quarantine is full",
}


def acting(request: HttpRequest) -> Party:
    """The user, as an actor of the audit log."""
    return Party("user", UUID(str(request.user.pk)))


class RefusalInline(admin.TabularInline):
    """What it was refused in the last 30 days."""

    model = Refusal
    extra = 0
    max_num = 0
    can_delete = False
    fields = readonly_fields = ("day", "what", "requests", "statements", "last_at")
    verbose_name_plural = "refused in the last 30 days"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Refusal]:
        since = timezone.now().date() - timedelta(days=30)
        return super().get_queryset(request).filter(day__gt=since)

    @admin.display(description="what was wrong")
    def what(self, refusal: Refusal) -> str:
        return KINDS.get(refusal.kind, refusal.kind)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class CredentialAdmin(admin.ModelAdmin):
    """A new credential's secret is shown once, after saving; nobody can see it again."""

    form = CredentialForm
    list_display = (
        "name",
        "source_name",
        "permissions",
        "unit",
        "is_active",
        "last_used_at",
        "refused",
        "waiting",
    )
    list_filter = ("is_active", "source")
    list_select_related = ("unit",)
    actions = ("renew", "revoke")
    inlines = (RefusalInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Credential]:
        since = timezone.now().date() - timedelta(days=7)
        refused = Refusal.objects.filter(credential=OuterRef("pk"), day__gt=since).order_by()
        waiting = Quarantined.objects.filter(credential=OuterRef("pk"), state="waiting").order_by()
        return (
            super()
            .get_queryset(request)
            .annotate(
                refused_lately=Subquery(
                    refused.values("credential").annotate(sum=Sum("requests")).values("sum")
                ),
                in_quarantine=Subquery(waiting.values("credential").annotate(n=Count("pk")).values("n")),
            )
            .order_by("name")
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else ("authority", "key", "created_at", "last_used_at")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        own = CredentialForm.Meta.fields
        return own if obj is None else (*own, "key", "created_at", "last_used_at")

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj is not None else ()

    def save_model(self, request: HttpRequest, obj: Credential, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            audit.record(
                actor=acting(request),
                action="credential.changed",
                target=Party("credential", obj.pk),
                now=timezone.now(),
                detail={"fields": form.changed_data, "permissions": obj.permissions},
            )
            credentials.forget()
            return
        kept = {
            name: getattr(obj, name)
            for name in (*CredentialForm.Meta.fields, "authority_hash")
            if name not in ("name", "permissions")
        }
        if kept.pop("authority") is not None:
            kept["authority"] = obj.authority
        made = credentials.create(
            name=obj.name, permissions=obj.permissions, now=timezone.now(), by=acting(request), **kept
        )
        obj.pk, obj._state.adding = made.credential.pk, False
        obj.refresh_from_db()
        self._show(request, made)

    @admin.action(description="Give a new key and secret (the old ones stop working)")
    def renew(self, request: HttpRequest, queryset: QuerySet[Credential]) -> None:
        for credential in queryset:
            self._show(
                request,
                credentials.create(
                    name=credential.name,
                    permissions=credential.permissions,
                    now=timezone.now(),
                    by=acting(request),
                ),
            )

    @admin.action(description="Revoke: take out of use")
    def revoke(self, request: HttpRequest, queryset: QuerySet[Credential]) -> None:
        for credential in queryset:
            credentials.revoke(key=credential.key, now=timezone.now(), by=acting(request))
            self.message_user(request, f"{credential.name} is out of use within five seconds.")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its statements name it; take it out of use instead

    @admin.display(description="source", ordering="source")
    def source_name(self, credential: Credential) -> str:
        return credential.source_name

    @admin.display(description="refused in 7 days", ordering="refused_lately")
    def refused(self, credential: Credential) -> int:
        return int(credential.refused_lately or 0)  # type: ignore[attr-defined]  # annotated above

    @admin.display(description="in quarantine", ordering="in_quarantine")
    def waiting(self, credential: Credential) -> int:
        return int(credential.in_quarantine or 0)  # type: ignore[attr-defined]  # annotated above

    def _show(self, request: HttpRequest, made: credentials.NewCredential) -> None:
        self.message_user(
            request,
            f"{made.credential.name}: key {made.key}, secret {made.secret}. The secret is shown only now.",
            messages.WARNING,
        )


class IssuerTrustAdmin(admin.ModelAdmin):
    form = TrustForm
    list_display = ("issuer", "client_id", "audience", "credential", "is_active")
    list_filter = ("is_active", "credential")

    def save_model(self, request: HttpRequest, obj: IssuerTrust, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        audit.record(
            actor=acting(request),
            action="issuer.trusted" if obj.is_active else "issuer.no_longer_trusted",
            target=Party("credential", obj.credential_id),
            now=timezone.now(),
            detail={"trust": obj.pk, "fields": form.changed_data},
        )
        credentials.forget()


class RefusalAdmin(ReadOnly, admin.ModelAdmin):
    """What was refused, day by day: nothing is dropped without a trace."""

    list_display = ("day", "credential", "what", "requests", "statements", "last_at")
    list_filter = ("kind", "credential")
    list_select_related = ("credential",)
    list_display_links = None
    date_hierarchy = "day"

    @admin.display(description="what was wrong", ordering="kind")
    def what(self, refusal: Refusal) -> str:
        return KINDS.get(refusal.kind, refusal.kind)
