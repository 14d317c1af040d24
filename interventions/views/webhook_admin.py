"""Other systems that are told what happens: endpoints, a test, the last answers, and what was given up."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from consent import audit
from consent.actors import Party
from consent.read_only import ReadOnly
from interventions import statements, webhooks
from interventions.models import WebhookEndpoint, WebhookMessage
from interventions.outgoing_forms import address_to_reach
from interventions.places import same_site
from learners.access import asked_by

_LAST = 20
_KEPT = "Leave empty to keep what is stored."


class WebhookEndpointForm(forms.ModelForm):
    """Name, form, address and events. The address may hold a secret, so it is not shown again."""

    address = forms.CharField(
        required=False,
        max_length=2000,
        widget=forms.PasswordInput(attrs={"size": 80, "autocomplete": "off"}),
        help_text=f"https://… Of a record store its endpoint, such as https://lrs.example/xapi. {_KEPT}",
    )
    events = forms.MultipleChoiceField(
        choices=WebhookEndpoint.Event.choices, widget=forms.CheckboxSelectMultiple
    )

    form = forms.ChoiceField(
        choices=WebhookEndpoint.Form.choices, required=False, initial=WebhookEndpoint.Form.WEBHOOK
    )
    key = forms.CharField(
        required=False,
        max_length=500,
        widget=forms.PasswordInput(attrs={"size": 60, "autocomplete": "off"}),
        help_text=f"Record store only: the key (user name) of a credential that may write. {_KEPT}",
    )
    password = forms.CharField(
        required=False,
        max_length=500,
        widget=forms.PasswordInput(attrs={"size": 60, "autocomplete": "off"}),
        help_text=f"Record store only: that credential's secret. {_KEPT}",
    )

    class Meta:
        model = WebhookEndpoint
        fields = ("name", "form", "address", "key", "home_page", "events", "is_active")
        help_texts = {
            "home_page": "Record store only: the home page of the accounts by which it knows people, such as "
            "https://moodle.example.com. Empty: they are named by their e-mail address."
        }

    def clean_form(self) -> str:
        chosen = str(self.cleaned_data["form"] or WebhookEndpoint.Form.WEBHOOK)
        if self.instance.name and chosen != self.instance.form:
            raise forms.ValidationError("An endpoint keeps its form; add another one.")
        return chosen

    def clean_address(self) -> str:
        return address_to_reach(self.cleaned_data["address"], stored=self.instance.address)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        cleaned["key"] = cleaned.get("key") or self.instance.key
        if cleaned.get("form") != WebhookEndpoint.Form.XAPI:
            cleaned["key"] = cleaned["home_page"] = ""
            return cleaned
        if not cleaned["key"]:
            self.add_error("key", "A record store asks for a key.")
        if not cleaned.get("password") and not self.instance.secret:
            self.add_error("password", "A record store asks for a secret.")
        if WebhookEndpoint.Event.UNREACHABLE in cleaned.get("events", []):
            self.add_error("events", "Statements tell of suggestions only: leave the third out.")
        address = cleaned.get("address", "")
        if "?" in address:
            self.add_error("address", "Give the record store's own address, without a question mark.")
        if same_site(statements.resource(address), statements.resource(f"{settings.PUBLIC_URL}/xapi")):
            self.add_error("address", "That is our own record store, which would take it for learning.")
        return cleaned


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(admin.ModelAdmin):
    """A new endpoint's secret is shown once, after saving; a record store's is typed in and never shown."""

    form = WebhookEndpointForm
    list_display = ("name", "form", "events", "is_active", "created_at")
    list_filter = ("is_active", "form")
    actions = ("send_test", "renew")
    readonly_fields = ("last_answers",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        fields = list(WebhookEndpointForm.Meta.fields)
        own = (*fields[:4], "password", *fields[4:])
        return own if obj is None else (*own, "last_answers")

    def save_model(self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool) -> None:
        now = timezone.now()
        of_store = obj.form == WebhookEndpoint.Form.XAPI
        if not change:
            obj.created_at, obj.secret = now, webhooks.new_secret()
        if of_store and form.cleaned_data["password"]:
            obj.secret = form.cleaned_data["password"]
        super().save_model(request, obj, form, change)
        audit.record(
            actor=Party("user", asked_by(request)),
            action="webhook.changed" if change else "webhook.created",
            target=Party("webhook", obj.pk),
            now=now,
            detail={"fields": form.changed_data},
        )
        if not change and not of_store:
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
        for endpoint in queryset.filter(form=WebhookEndpoint.Form.WEBHOOK):  # a record store gives its own
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
