"""API tokens in the admin. A new one's text is shown once, after saving; nobody can see it again."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from consent.actors import Party
from interventions import tokens
from interventions.models import ApiToken
from learners.access import asked_by


class ApiTokenForm(forms.ModelForm):
    """Name, scopes, how often in a minute, for how long."""

    scopes = forms.MultipleChoiceField(choices=ApiToken.Scope.choices, widget=forms.CheckboxSelectMultiple)
    days = forms.IntegerField(
        min_value=1, max_value=366, initial=tokens.LASTS_DAYS, help_text="It ends after so many days."
    )

    class Meta:
        model = ApiToken
        fields = ("name", "scopes", "per_minute")
        help_texts = {"per_minute": "How many requests in a minute are answered; 0: no limit."}


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):
    form = ApiTokenForm
    list_display = ("name", "scopes", "per_minute", "is_active", "expires_at", "last_used_at")
    list_filter = ("is_active",)
    actions = ("renew", "revoke")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ("name", "scopes", "per_minute", "days")
        return ("name", "scopes", "per_minute", "is_active", "created_at", "expires_at", "last_used_at")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)  # make another one instead

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # the audit log names it; take it out of use instead

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        made = tokens.create(
            name=obj.name,
            scopes=obj.scopes,
            per_minute=obj.per_minute,
            days=form.cleaned_data["days"],
            by=Party("user", asked_by(request)),
            now=timezone.now(),
        )
        obj.pk, obj._state.adding = made.token.pk, False
        obj.refresh_from_db()
        self._show(request, made)

    @admin.action(description="Give a new token (the old one stops working)", permissions=["add"])
    def renew(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        for token in queryset:
            made = tokens.create(
                name=token.name,
                scopes=token.scopes,
                by=Party("user", asked_by(request)),
                now=timezone.now(),
            )
            self._show(request, made)

    @admin.action(description="Revoke: take out of use", permissions=["add"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        for token in queryset:
            tokens.revoke(name=token.name, by=Party("user", asked_by(request)), now=timezone.now())
            self.message_user(request, f"{token.name} is out of use.")

    def _show(self, request: HttpRequest, made: tokens.NewToken) -> None:
        self.message_user(
            request,
            f"{made.token.name}: {made.text}. It is shown only now, and ends on {made.token.expires_at:%-d %B %Y}.",
            messages.WARNING,
        )
