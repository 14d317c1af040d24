"""Chat systems, and addresses that refuse. Tokens and addresses are typed in and never shown again."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from consent import audit
from consent.actors import Party
from consent.read_only import ReadOnly
from interventions import chats, outgoing, reachability
from interventions.channels import CHATS, ChannelError, letter
from interventions.channels.chat import SLACK
from interventions.channels.moodle_site import ENROL, FIND, WRITE
from interventions.models import ChatConnection, UnreachableAddress
from interventions.views.message_admin import EXAMPLE
from learners.access import asked_by
from learners.identity import resolve
from learners.models import Learner, User

_KEPT = "Leave empty to keep what is stored."


class ChatConnectionForm(forms.ModelForm):
    """What one chat system needs; an empty field keeps what is stored."""

    address = forms.CharField(
        required=False,
        max_length=2000,
        widget=forms.PasswordInput(attrs={"size": 80, "autocomplete": "off"}),
        help_text=f"Teams: the address of the workflow's webhook. Slack: empty for {SLACK}. "
        f"Moodle: the site's own, such as https://moodle.example.com. {_KEPT}",
    )
    token = forms.CharField(
        required=False,
        max_length=500,
        strip=True,
        widget=forms.PasswordInput(attrs={"size": 80, "autocomplete": "off"}),
        help_text="Slack: the bot token (xoxb-…), with users:read.email and chat:write. Teams: none. Moodle: a web "
        f"service's token with {FIND}, {WRITE} where it sends messages, and {ENROL} where it enrols. {_KEPT}",
    )

    # Moodle's own, which the others leave as they are.
    known_by = forms.ChoiceField(
        choices=ChatConnection.KnownBy.choices,
        required=False,
        help_text="Moodle only: by what it finds a learner. Numbers and user names are account identifiers.",
    )
    enrol_role = forms.IntegerField(
        min_value=1,
        required=False,
        initial=5,
        label="role of the enrolled",
        help_text="Moodle only: the number of the role; 5 is its own student.",
    )

    class Meta:
        model = ChatConnection
        fields = ("kind", "address", "token", "writes", "known_by", "enrols", "enrol_role", "is_active")
        help_texts = {
            "writes": "Off, for Moodle only: messages go by mail or another chat, and this connection only enrols.",
            "enrols": "Moodle only: a suggested lesson that is part of a Moodle course (Lesson places) puts the "
            "learner into that course once the suggestion went out, by whichever channel.",
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name in ("address", "token"):
            cleaned[name] = cleaned.get(name) or getattr(self.instance, name)
        cleaned["known_by"] = cleaned.get("known_by") or ChatConnection.KnownBy.EMAIL
        cleaned["enrol_role"] = cleaned.get("enrol_role") or 5
        kind, address = cleaned.get("kind"), cleaned["address"]
        if kind == ChatConnection.Kind.SLACK and not cleaned["token"]:
            self.add_error("token", "Slack needs a bot token.")
        if kind == ChatConnection.Kind.TEAMS and not address:
            self.add_error("address", "Teams needs the address of a workflow's webhook.")
        if kind == ChatConnection.Kind.MOODLE:
            if not address:
                self.add_error("address", "Moodle needs the site's address.")
            elif "?" in address or "#" in address or address.rstrip("/").endswith(".php"):
                self.add_error("address", "Give the site's own address, without a page or a question mark.")
            if not cleaned["token"]:
                self.add_error("token", "Moodle needs a web service's token.")
        elif kind:
            if cleaned.get("enrols"):
                self.add_error("enrols", "Only Moodle can enrol learners.")
            cleaned["writes"] = True  # they have nothing else to do
            cleaned["known_by"] = ChatConnection.KnownBy.EMAIL
        if address and (fault := outgoing.faults_of(address)):
            self.add_error("address", f"Nothing would be sent there: {fault}.")
        return cleaned


@admin.register(ChatConnection)
class ChatConnectionAdmin(admin.ModelAdmin):
    """While one is active, messages go there instead of by mail; by mail to those who are not known there."""

    form = ChatConnectionForm
    list_display = ("kind", "is_active", "created_at", "last_error", "last_error_at")
    readonly_fields = ("last_error", "last_error_at")
    actions = ("send_test",)

    def save_model(self, request: HttpRequest, obj: ChatConnection, form: Any, change: bool) -> None:
        now = timezone.now()
        if not change:
            obj.created_at = now
        super().save_model(request, obj, form, change)
        audit.record(
            actor=Party("user", asked_by(request)),
            action="chat.connected" if obj.is_active else "chat.disconnected",
            target=Party("chat", UUID(int=obj.pk)),
            now=now,
            detail={"kind": obj.kind, "fields": form.changed_data},
        )

    @admin.action(description="Send a test message to myself")
    def send_test(self, request: HttpRequest, queryset: QuerySet[ChatConnection]) -> None:
        assert isinstance(request.user, User)  # the admin site lets nobody else in
        said = letter.sample(
            "A test from Rekindle",
            f"Hello {EXAMPLE['first_name']}, this is how a suggestion looks here.",
            "en",
        )
        for connection in queryset:
            now = timezone.now()
            try:
                answer = CHATS[connection.kind].say(
                    connection, said, to=request.user.login, key=f"test-{now.timestamp():.0f}"
                )
            except ChannelError as fault:
                chats.note_fault(connection, f"test: {fault}", now=now)
                self.message_user(request, f"{connection}: not sent, {fault}.", messages.ERROR)
            else:
                chats.note_success(connection)
                self.message_user(request, f"{connection}: {answer}.")


@admin.register(UnreachableAddress)
class UnreachableAddressAdmin(ReadOnly, admin.ModelAdmin):
    """Addresses that refuse for good, by whose they are. Another address from HR needs nothing done here."""

    list_display = ("whose", "kind", "detail", "at")
    list_display_links = None
    list_filter = ("kind",)
    actions = ("try_these_again",)
    list_per_page = 50

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        response = super().changelist_view(request, extra_context)
        shown = (getattr(response, "context_data", None) or {}).get("cl")
        if shown is not None:
            found = resolve([bytes(row.hash) for row in shown.result_list])
            learners = Learner.objects.in_bulk(set(found.values()))
            for row in shown.result_list:
                row.owner = learners.get(found.get(bytes(row.hash)))
            audit.record_reads(
                actor=Party("user", asked_by(request)),
                action="admin.read.unreachableaddress",
                targets=list(learners),
                now=timezone.now(),
            )
        return response

    @admin.display(description="learner")
    def whose(self, row: Any) -> str:
        return row.owner.pseudonym if row.owner else "nobody any more"

    @admin.action(description="Try again: forget that these refuse", permissions=["view"])
    def try_these_again(self, request: HttpRequest, queryset: QuerySet[UnreachableAddress]) -> None:
        done = reachability.try_again(
            addresses=queryset, by=Party("user", asked_by(request)), now=timezone.now()
        )
        self.message_user(request, f"{done} will be tried again.")
