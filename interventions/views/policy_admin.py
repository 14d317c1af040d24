"""Policies by form: drafts, what they would change, going live and back."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from interventions import trust
from interventions.forms import ReasonForm
from interventions.models import Policy, PolicyProposal
from interventions.policy import seconding, store
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
from interventions.policy.louder import needs_second
from interventions.policy.weights import shown_with
from interventions.views.policy_preview import PreviewPages, TargetForm, asks_preview, proposals
from interventions.views.policy_second import SecondPages, said
from interventions.views.policy_weights import WeightsForm, with_weights
from learners.access import asked_by
from signals.risk.weights import version_with


@admin.register(Policy)
class PolicyAdmin(PreviewPages, SecondPages, admin.ModelAdmin):
    """Versions of the policy. A draft is edited by form; what was in force is only read."""

    list_display = ("name", "state", "since", "reason", "what_next")
    ordering = ("-version",)
    actions = None

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Policy]":
        return super().get_queryset(request).prefetch_related("proposals")

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
        return own + self.preview_urls() + self.second_urls() + super().get_urls()

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """A new draft, starting from the live version or from ?from=VERSION."""
        live = store.live()
        base = live
        wanted = request.GET.get("from", "")
        if wanted.isdigit():
            base = Policy.objects.filter(version=int(wanted)).first() or live
        now = timezone.now()
        form, weights = _forms(request, load(base.document), now)
        if request.method == "POST" and form.is_valid() and weights.is_valid():
            changes = self._weighed(request, form, weights, now)
            draft = store.draft_from_live(by=asked_by(request), now=now, changes=changes)
            self.message_user(
                request, f"Draft {draft.version} is kept. It changes nothing until it is in force."
            )
            return HttpResponseRedirect(reverse("admin:interventions_policy_change", args=[draft.pk]))
        return self._edit(request, form, weights, title=f"New draft from version {base.version}", policy=None)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The form of a draft; the contents of any other version."""
        policy = self._policy(request, object_id)
        if policy.state != Policy.State.DRAFT:
            return self._read(request, policy)
        now = timezone.now()
        form, weights = _forms(request, load(policy.document), now)
        if request.method == "POST" and form.is_valid() and weights.is_valid():
            try:
                changes = self._weighed(request, form, weights, now)
                store.revise(policy=policy, changes=changes, by=asked_by(request), now=now)
            except store.NotADraft as refused:
                self.message_user(request, str(refused), messages.ERROR)
            else:
                self.message_user(request, f"Draft {policy.version} is kept.")
            return HttpResponseRedirect(request.path)
        return self._edit(request, form, weights, title=f"Draft {policy.version}", policy=policy)

    def go_live_view(self, request: HttpRequest, policy_id: int) -> HttpResponse:
        """Asks for the reason, then puts the draft in force."""
        policy = self._policy(request, str(policy_id))
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                proposal = seconding.put_in_force(
                    policy=policy,
                    by=asked_by(request),
                    now=timezone.now(),
                    reason=form.cleaned_data["reason"],
                    more_alerts=asks_preview(policy),
                )
            except (store.NotADraft, store.NeedsSecondYes, PolicyFault) as refused:
                self.message_user(request, str(refused), messages.ERROR)
            else:
                if proposal is not None:
                    self.message_user(
                        request, f"Version {policy.version} waits for a second yes.", messages.WARNING
                    )
                    return HttpResponseRedirect(
                        reverse("admin:interventions_policy_second", args=[policy.pk])
                    )
                self.message_user(request, f"Version {policy.version} is in force.", messages.SUCCESS)
                self._warn(request, policy)
            return HttpResponseRedirect(reverse("admin:interventions_policy_change", args=[policy.pk]))
        needs = needs_second(store.document(store.live()), load(policy.document))
        return self._confirm(
            request,
            form,
            policy,
            title=f"Put version {policy.version} in force",
            needs=said(needs),
            alone=not seconding.others_than(asked_by(request)),
        )

    def roll_back_view(self, request: HttpRequest, policy_id: int) -> HttpResponse:
        """Asks for the reason, then puts a copy of this version in force."""
        policy = self._policy(request, str(policy_id))
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                policy = store.roll_back(
                    to_version=policy.version,
                    by=asked_by(request),
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

    def _weighed(
        self, request: HttpRequest, form: PolicyForm, weights: WeightsForm, now: datetime
    ) -> Document:
        """The document as filled in; where other weights were, it trusts the composite that has them."""
        if not weights.has_changed():
            return form.document()
        version = version_with(weights.parameters(), now=now, by=asked_by(request))
        self.message_user(
            request,
            f"“{version.name}” holds these weights, and this draft trusts it. It scores once the draft is in force.",
        )
        return with_weights(form.document(), version)

    def _edit(
        self,
        request: HttpRequest,
        form: PolicyForm,
        weights: WeightsForm,
        *,
        title: str,
        policy: Policy | None,
    ) -> HttpResponse:
        targets: TargetForm | None = None
        notes: dict[str, str] = {}
        if policy is not None:
            targets, notes = proposals(load(policy.document), request.GET)
        return self._page(
            request,
            "admin/interventions/policy/edit.html",
            title=title,
            form=form,
            weights=weights,
            policy=policy,
            targets=targets,
            sections=[
                (section, [(field, notes.get(field.name, "")) for field in fields])
                for section, fields in form.sections()
            ],
            waits=policy is not None and seconding.waiting(policy) is not None,
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

    def _confirm(
        self,
        request: HttpRequest,
        form: ReasonForm,
        policy: Policy,
        *,
        title: str,
        needs: list[str] | None = None,
        alone: bool = False,
    ) -> HttpResponse:
        return self._page(
            request,
            "admin/interventions/policy/confirm.html",
            title=title,
            form=form,
            policy=policy,
            changes=self._changes(policy),
            needs=needs or [],
            alone=alone,
        )

    def _changes(self, policy: Policy) -> list[tuple[str, str, str]]:
        return _changes(load(policy.document))

    def _page(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        return TemplateResponse(
            request, template, {**self.admin_site.each_context(request), "opts": self.opts, **context}
        )


def _forms(request: HttpRequest, start: Document, now: datetime) -> tuple[PolicyForm, WeightsForm]:
    sent = request.POST or None
    return PolicyForm(sent, start=start), WeightsForm(sent, start=shown_with(start, now=now))


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
        waits = any(one.state == PolicyProposal.State.WAITING for one in policy.proposals.all())
        answer = [(reverse("admin:interventions_policy_second", args=[policy.pk]), "Answer: a second yes")]
        return [
            *(answer if waits else []),
            (reverse("admin:interventions_policy_change", args=[policy.pk]), "Edit"),
            (reverse("admin:interventions_policy_preview", args=[policy.pk]), "Preview"),
            (reverse("admin:interventions_policy_try", args=[policy.pk]), "Try on one learner"),
            (reverse("admin:interventions_policy_go_live", args=[policy.pk]), "Put in force"),
        ]
    steps = [(f"{reverse('admin:interventions_policy_add')}?from={policy.version}", "Edit as new draft")]
    if policy.state == Policy.State.RETIRED:
        steps.append(
            (reverse("admin:interventions_policy_roll_back", args=[policy.pk]), "Roll back to this version")
        )
    return steps
