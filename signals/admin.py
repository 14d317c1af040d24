"""Sources and their credentials, the table of verbs, and what waits in quarantine."""

from typing import Any
from uuid import UUID

import msgspec
from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from consent import audit
from consent.actors import Party
from signals import quarantine
from signals.models import Credential, Quarantined, UnknownVerb, Verb, VerbSynonym
from signals.sources import admin as sources_admin
from signals.xapi import credentials

__all__ = ["sources_admin"]  # registers the pages of other sources


class CredentialForm(forms.ModelForm):
    permissions = forms.MultipleChoiceField(
        choices=Credential.Permission.choices, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = Credential
        fields = ("name", "permissions", "is_active", "first_day")


@admin.register(Credential)
class CredentialAdmin(admin.ModelAdmin):
    """A new credential's secret is shown once, after saving; nobody can see it again."""

    form = CredentialForm
    list_display = ("name", "key", "permissions", "is_active", "first_day")
    list_filter = ("is_active",)
    actions = ("renew",)
    readonly_fields = ("key", "created_at")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return (
            CredentialForm.Meta.fields if obj is None else (*CredentialForm.Meta.fields, "key", "created_at")
        )

    def save_model(self, request: HttpRequest, obj: Credential, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        made = credentials.create(name=obj.name, permissions=obj.permissions, now=timezone.now())
        first_day, is_active = obj.first_day, obj.is_active
        obj.pk, obj._state.adding = made.credential.pk, False
        obj.refresh_from_db()
        obj.first_day, obj.is_active = first_day, is_active
        obj.save(update_fields=["first_day", "is_active"])
        self._show(request, made)

    @admin.action(description="Give a new key and secret (the old ones stop working)")
    def renew(self, request: HttpRequest, queryset: QuerySet[Credential]) -> None:
        for credential in queryset:
            self._show(
                request,
                credentials.create(
                    name=credential.name, permissions=credential.permissions, now=timezone.now()
                ),
            )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its statements name it; take it out of use instead

    def _show(self, request: HttpRequest, made: credentials.NewCredential) -> None:
        self.message_user(
            request,
            f"{made.credential.name}: key {made.key}, secret {made.secret}. The secret is shown only now.",
            messages.WARNING,
        )


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


class MendForm(forms.ModelForm):
    mended = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 24, "cols": 100, "spellcheck": "false"}),
        help_text="Change what is wrong and save: it is taken in, or what is still wrong is said.",
    )

    class Meta:
        model = Quarantined
        fields = ("mended",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["mended"].initial = quarantine.body_of(self.instance)

    def clean_mended(self) -> str:
        text: str = self.cleaned_data["mended"]
        try:
            msgspec.json.decode(text.encode())
        except msgspec.DecodeError as error:
            raise forms.ValidationError("This is not JSON: %(error)s", params={"error": error}) from error
        return text


@admin.register(Quarantined)
class QuarantinedAdmin(admin.ModelAdmin):
    form = MendForm
    list_display = ("id", "credential", "reason", "state", "received_at", "statement_id")
    list_filter = ("state", "reason", "credential")
    actions = ("requeue", "discard")
    readonly_fields = (
        "credential",
        "statement_id",
        "reason",
        "state",
        "received_at",
        "settled_at",
        "what_is_wrong",
    )
    fields = (*readonly_fields, "mended")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None and request.method == "GET":
            # The body is somebody's data, read in the clear.
            audit.record(
                actor=Party("user", UUID(str(request.user.pk))),
                action="quarantine.read",
                target=Party("credential", found.credential_id),
                now=timezone.now(),
                detail={"quarantined": found.pk},
            )
        return found

    @admin.display(description="What is wrong, and what to mend")
    def what_is_wrong(self, quarantined: Quarantined) -> SafeString:
        rows = ((fault["path"], fault["fault"], fault["mend"]) for fault in quarantined.faults)
        return format_html("<ul>{}</ul>", format_html_join("", "<li><code>{}</code> {}. {}</li>", rows))

    def save_model(self, request: HttpRequest, obj: Quarantined, form: Any, change: bool) -> None:
        body = form.cleaned_data["mended"].encode() if "mended" in form.changed_data else None
        self._try(request, obj, body)

    @admin.action(description="Try again to take in")
    def requeue(self, request: HttpRequest, queryset: QuerySet[Quarantined]) -> None:
        for quarantined in queryset.order_by("received_at", "pk"):
            self._try(request, quarantined, None)

    @admin.action(description="Discard")
    def discard(self, request: HttpRequest, queryset: QuerySet[Quarantined]) -> None:
        for quarantined in queryset.order_by("pk"):
            try:
                quarantine.discard(quarantined, now=timezone.now())
            except quarantine.AlreadySettled:
                self.message_user(request, f"{quarantined} was settled already.", messages.WARNING)

    def _try(self, request: HttpRequest, quarantined: Quarantined, body: bytes | None) -> None:
        try:
            answer = quarantine.requeue(quarantined, now=timezone.now(), body=body)
        except quarantine.AlreadySettled:
            self.message_user(request, f"{quarantined} was settled already.", messages.WARNING)
            return
        if answer.taken_in:
            self.message_user(request, f"{quarantined} is taken in.", messages.SUCCESS)
        for fault in answer.faults:
            # The path and the advice only: what it says may be about a person, and messages travel in cookies.
            self.message_user(
                request, f"{quarantined}: {fault.path} {fault.fault}. {fault.mend}", messages.ERROR
            )
