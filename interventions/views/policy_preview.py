"""Before a draft is put in force: the last eight weeks under it, and one learner under it."""

import time
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone

from consent import audit
from consent.actors import Party
from interventions import lifts
from interventions.backtest import thresholds, widening
from interventions.backtest.preview import SPAN, more_alerts, preview
from interventions.backtest.words import REACH, ROWS, TOO_SMALL, assumptions, precision
from interventions.models import Policy
from interventions.policy import store, trial
from interventions.policy.document import LIVE, Document, load
from interventions.policy.forms import field_name
from interventions.policy.louder import Reason
from learners.access import asked_by
from learners.models import Course, Enrolment, Learner
from signals.models import ModelVersion

PREVIEW_SECONDS = 12.0  # then the people walked so far are a random sample of all
MOST_LISTED = 30
ACTIONS = {"learner": "Alerts to learners", "manager": "Alerts to managers", "coach": "Cases for coaches"}
# Where nobody says otherwise: of those flagged medium and high, so many should have needed help.
TARGETS = {"bands.medium": 60, "bands.high": 80}


class TargetForm(forms.Form):
    """For which precision a bound is looked for; whole per cents."""

    medium = forms.IntegerField(
        min_value=1, max_value=99, initial=TARGETS["bands.medium"], label="Medium: % right"
    )
    high = forms.IntegerField(min_value=1, max_value=99, initial=TARGETS["bands.high"], label="High: % right")


class ChooseForm(forms.Form):
    """Whom to try a draft on."""

    who = forms.CharField(
        required=False,
        max_length=200,
        label="Learner",
        help_text="A whole e-mail address, employee number or uuid.",
    )
    course = forms.ModelChoiceField(
        Course.objects.order_by("name", "pk"), required=False, label="Course", empty_label="Any course"
    )


class PreviewPages:
    """Pages of the policy admin that show a draft at work and change nothing."""

    admin_site: admin.AdminSite
    _policy: Callable[[HttpRequest, str], Policy]
    _page: Callable[..., HttpResponse]

    def preview_urls(self) -> list[URLPattern]:
        return [
            path(
                f"<int:policy_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"interventions_policy_{name}",
            )
            for name, view in (("preview", self.preview_view), ("try", self.try_view))
        ]

    def preview_view(self, request: HttpRequest, policy_id: int) -> HttpResponse:
        """The draft beside the policy in force on what was recorded in the last eight weeks."""
        policy = self._draft(request, policy_id)
        now = timezone.now()
        began = time.monotonic()
        told = preview(
            store.document(store.live()),
            load(policy.document),
            version=policy.version,
            now=now,
            is_over=within(PREVIEW_SECONDS),
        )
        return self._page(
            request,
            "admin/interventions/policy/preview.html",
            title=f"The last eight weeks under draft {policy.version}",
            policy=policy,
            told=told,
            seconds=time.monotonic() - began,
            since=now - SPAN,
            tables=_tables(told) if told else None,
            needs=[reason.why for reason in more_alerts(told)],
        )

    def try_view(self, request: HttpRequest, policy_id: int) -> HttpResponse:
        """Choose an enrolment; see the route it would take and why, under the policy in force and under the draft."""
        policy = self._draft(request, policy_id)
        form = ChooseForm(request.GET or None)
        now = timezone.now()
        chosen, found = None, []
        routes: list[trial.Route] = []
        wanted = request.GET.get("enrolment", "")
        rows = (
            Enrolment.objects.visible_to(request.user)
            .active()
            .select_related("learner__job_role", "course")
            .order_by("course__name", "pk")
        )
        if wanted:
            chosen = rows.filter(pk=int(wanted)).first() if wanted.isdecimal() and len(wanted) < 19 else None
            if chosen is None:
                raise Http404("There is no such enrolment.")
            _audit(request, "policy.tried", [chosen])
            routes = trial.routes(chosen, [store.live(), policy], now=now)
        elif request.GET and form.is_valid():
            found = list(self._wanted(request, rows, form)[: MOST_LISTED + 1])
            _audit(request, "policy.try_list", found[:MOST_LISTED])
        return self._page(
            request,
            "admin/interventions/policy/try.html",
            title=f"Try draft {policy.version} on one learner",
            policy=policy,
            form=form,
            found=found[:MOST_LISTED],
            more=len(found) > MOST_LISTED,
            asked=bool(request.GET) and not wanted,
            chosen=chosen,
            routes=routes,
        )

    def _wanted(
        self, request: HttpRequest, rows: "QuerySet[Enrolment]", form: ChooseForm
    ) -> "QuerySet[Enrolment]":
        if form.cleaned_data["course"]:
            rows = rows.filter(course=form.cleaned_data["course"])
        if form.cleaned_data["who"].strip():
            people: Any = self.admin_site.get_model_admin(Learner)
            learners, _ = people.get_search_results(
                request, people.get_queryset(request), form.cleaned_data["who"]
            )
            rows = rows.filter(learner__in=learners.order_by().values("pk"))
        return rows

    def _draft(self, request: HttpRequest, policy_id: int) -> Policy:
        policy = self._policy(request, str(policy_id))
        if policy.state != Policy.State.DRAFT:
            raise Http404("This version is no draft.")
        return policy


