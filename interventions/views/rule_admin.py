"""Rules for micro-coaching by form: drafts, what they would have done, what speaks against them, in force and out."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from interventions.models import Rule
from interventions.rules import checks, condition, store, takeover
from interventions.rules.forms import RuleForm
from interventions.rules.takeover import Outcome
from interventions.views.rule_takeover import TakeOverForm, taken_over
from learners.access import asked_by

CHANGE = "admin:interventions_rule_change"
CHECK = "admin:interventions_rule_check"


class ReadForm(forms.Form):
    """That a person has read what was found."""

    read = forms.BooleanField(label="I have read what was found, and it shall be in force all the same.")


@admin.register(Rule)
class RuleAdmin(admin.ModelAdmin):
    """Versions of rules. A draft is edited by form; what was in force is only read, and edited as a new draft."""

    list_display = ("title", "state", "flags", "what_next", "in_words", "owner_name", "expires_on", "version")
    list_filter = ("state", "acts_alone", "needs_review")
    list_select_related = ("owner", "lesson")
    search_fields = ("title", "key")
    actions = None

    @admin.display(description="applies when")
    def in_words(self, rule: Rule) -> str:
        return condition.sentence(condition.load(rule.when))

    @admin.display(description="owner")
    def owner_name(self, rule: Rule) -> str:
        return rule.owner.get_short_name() if rule.owner else "nobody"

    @admin.display(description="to mend")
    def flags(self, rule: Rule) -> str:
        return "; ".join(checks.flags(rule, today=timezone.now().date())) or "–"

    @admin.display(description="what next")
    def what_next(self, rule: Rule) -> SafeString:
        return format_html_join(" · ", '<a href="{}">{}</a>', _next_steps(rule))

    def has_delete_permission(self, request: HttpRequest, obj: Rule | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.state == Rule.State.DRAFT)

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                "<int:rule_id>/check/",
                self.admin_site.admin_view(self.check_view),
                name="interventions_rule_check",
            ),
            path(
                "<int:rule_id>/retire/",
                self.admin_site.admin_view(self.retire_view),
                name="interventions_rule_retire",
            ),
            path(
                "ready/",
                self.admin_site.admin_view(self.takeover_view),
                name="interventions_rule_takeover",
            ),
        ]
        return own + super().get_urls()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """All versions; and where drafts that we ship are ready, the way to take them over."""
        return super().changelist_view(request, {**(extra_context or {}), "waiting": len(takeover.waiting())})

    def takeover_view(self, request: HttpRequest) -> HttpResponse:
        """The drafts we ship, and one form that makes those chosen the asker's own and puts them in force."""
        form = TakeOverForm(request.POST or None, ready=takeover.waiting())
        tried: list[takeover.Taken] = []
        if request.method == "POST" and form.is_valid():
            tried = taken_over(request, form)
            if all(taken.outcome in (Outcome.LIVE, Outcome.BOARD) for taken in tried):
                return HttpResponseRedirect(reverse("admin:interventions_rule_changelist"))
            left = {taken.rule.pk for taken in tried if taken.outcome is not Outcome.LIVE}
            form = TakeOverForm(ready=takeover.waiting(), initial={**form.initial, **form.cleaned_data})
            for one in form.ready:
                form.initial[f"take_{one.rule.pk}"] = one.rule.pk in left
        return self._page(
            request,
            "takeover.html",
            title="Rules that are ready",
            form=form,
            lines=list(form.lines(tried)),
            has_unread=any(taken.outcome is Outcome.UNREAD for taken in tried),
        )

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """A new rule, as a draft."""
        form = RuleForm(request.POST or None, today=timezone.now().date())
        if request.method == "POST" and form.is_valid():
            return self._keep(request, form.cleaned_data["key"], form)
        return self._page(request, "edit.html", title="New rule", form=form, rule=None)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The form of a draft, or of the draft that would follow a version which was in force."""
        rule = self._rule(request, object_id)
        draft = (
            rule
            if rule.state == Rule.State.DRAFT
            else Rule.objects.filter(key=rule.key, state="draft").first()
        )
        if draft is not None and draft.pk != rule.pk:
            return HttpResponseRedirect(reverse(CHANGE, args=[draft.pk]))
        form = RuleForm(request.POST or None, instance=rule, today=timezone.now().date())
        if request.method == "POST" and form.is_valid():
            return self._keep(request, rule.key, form)
        title = f"{rule.title}: " + ("draft" if draft else "a new draft from what was in force")
        return self._page(request, "edit.html", title=title, form=form, rule=rule)

    def check_view(self, request: HttpRequest, rule_id: int) -> HttpResponse:
        """What the draft would have done and what speaks against it; puts it in force."""
        rule, now = self._rule(request, str(rule_id)), timezone.now()
        if rule.state != Rule.State.DRAFT:
            return HttpResponseRedirect(reverse("admin:interventions_rule_changelist"))
        found = checks.check(rule, now=now)
        if store.require_review(rule=rule, reasons=found.board_because):
            found = checks.check(rule, now=now)
        blocking = [finding for finding in found.findings if finding.blocks]
        form = ReadForm(request.POST or None) if found.findings and not blocking else None
        if request.method == "POST" and not blocking and (form is None or form.is_valid()):
            try:
                store.go_live(rule=rule, by=asked_by(request), now=now)
            except (store.NotADraft, store.NotReady) as refused:
                self.message_user(request, str(refused), messages.ERROR)
            else:
                self.message_user(request, f"“{rule.title}” is in force from now on.")
            return HttpResponseRedirect(reverse("admin:interventions_rule_changelist"))
        return self._page(
            request,
            "check.html",
            title=f"Check “{rule.title}”",
            rule=rule,
            words=condition.sentence(condition.load(rule.when)),
            found=found,
            blocking=blocking,
            form=form,
        )

    def retire_view(self, request: HttpRequest, rule_id: int) -> HttpResponse:
        """Asks, then takes a rule out of force."""
        rule = self._rule(request, str(rule_id))
        if request.method == "POST":
            store.retire(rule=rule, by=asked_by(request), now=timezone.now())
            self.message_user(request, f"“{rule.title}” is out of force.")
            return HttpResponseRedirect(reverse("admin:interventions_rule_changelist"))
        return self._page(request, "retire.html", title=f"Take “{rule.title}” out of force", rule=rule)

    def _keep(self, request: HttpRequest, key: str, form: RuleForm) -> HttpResponse:
        draft = store.draft(
            key=key, when=form.when(), by=asked_by(request), now=timezone.now(), **form.chosen()
        )
        self.message_user(request, "The draft is kept. It changes nothing until it is in force.")
        return HttpResponseRedirect(reverse(CHECK, args=[draft.pk]))

    def _rule(self, request: HttpRequest, object_id: str) -> Rule:
        rule = self.get_object(request, object_id)
        if rule is None:
            raise Http404("There is no such rule.")
        return rule

    def _page(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        return TemplateResponse(
            request,
            f"admin/interventions/rule/{template}",
            {**self.admin_site.each_context(request), "opts": self.opts, **context},
        )


def _next_steps(rule: Rule) -> list[tuple[str, str]]:
    """Address and name of what can be done with a version."""
    if rule.state == Rule.State.DRAFT:
        return [
            (reverse(CHANGE, args=[rule.pk]), "Edit"),
            (reverse(CHECK, args=[rule.pk]), "Check and put in force"),
        ]
    steps = [(reverse(CHANGE, args=[rule.pk]), "Edit as new draft")]
    if rule.state == Rule.State.LIVE:
        steps.append((reverse("admin:interventions_rule_retire", args=[rule.pk]), "Take out of force"))
    return steps
