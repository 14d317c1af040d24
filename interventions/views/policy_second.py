"""The second yes: another administrator reads what a draft would change, and says yes or no."""

from collections.abc import Callable

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from interventions.backtest.preview import PLACE
from interventions.models import Policy, PolicyProposal
from interventions.policy import seconding, store
from interventions.policy.document import PolicyFault
from interventions.policy.forms import label_of
from interventions.policy.louder import Reason
from learners.access import asked_by


class AnswerForm(forms.Form):
    """Yes or no, and why."""

    note = forms.CharField(
        max_length=300,
        required=False,
        label="A sentence about it",
        help_text="Needed for a no; kept with the version.",
        widget=forms.TextInput(attrs={"size": 80, "class": "vTextField"}),
    )
    says = forms.ChoiceField(choices=[("yes", "Yes"), ("no", "No"), ("end", "Put in force")])

    def clean(self) -> dict[str, str]:
        cleaned = super().clean() or {}
        if cleaned.get("says") == "no" and not cleaned.get("note", "").strip():
            self.add_error("note", "Say in a sentence why not.")
        return cleaned


class SecondPages:
    """The page on which a proposal is answered."""

    admin_site: admin.AdminSite
    message_user: Callable[..., None]
    _policy: Callable[[HttpRequest, str], Policy]
    _page: Callable[..., HttpResponse]
    _warn: Callable[[HttpRequest, Policy], None]
    _changes: Callable[[Policy], list[tuple[str, str, str]]]

    def second_urls(self) -> list[URLPattern]:
        return [
            path(
                "<int:policy_id>/second/",
                self.admin_site.admin_view(self.second_view),
                name="interventions_policy_second",
            )
        ]

    def second_view(self, request: HttpRequest, policy_id: int) -> HttpResponse:
        """What is proposed and why it needs a second yes; takes the answer."""
        policy = self._policy(request, str(policy_id))
        proposal = seconding.waiting(policy)
        if proposal is None:
            raise Http404("Nothing waits for an answer here.")
        by = asked_by(request)
        form = AnswerForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            return self._take(request, policy, form)
        now = timezone.now()
        return self._page(
            request,
            "admin/interventions/policy/second.html",
            title=f"Version {policy.version} needs a second yes",
            policy=policy,
            form=form,
            proposal=proposal,
            needs=told(proposal),
            is_own=proposal.proposed_by == by,
            is_current=seconding.is_current(proposal),
            may_end=(
                proposal.waits_until is not None
                and now >= proposal.waits_until
                and not seconding.others_than(by)
            ),
            changes=self._changes(policy),
        )

    def _take(self, request: HttpRequest, policy: Policy, form: AnswerForm) -> HttpResponse:
        by, now, note = asked_by(request), timezone.now(), form.cleaned_data["note"]
        try:
            if form.cleaned_data["says"] == "yes":
                seconding.approve(policy=policy, by=by, now=now, note=note)
            elif form.cleaned_data["says"] == "end":
                seconding.end_wait(policy=policy, by=by, now=now)
            else:
                seconding.decline(policy=policy, by=by, now=now, note=note)
                self.message_user(request, f"Version {policy.version} stays a draft.")
                return HttpResponseRedirect(reverse("admin:interventions_policy_change", args=[policy.pk]))
        except (
            seconding.NothingWaits,
            seconding.OwnProposal,
            seconding.Outdated,
            seconding.StillWaiting,
            store.NotADraft,
            store.NeedsSecondYes,
            PolicyFault,
        ) as refused:
            self.message_user(request, str(refused), messages.ERROR)
        else:
            self.message_user(request, f"Version {policy.version} is in force.", messages.SUCCESS)
            self._warn(request, policy)
        return HttpResponseRedirect(reverse("admin:interventions_policy_change", args=[policy.pk]))


def told(proposal: PolicyProposal) -> list[str]:
    """Why a second yes is needed, one line a place."""
    return said([Reason(*need) for need in proposal.needs])


def said(needs: list[Reason]) -> list[str]:
    return [
        need.why[:1].upper() + need.why[1:] if need.place == PLACE else f"{label_of(need.place)}: {need.why}"
        for need in needs
    ]
