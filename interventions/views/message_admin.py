"""The words of messages: edited into a next version, read as a made-up person would, and sent to oneself to look at."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from consent.actors import Party
from interventions import catalogue, chats
from interventions import messages as versions
from interventions.channels import CHATS, ChannelError, letter, moodle
from interventions.channels.email import post
from interventions.forms import MessageTextForm
from interventions.models import MessageText
from learners.access import asked_by
from learners.models import User

# A person who does not exist.
EXAMPLE = {
    "first_name": "Robin",
    "course": "Safety basics",
    "lesson": "Spotting phishing",
    "minutes": "5",
    "link": "https://learn.example/me/",
}


class InUseFilter(admin.SimpleListFilter):
    title = "version"
    parameter_name = "kept"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("old", "Earlier ones"), ("all", "All")]

    def choices(self, changelist: Any) -> Any:
        default, *others = super().choices(changelist)
        return [{**default, "display": "In use"}, *others]

    def queryset(self, request: HttpRequest, queryset: QuerySet[MessageText]) -> QuerySet[MessageText]:
        if self.value() == "all":
            return queryset
        return queryset.filter(replaced_at__isnull=self.value() != "old")


@admin.register(MessageText)
class MessageTextAdmin(admin.ModelAdmin):
    """What is saved is a new version; what was said stays to be read."""

    form = MessageTextForm
    list_display = ("key", "language", "variant", "version", "subject", "replaced_at")
    list_filter = (InUseFilter, "language")
    search_fields = ("key", "subject", "body")
    readonly_fields = ("version", "created_at", "replaced_at", "example")
    actions = ("retire",)
    change_form_template = "admin/interventions/message/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("preview/", view(self.preview_view), name="interventions_messagetext_preview"),
            path("<int:message_id>/send/", view(self.send_view), name="interventions_messagetext_send"),
        ]
        return [*own, *super().get_urls()]

    def has_delete_permission(self, request: HttpRequest, obj: MessageText | None = None) -> bool:
        return False  # what was said is kept; take it out of use instead

    def has_change_permission(self, request: HttpRequest, obj: MessageText | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.replaced_at is None)

    def save_model(self, request: HttpRequest, obj: MessageText, form: Any, change: bool) -> None:
        made = versions.revise(
            key=obj.key,
            language=obj.language,
            variant=obj.variant,
            subject=obj.subject,
            body=obj.body,
            by=Party("user", asked_by(request)),
            now=timezone.now(),
        )
        obj.pk, obj.version, obj._state.adding = made.pk, made.version, False

    @admin.action(description="Take out of use (what was said is kept)")
    def retire(self, request: HttpRequest, queryset: QuerySet[MessageText]) -> None:
        by, now = Party("user", asked_by(request)), timezone.now()
        done = sum(
            versions.retire(message_id=pk, by=by, now=now) for pk in queryset.values_list("pk", flat=True)
        )
        self.message_user(
            request, f"{done} out of use. Without any, a key uses the words Rekindle ships with."
        )

    @admin.display(description="reads like this")
    def example(self, message: MessageText) -> SafeString | str:
        if message.pk is None:
            return "After the first save."
        words = catalogue.filled(message.subject, message.body, EXAMPLE)
        return format_html("<strong>{}</strong><br>{}", words.subject, words.body)

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """What is in the form, saved or not, as the mail that a made-up person would get."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        subject, body = request.POST.get("subject", ""), request.POST.get("body", "")
        faults = [fault.message for fault in catalogue.faults_of_message(subject, body)]
        # The form of a saved message does not send the language, which cannot be changed there.
        language = request.POST.get("language") or request.GET.get("language", "en")
        letter_to = _example_letter(subject, body, language)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Preview",
            "letter": letter_to,
            "plain": letter_to.plain(),
            "html": letter_to.html(),
            "moodle": moodle.html(letter_to),
            "faults": faults,
        }
        return TemplateResponse(request, "admin/interventions/message/preview.html", context)

    def send_view(self, request: HttpRequest, message_id: int) -> HttpResponse:
        """Sends the saved version, filled in for a made-up person, to the administrator who asks: by mail and chat."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        message = self.get_object(request, str(message_id))
        if message is None:
            raise Http404("There is no such message.")
        now = timezone.now()
        self._send(request, message)
        self._say(request, message, now)
        return redirect(reverse("admin:interventions_messagetext_change", args=[message.pk]))

    def _send(self, request: HttpRequest, message: MessageText) -> None:
        assert isinstance(request.user, User)  # the admin site lets nobody else in
        written = _example_letter(message.subject, message.body, message.language)
        try:
            answer = post(letter.mail(written, to=request.user.login, delivery_id=None))
        except ChannelError as fault:
            self.message_user(request, f"Not sent: {fault}.", messages.ERROR)
            return
        self.message_user(request, f"Sent to {request.user.login}: {answer}.")

    def _say(self, request: HttpRequest, message: MessageText, now: datetime) -> None:
        """The same by the chat that messages go by just now, where there is one."""
        assert isinstance(request.user, User)  # the admin site lets nobody else in
        connection = chats.chosen()
        if connection is None:
            return
        written = _example_letter(message.subject, message.body, message.language)
        try:
            answer = CHATS[connection.kind].say(
                connection, written, to=request.user.login, key=f"test-{now.timestamp():.0f}"
            )
        except ChannelError as fault:
            self.message_user(request, f"{connection}: not sent, {fault}.", messages.ERROR)
            return
        self.message_user(request, f"{connection}: {answer}.")


def _example_letter(subject: str, body: str, language: str) -> letter.Letter:
    words = catalogue.filled(subject, body, EXAMPLE)
    return letter.sample(words.subject, words.body, language)
