"""The admin of deciding: policies by form, the catalogue, and read-only records. Reads of records are audited."""

import json
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from consent import audit
from consent.actors import Party
from interventions import catalogue, trust
from interventions.forms import LessonTextForm, MessageTextForm, ReasonForm
from interventions.models import (
    AlertSlot,
    Decision,
    Delivery,
    Episode,
    Lesson,
    LessonText,
    MessageText,
    Policy,
    Suppression,
)
from interventions.policy import store
from interventions.policy.document import (
    IMPACTS,
    RISK_BANDS,
    Document,
    PolicyFault,
    differences,
    flat,
    load,
)
from interventions.policy.forms import ATTEMPT_NAMES, SECTIONS, PolicyForm, label_of, shown

EXAMPLE = {
    "first_name": "Robin",
    "course": "Safety basics",
    "lesson": "Spotting phishing",
    "minutes": "5",
    "link": "https://learn.example/me/",
}


def _by(request: HttpRequest) -> UUID:
    assert request.user.is_authenticated
    return UUID(str(request.user.pk))


@admin.register(Policy)
class PolicyAdmin(admin.ModelAdmin):
    """Versions of the policy. A draft is edited by form; what was in force is only read."""

    list_display = ("name", "state", "since", "reason", "what_next")
    ordering = ("-version",)
    actions = None

    @admin.display(description="version", ordering="version")
    def name(self, policy: Policy) -> str:
        return f"Version {policy.version}"

    @admin.display(description="in force since", ordering="live_at")
    def since(self, policy: Policy) -> str:
        return date_format(timezone.localtime(policy.live_at), "j F Y, H:i") if policy.live_at else "–"

    @admin.display(description="what next")
    def what_next(self, policy: Policy) -> SafeString:
        return format_html_join(" · ", '<a href="{}">{}</a>', _next_steps(policy))

    def has_delete_permission(self, request: HttpRequest, obj: Policy | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (
            obj is None or obj.state == Policy.State.DRAFT
        )

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                "<int:policy_id>/go-live/",
                self.admin_site.admin_view(self.go_live_view),
                name="interventions_policy_go_live",
            ),
            path(
                "<int:policy_id>/roll-back/",
                self.admin_site.admin_view(self.roll_back_view),
                name="interventions_policy_roll_back",
            ),
        ]
        return own + super().get_urls()

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """A new draft, starting from the live version or from ?from=VERSION."""
        live = store.live()
        base = live
        wanted = request.GET.get("from", "")
        if wanted.isdigit():
            base = Policy.objects.filter(version=int(wanted)).first() or live
        form = PolicyForm(request.POST or None, start=load(base.document))
        if request.method == "POST" and form.is_valid():
            draft = store.draft_from_live(by=_by(request), now=timezone.now(), changes=form.document())
            self.message_user(
                request, f"Draft {draft.version} is kept. It changes nothing until it is in force."
            )
            return HttpResponseRedirect(reverse("admin:interventions_policy_change", args=[draft.pk]))
        return self._edit(request, form, title=f"New draft from version {base.version}", policy=None)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The form of a draft; the contents of any other version."""
        policy = self._policy(request, object_id)
        if policy.state != Policy.State.DRAFT:
            return self._read(request, policy)
        form = PolicyForm(request.POST or None, start=load(policy.document))
        if request.method == "POST" and form.is_valid():
            try:
                store.revise(policy=policy, changes=form.document(), by=_by(request), now=timezone.now())
            except store.NotADraft as refused:
                self.message_user(request, str(refused), messages.ERROR)
            else:
                self.message_user(request, f"Draft {policy.version} is kept.")
            return HttpResponseRedirect(request.path)
        return self._edit(request, form, title=f"Draft {policy.version}", policy=policy)

    def go_live_view(self, request: HttpRequest, policy_id: int) -> HttpResponse:
        """Asks for the reason, then puts the draft in force."""
        policy = self._policy(request, str(policy_id))
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                store.go_live(
                    policy=policy, by=_by(request), now=timezone.now(), reason=form.cleaned_data["reason"]
                )
            except (store.NotADraft, PolicyFault) as refused:
                self.message_user(request, str(refused), messages.ERROR)
            else:
                self.message_user(request, f"Version {policy.version} is in force.", messages.SUCCESS)
                self._warn(request, policy)
            return HttpResponseRedirect(reverse("admin:interventions_policy_change", args=[policy.pk]))
        return self._confirm(request, form, policy, title=f"Put version {policy.version} in force")

    def roll_back_view(self, request: HttpRequest, policy_id: int) -> HttpResponse:
        """Asks for the reason, then puts a copy of this version in force."""
        policy = self._policy(request, str(policy_id))
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                policy = store.roll_back(
                    to_version=policy.version,
                    by=_by(request),
                    now=timezone.now(),
                    reason=form.cleaned_data["reason"],
                )
            except (store.NotPutInForceYet, PolicyFault) as refused:
                self.message_user(request, str(refused), messages.ERROR)
            else:
                self.message_user(request, f"Version {policy.version} is in force.", messages.SUCCESS)
                self._warn(request, policy)
            return HttpResponseRedirect(reverse("admin:interventions_policy_change", args=[policy.pk]))
        return self._confirm(request, form, policy, title=f"Roll back to version {policy.version}")

    def _warn(self, request: HttpRequest, policy: Policy) -> None:
        """Says so where the policy does not act on the model that scores."""
        told = trust.silence(load(policy.document))
        if told is not None:
            self.message_user(request, told, messages.WARNING)

    def _policy(self, request: HttpRequest, object_id: str) -> Policy:
        policy = self.get_object(request, object_id)
        if policy is None:
            raise Http404("There is no such policy.")
        return policy

    def _edit(
        self, request: HttpRequest, form: PolicyForm, *, title: str, policy: Policy | None
    ) -> HttpResponse:
        return self._page(
            request,
            "admin/interventions/policy/edit.html",
            title=title,
            form=form,
            policy=policy,
            attempt_names=ATTEMPT_NAMES,
            changes=_changes(load(policy.document)) if policy else [],
        )

    def _read(self, request: HttpRequest, policy: Policy) -> HttpResponse:
        document = load(policy.document)
        values = dict(flat(document))
        sections = [
            (section, [(place.label, shown(place.place, values[place.place])) for place in section.places])
            for section in SECTIONS
        ]
        matrix = [
            (
                label_of(f"matrix.{impact}.{band}.0").rsplit(", ", 1)[0],
                [shown("matrix.", name) for name in document.matrix[impact][band]],
            )
            for impact in IMPACTS
            for band in RISK_BANDS
        ]
        return self._page(
            request,
            "admin/interventions/policy/read.html",
            title=f"Version {policy.version}",
            policy=policy,
            sections=sections,
            matrix=matrix,
            attempt_names=ATTEMPT_NAMES,
            changes=_changes(document),
            steps=_next_steps(policy),
        )

    def _confirm(self, request: HttpRequest, form: ReasonForm, policy: Policy, *, title: str) -> HttpResponse:
        return self._page(
            request,
            "admin/interventions/policy/confirm.html",
            title=title,
            form=form,
            policy=policy,
            changes=_changes(load(policy.document)),
        )

    def _page(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        return TemplateResponse(
            request, template, {**self.admin_site.each_context(request), "opts": self.opts, **context}
        )


def _changes(document: Document) -> list[tuple[str, str, str]]:
    """What differs from the policy in force: label, now, then."""
    live = store.document(store.live())
    return [
        (label_of(change.place), shown(change.place, change.before), shown(change.place, change.after))
        for change in differences(live, document)
    ]


def _next_steps(policy: Policy) -> list[tuple[str, str]]:
    """Address and name of what can be done with a version."""
    if policy.state == Policy.State.DRAFT:
        return [
            (reverse("admin:interventions_policy_change", args=[policy.pk]), "Edit"),
            (reverse("admin:interventions_policy_go_live", args=[policy.pk]), "Put in force"),
        ]
    steps = [(f"{reverse('admin:interventions_policy_add')}?from={policy.version}", "Edit as new draft")]
    if policy.state == Policy.State.RETIRED:
        steps.append(
            (reverse("admin:interventions_policy_roll_back", args=[policy.pk]), "Roll back to this version")
        )
    return steps


class LessonTextInline(admin.StackedInline):
    model = LessonText
    form = LessonTextForm
    extra = 0


@admin.register(Lesson)
class LessonAdmin(admin.ModelAdmin):
    list_display = ("key", "competency", "minutes", "languages", "is_active", "preview_link")
    list_filter = ("is_active",)
    list_select_related = ("competency",)
    search_fields = ("key", "texts__title")
    inlines = (LessonTextInline,)
    readonly_fields = ("preview_link",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lesson]:
        return super().get_queryset(request).prefetch_related("texts")

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "<int:lesson_id>/preview/",
            self.admin_site.admin_view(self.preview_view),
            name="interventions_lesson_preview",
        )
        return [own, *super().get_urls()]

    @admin.display(description="languages")
    def languages(self, lesson: Lesson) -> str:
        return ", ".join(sorted(text.language for text in lesson.texts.all())) or "none"

    @admin.display(description="preview")
    def preview_link(self, lesson: Lesson) -> SafeString | str:
        if lesson.pk is None:
            return "After the first save."
        return format_html(
            '<a href="{}">Read as learners do</a>',
            reverse("admin:interventions_lesson_preview", args=[lesson.pk]),
        )

    def preview_view(self, request: HttpRequest, lesson_id: int) -> HttpResponse:
        """The saved lesson in every language, with its answers."""
        lesson = self.get_object(request, str(lesson_id))
        if lesson is None:
            raise Http404("There is no such lesson.")
        texts = [
            (
                text,
                len(text.body.split()),
                [(question, list(enumerate(question["choices"]))) for question in text.questions],
            )
            for text in lesson.texts.all()
        ]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Preview of {lesson.key}",
            "lesson": lesson,
            "texts": texts,
        }
        return TemplateResponse(request, "admin/interventions/lesson/preview.html", context)


@admin.register(MessageText)
class MessageTextAdmin(admin.ModelAdmin):
    form = MessageTextForm
    list_display = ("key", "language", "subject")
    list_filter = ("language",)
    search_fields = ("key", "subject", "body")
    readonly_fields = ("example",)

    @admin.display(description="reads like this")
    def example(self, message: MessageText) -> SafeString | str:
        if message.pk is None:
            return "After the first save."
        subject, body = catalogue.message(message.key, message.key, message.language, EXAMPLE)
        return format_html("<strong>{}</strong><br>{}", subject, body)


class RecordAdmin(admin.ModelAdmin):
    """Rows that are read and never edited here; who looked at whose is audited."""

    actions = None
    list_per_page = 50
    show_full_result_count = False  # counting a big table takes longer than reading the page

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def learner_id(self, row: Any) -> UUID:
        """Whose row this is."""
        return UUID(str(row.decision.enrolment.learner_id))

    @admin.display(description="learner")
    def learner(self, row: Any) -> str:
        return f"Learner {str(self.learner_id(row))[:4].upper()}"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        shown_list = (getattr(response, "context_data", None) or {}).get("cl")
        if shown_list is not None:
            self._audit(request, list(shown_list.result_list))
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        if row is not None:
            self._audit(request, [row])
        return super().change_view(request, object_id, form_url, extra_context)

    def _audit(self, request: HttpRequest, rows: list[Model]) -> None:
        audit.record_reads(
            actor=Party("user", _by(request)),
            action=f"admin.read.{self.opts.model_name}",
            targets=[self.learner_id(row) for row in rows],
            now=timezone.now(),
        )


@admin.register(Episode)
class EpisodeAdmin(RecordAdmin):
    list_display = ("id", "learner", "ladder", "triggers", "opened_at", "failed_attempts", "closed_at", "end")
    list_filter = ("ladder", "end", ("closed_at", admin.EmptyFieldListFilter))
    list_select_related = ("enrolment",)
    fields = (
        "id",
        "learner",
        "triggers",
        "ladder",
        "signal_at",
        "opened_at",
        "failed_attempts",
        "step",
        "closed_at",
        "end",
    )

    def learner_id(self, row: Episode) -> UUID:
        return row.enrolment.learner_id


@admin.register(Decision)
class DecisionAdmin(RecordAdmin):
    list_display = ("id", "at", "learner", "action", "reasons_in_short", "policy", "lapsed_at")
    list_filter = ("action", "policy", ("lapsed_at", admin.EmptyFieldListFilter))
    list_select_related = ("enrolment", "policy")
    fields = (
        "id",
        "at",
        "learner",
        "action",
        "lesson",
        "reasons_in_short",
        "policy",
        "episode",
        "step",
        "propensity",
        "expected_value",
        "eligible_in_lines",
        "known_seq",
        "lapsed_at",
        "snapshot_in_lines",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Decision]:
        return super().get_queryset(request).defer("snapshot", "eligible")

    def learner_id(self, row: Decision) -> UUID:
        return row.enrolment.learner_id

    @admin.display(description="reasons")
    def reasons_in_short(self, decision: Decision) -> str:
        return ", ".join(str(reason) for reason in decision.reasons) or "erased"

    @admin.display(description="eligible")
    def eligible_in_lines(self, decision: Decision) -> SafeString:
        return _lines(decision.eligible)

    @admin.display(description="snapshot")
    def snapshot_in_lines(self, decision: Decision) -> SafeString | str:
        return "erased" if decision.snapshot is None else _lines(decision.snapshot)


def _lines(value: Any) -> SafeString:
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False))


@admin.register(Delivery)
class DeliveryAdmin(RecordAdmin):
    list_display = ("id", "learner", "channel", "state", "due_at", "sent_at", "tries", "provider_answer")
    list_filter = ("state", "channel")
    list_select_related = ("decision__enrolment",)
    fields = (
        "id",
        "learner",
        "decision",
        "channel",
        "state",
        "subject",
        "body",
        "due_at",
        "expires_at",
        "claimed_at",
        "sent_at",
        "read_at",
        "tries",
        "provider_answer",
    )

    def learner_id(self, row: Delivery) -> UUID:
        return row.learner_id


@admin.register(Suppression)
class SuppressionAdmin(RecordAdmin):
    list_display = ("decision", "learner", "reason", "at")
    list_filter = ("reason",)
    list_select_related = ("decision__enrolment",)
    fields = ("decision", "learner", "reason", "at")


@admin.register(AlertSlot)
class AlertSlotAdmin(RecordAdmin):
    """The cap ledger."""

    list_display = ("learner", "kind", "place", "during", "state", "decision")
    list_filter = ("kind", "state")
    list_select_related = ("decision",)
    fields = ("learner", "kind", "place", "during", "state", "decision")

    def learner_id(self, row: AlertSlot) -> UUID:
        return row.learner_id