def within(seconds: float) -> Callable[[], bool]:
    """A question whose answer turns to yes when so much time has passed."""
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


def asks_preview(policy: Policy) -> Callable[[Document, Document], list[Reason]]:
    """What the preview has against a draft, asked when it is needed."""
    now = timezone.now()

    def ask(before: Document, after: Document) -> list[Reason]:
        return more_alerts(
            preview(before, after, version=policy.version, now=now, is_over=within(PREVIEW_SECONDS))
        )

    return ask


def proposals(document: Document, data: Any) -> tuple[TargetForm, dict[str, str]]:
    """The form of targets, and beside which field the record says what about its bound."""
    form = TargetForm(data if data and {"medium", "high"} <= set(data) else None)
    targets = dict(TARGETS)
    if form.is_bound and form.is_valid():
        targets = {"bands.medium": form.cleaned_data["medium"], "bands.high": form.cleaned_data["high"]}
    live = ModelVersion.objects.filter(is_live=True).values_list("name", flat=True).first()
    known = (
        thresholds.cases(model=live if document.model == LIVE else document.model, now=timezone.now())
        if live
        else []
    )
    compared = lifts.compared()
    said = {}
    for place, target in targets.items():
        band = place.split(".")[1]
        narrow = thresholds.propose(known, current=getattr(document.bands, band), target=target / 100)
        wide = widening.widen(known, document, compared, band=band, target=target / 100)
        said[field_name(place)] = f"{thresholds.sentence(narrow)} {widening.sentence(wide)}"
    return form, said


def _tables(told: dict[str, Any]) -> dict[str, Any]:
    """The figures as rows for the page."""
    live, draft = told["policies"]
    capacity = told["capacity"]["coach_hours_per_week"]
    return {
        "rows": [
            (words, *map(_number, (told["really_sent"].get(key), live[key], draft[key])))
            for key, words in ROWS
        ],
        "precision": [precision(live["precision"]), precision(draft["precision"])],
        "over": [side["coach_hours_per_week"] > capacity for side in (live, draft)],
        "capacity": capacity,
        "reach": [(words, told["reach"][key]) for key, words in REACH],
        "moves": told["choices"]["moves"],
        "differ": told["choices"]["differ"],
        "slices": [
            (
                row["name"],
                None
                if row["too_small"]
                else [[_number(side.get(kind, 0.0)) for side in row["policies"]] for kind in ACTIONS],
            )
            for row in told["slices"]
        ],
        "slice_heads": list(ACTIONS.values()),
        "too_small": TOO_SMALL,
        "assumptions": assumptions(told),
    }


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"


def _audit(request: HttpRequest, action: str, rows: list[Enrolment]) -> None:
    audit.record_reads(
        actor=Party("user", asked_by(request)),
        action=action,
        targets=[row.learner_id for row in rows],
        now=timezone.now(),
    )
