"""Which routes go out without a person's yes, by which figures, and the button that asks a person again."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from consent.read_only import ReadOnly
from interventions import earning
from interventions.automation import Route
from interventions.backtest.intervals import Share
from interventions.models import AutomaticRoute
from interventions.models.deciding import Action
from interventions.policy import store
from interventions.policy.document import Automation
from learners.access import asked_by

HISTORY = 50


@admin.register(AutomaticRoute)
class AutomaticRouteAdmin(ReadOnly, admin.ModelAdmin):
    """A page of its own in place of the list: every route with its figures, then what was earned and lost."""

    actions = None

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                "<uuid:row_id>/ask-again/",
                self.admin_site.admin_view(self.ask_again_view),
                name="interventions_automaticroute_ask_again",
            ),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        wanted = store.document(store.live()).automation
        lines = [_line(one, wanted) for one in earning.standings(now=timezone.now())]
        past = AutomaticRoute.objects.filter(lost_at__isnull=False).order_by("-lost_at", "pk")[:HISTORY]
        context = {
            **self.admin_site.each_context(request),
            "title": "Automation",
            "opts": self.model._meta,
            "lines": lines,
            "wanted": wanted,
            "bar": f"{wanted.bar:.0%}",
            "lost_below": f"{wanted.lost_below:.0%}",
            "past": [{"row": row, "name": _name(earning.route_of(row))} for row in past],
        }
        return TemplateResponse(request, "admin/interventions/automation/routes.html", context)

    def ask_again_view(self, request: HttpRequest, row_id: Any) -> HttpResponse:
        """Asks a person again on this route, from now on."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = get_object_or_404(AutomaticRoute, pk=row_id)
        name = _name(earning.route_of(row))
        try:
            earning.ask_again(row=row, by=asked_by(request), now=timezone.now())
        except earning.NotAutomatic as refused:
            self.message_user(request, str(refused), messages.INFO)
        else:
            self.message_user(request, f"{name}: a person is asked again from now on.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:interventions_automaticroute_changelist"))


def _name(route: Route) -> str:
    return f"{Action(route.action).label}, {route.band} risk, {route.impact} role"


def _told(share: Share) -> str:
    """A share of so many, with its interval; "" where nothing is known."""
    if share.value is None:
        return ""
    return f"{share.part} of {share.whole}, {share.value:.0%} ({share.low:.0%} to {share.high:.0%})"


def _line(one: earning.Standing, wanted: Automation) -> dict[str, Any]:
    """One route as the page shows it."""
    return {
        "name": _name(one.route),
        "row": one.row,
        "judged": _told(one.figures.share),
        "went_out": one.figures.unsaid.whole,
        "said_wrong": one.figures.unsaid.whole - one.figures.unsaid.part,
        "fresh": one.figures.fresh,
        "missing": _missing(one, wanted),
    }


def _missing(one: earning.Standing, wanted: Automation) -> str:
    """What a route that asks a person lacks to go out by itself, in a sentence."""
    share, fresh, unsaid = one.figures
    if one.row is not None:
        return ""
    if not one.may_be_earned:
        return "The policy asks a person always."
    if share.whole < wanted.least:
        return f"{wanted.least - share.whole} more judgements are needed."
    if share.low < wanted.bar:
        return f"The lower end must reach {wanted.bar:.0%}."
    if fresh < wanted.fresh_least:
        return f"{wanted.fresh_least - fresh} more fresh judgements are needed."
    if unsaid.high < wanted.bar:
        return "Too many said that it was wrong."
    return "It has what it takes, and is earned within the hour."
