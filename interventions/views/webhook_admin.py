"""Other systems that are told what happens: endpoints, a test, the last answers, and what was given up."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from consent import audit
from consent.actors import Party
from consent.read_only import ReadOnly
from interventions import outgoing, webhooks
from interventions.models import WebhookEndpoint, WebhookMessage
from learners.access import asked_by

_LAST = 20


class WebhookEndpointForm(forms.ModelForm):
    """Name, address and events. The address may hold a secret, so it is not shown again."""

    address = forms.CharField(
        required=False,
        max_length=2000,
        widget=forms.PasswordInput(attrs={"size": 80, "autocomplete": "off"}),
        help_text="https://… Leave empty to keep what is stored.",
    )
    events = forms.MultipleChoiceField(
        choices=WebhookEndpoint.Event.choices, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = WebhookEndpoint
        fields = ("name", "address", "events", "is_active")

    def clean_address(self) -> str:
        address = str(self.cleaned_data["address"] or self.instance.address)
        fault = "an address is needed" if not address else outgoing.faults_of(address)
        if fault:
            raise forms.ValidationError(f"Nothing would be sent there: {fault}.")
        return address


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(admin.ModelAdmin):
    """A new endpoint's secret is shown once, after saving."""

    form = WebhookEndpointForm
    list_display = ("name", "events", "is_active", "created_at")
    list_filter = ("is_active",)
    actions = ("send_test", "renew")
    readonly_fields = ("last_answers",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        own = WebhookEndpointForm.Meta.fields
        return own if obj is None else (*own, "last_answers")

    def save_model(self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool) -> None:
        now = timezone.now()
        if not change:
            obj.created_at, obj.secret = now, webhooks.new_secret()
        super().save_model(request, obj, form, change)
        audit.record(
            actor=Party("user", asked_by(request)),
            action="webhook.changed" if change else "webhook.created",
            target=Party("webhook", obj.pk),
            now=now,
            detail={"fields": form.changed_data},
        )
        if not change:
            self._show(request, obj)

    @admin.display(description="last answers")
    def last_answers(self, endpoint: WebhookEndpoint) -> SafeString | str:
        rows = endpoint.messages.order_by("-created_at", "pk").values_list(
            "created_at", "event", "state", "tries", "answer"
        )[:_LAST]
        lines = format_html_join(
            "",
            "<li>{} · {} · {} · {}</li>",
            (
                (timezone.localtime(at).strftime("%-d %b %H:%M:%S"), event, state, answer or "no answer yet")
                for at, event, state, tries, answer in rows
            ),
        )
        return lines or "Nothing was sent yet."

    @admin.action(description="Send a test")
    def send_test(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        for endpoint in queryset:
            message = webhooks.test(endpoint, by=Party("user", asked_by(request)), now=timezone.now())
            taken = message.state == WebhookMessage.State.SENT
            self.message_user(
                request, f"{endpoint}: {message.answer}", messages.SUCCESS if taken else messages.ERROR
            )

    @admin.action(description="Give a new secret (the old one stops at once)")
    def renew(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        for endpoint in queryset:
            endpoint.secret = webhooks.new_secret()
            endpoint.save(update_fields=["secret"])
            audit.record(
                actor=Party("user", asked_by(request)),
                action="webhook.secret_renewed",
                target=Party("webhook", endpoint.pk),
                now=timezone.now(),
            )
            self._show(request, endpoint)

    def _show(self, request: HttpRequest, endpoint: WebhookEndpoint) -> None:
        self.message_user(
            request,
            f"{endpoint.name}: the secret is {endpoint.secret} and is shown only now.",
            messages.WARNING,
        )


@admin.register(WebhookMessage)
class WebhookMessageAdmin(ReadOnly, admin.ModelAdmin):
    """What was told to whom. Those given up are dead letters: filter by state, then try again."""

    list_display = ("created_at", "endpoint", "event", "state", "tries", "answer")
    list_display_links = None
    list_filter = ("state", "endpoint", "event")
    list_select_related = ("endpoint",)
    list_per_page = 50
    show_full_result_count = False
    actions = ("try_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookMessage]:
        return super().get_queryset(request).defer("body")

    @admin.action(description="Try again (only what was given up)", permissions=["view"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[WebhookMessage]) -> None:
        now = timezone.now()
        done = sum(webhooks.try_again(pk, now=now) for pk in queryset.values_list("pk", flat=True))
        self.message_user(request, f"{done} queued again.")
