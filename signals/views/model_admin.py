"""Model versions in the admin: what each is and does, which one is live and why, and the buttons that change it."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from learners.access import asked_by
from signals.features.definitions import BY_KEY
from signals.features.retired import NoSuchFeature, RetiredAlready, restore, retire
from signals.models import Finding, ModelAudit, ModelVersion, Promotion, RetiredFeature, TrainingRun
from signals.risk import disagreements, shadow
from signals.risk.live import live_model
from signals.training import audits, drift, fairness, promotion, stale
from signals.training import card as cards
from signals.training.markdown import METRICS, RATES, columns, facts, figure, shown
from signals.training.remedies import REMEDIES
from signals.views import plots
from signals.views.choices import offer

FOLDER = "admin/signals/modelversion"
FEATURES_AT_ONCE = 20  # on a card; the rest opens below


class WhyForm(forms.Form):
    """Why a model goes live, on trial or back, in a sentence that the row keeps."""

    reason = forms.CharField(
        max_length=500,
        label="Why?",
        help_text="One sentence. It is kept with the row.",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )


class RemedyForm(forms.Form):
    remedy = forms.ChoiceField(choices=[(one.key, one.name) for one in REMEDIES.values()], label="Remedy")
    attribute = forms.ChoiceField(label="To close the gap by")

    def __init__(self, *args: Any, attributes: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer(self, "attribute", [(name, name) for name in attributes])


class ModelVersionAdmin(admin.ModelAdmin):
    """Nothing is edited here: versions are trained, and what changes is which one is live."""

    list_display = ("title", "state", "kind", "trained", "ap", "ece", "last_word")
    ordering = ("-is_live", "-is_shadow", "-created_at", "-pk")
    list_per_page = 50
    actions = None
    change_list_template = f"{FOLDER}/list.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        return super().get_queryset(request).defer("artefact").prefetch_related("promotions")

    def get_urls(self) -> list[URLPattern]:
        def own(route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"signals_modelversion_{name}")

        return [
            own("drift/", self.drift_view, "drift"),
            own("fairness/", self.fairness_view, "fairness"),
            own("features/", self.features_view, "features"),
            own("back/", self.back_view, "back"),
            own("<int:model_id>/promote/", self.promote_view, "promote"),
            own("<int:model_id>/shadow/", self.shadow_view, "shadow"),
            *super().get_urls(),
        ]

    # --- the list ---------------------------------------------------------------------------------------------------

    @admin.display(description="model", ordering="name")
    def title(self, model: ModelVersion) -> str:
        return model.name

    @admin.display(description="state")
    def state(self, model: ModelVersion) -> SafeString:
        key, label = state_of(model)
        return format_html('<span class="rk-state rk-{}">{}</span>', key, label)

    @admin.display(description="learned from what was known on", ordering="trained_as_of")
    def trained(self, model: ModelVersion) -> str:
        return f"{model.trained_as_of:%-d %B %Y}" if model.trained_as_of else "not trained"

    @admin.display(description="AP")
    def ap(self, model: ModelVersion) -> str:
        return _headline(model, "ap")

    @admin.display(description="ECE")
    def ece(self, model: ModelVersion) -> str:
        return _headline(model, "ece")

    @admin.display(description="last word")
    def last_word(self, model: ModelVersion) -> str:
        rows = sorted(model.promotions.all(), key=lambda row: -row.pk)
        return f"{rows[0].get_outcome_display()} {rows[0].at:%-d %B}" if rows else "–"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        now = timezone.now()
        live = live_model(now=now)
        trial = shadow.shadow_model()
        scored, risks = shadow.coverage()
        context = {
            "title": "Models of risk",
            "live": live,
            "can_go_back": Promotion.objects.filter(
                outcome=Promotion.Outcome.PROMOTED, candidate=live, replaced__isnull=False
            ).exists(),
            "trial": trial,
            "scored": scored,
            "risks": risks,
            "trial_fault": shadow.fault(trial) if trial else "",
            "looks": disagreements.tally(trial) if trial else None,
            "findings": Finding.objects.open().filter(model__isnull=False).select_related("model"),
            "asked": promotion.asked(),
            "runs": TrainingRun.objects.select_related("model_version").defer(
                "model_version__artefact", "model_version__card", "model_version__metrics"
            )[:5],
            "rows": Promotion.objects.select_related("candidate", "replaced").defer(
                "candidate__artefact", "candidate__card", "replaced__artefact", "replaced__card", "comparison"
            )[:10],
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    # --- one version ------------------------------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The model card, what the gate said of it, and what can be done."""
        model = self._model(request, object_id)
        fault, card = "", cards.Card()
        try:
            card = cards.read(model.card)
        except cards.UnreadableCard as unreadable:
            fault = str(unreadable)
        newest = (
            Promotion.objects.filter(candidate=model)
            .exclude(comparison={})
            .filter(comparison__has_key="rows")
            .order_by("-pk")
            .first()
        )
        points = plots.dots(card.calibration)
        features = sorted(card.features, key=lambda one: (-(one.importance or 0), one.key))
        return self._page(
            request,
            "card.html",
            title=f"Model {model.name}",
            model=model,
            state=state_of(model),
            fault=fault,
            facts=facts(model, card),
            metrics=_table(card.metrics),
            measured_on=card.measured_on,
            slices=[(name, _table(shown(groups))) for name, groups in card.slices.items()],
            reports=_reports(fairness.load(card.fairness)),
            features=features[:FEATURES_AT_ONCE],
            more_features=features[FEATURES_AT_ONCE:],
            ablation=sorted(card.ablation, key=lambda one: -(one.drop.value or 0)),
            dots=points,
            line=plots.line(points),
            bars=plots.bars(card.scores),
            tried=card.tried,
            limits=card.limits,
            row=newest,
            comparison=promotion.comparison_of(newest) if newest else None,
            rows=Promotion.objects.filter(candidate=model).select_related("replaced")[:20],
        )

    # --- what changes things ----------------------------------------------------------------------------------------

    def promote_view(self, request: HttpRequest, model_id: int) -> HttpResponse:
        """Asks for the reason, then asks the gate."""
        model = self._model(request, str(model_id))
        return self._why(
            request,
            title=f"Take {model.name} to the gate",
            says="It is compared with the live model on people neither learned from, which takes a minute or two."
            " It goes live only if every check passes; either way a row says why.",
            act=lambda why: promotion.ask(
                candidate=model, because=why, now=timezone.now(), by=asked_by(request)
            ),
            done=f"{model.name} waits for the gate. Its answer appears on this page.",
            back=reverse("admin:signals_modelversion_change", args=[model.pk]),
        )

    def shadow_view(self, request: HttpRequest, model_id: int) -> HttpResponse:
        """Asks for the reason, then begins or ends a trial."""
        model = self._model(request, str(model_id))
        change = promotion.out_of_shadow if model.is_shadow else promotion.to_shadow
        return self._why(
            request,
            title=f"End the trial of {model.name}" if model.is_shadow else f"Put {model.name} on trial",
            says="It no longer scores; what coaches found where it disagreed stays."
            if model.is_shadow
            else "It scores beside the live model whatever is refreshed. No manager sees it. Where the two disagree,"
            f" coaches are asked to look: at most {disagreements.PER_WEEK} people a week. Any other trial ends.",
            act=lambda why: change(candidate=model, because=why, now=timezone.now(), by=asked_by(request)),
            done="Done.",
            back=reverse("admin:signals_modelversion_change", args=[model.pk]),
        )

    def back_view(self, request: HttpRequest) -> HttpResponse:
        """Asks for the reason, then takes the live model back."""
        live = live_model(now=timezone.now())
        return self._why(
            request,
            title=f"Take {live.name} back",
            says="The model it replaced is live at once. What this one said is no longer acted upon; everybody is"
            " scored anew within minutes, a few thousand at a time.",
            act=lambda why: promotion.roll_back(because=why, now=timezone.now(), by=asked_by(request)),
            done=f"{live.name} is taken back.",
            back=reverse("admin:signals_modelversion_changelist"),
        )

    def _why(
        self,
        request: HttpRequest,
        *,
        title: str,
        says: str,
        act: Callable[[str], Promotion],
        done: str,
        back: str,
    ) -> HttpResponse:
        form = WhyForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                row = act(form.cleaned_data["reason"])
            except (promotion.AlreadyLive, promotion.NothingToTakeBack, promotion.NotFit) as fault:
                self.message_user(request, str(fault), messages.ERROR)
            else:
                self.message_user(request, done, messages.SUCCESS)
                comparison = promotion.comparison_of(row)
                if comparison is not None and not comparison.passes:
                    self.message_user(request, comparison.refusal, messages.WARNING)
            return HttpResponseRedirect(back)
        return self._page(request, "confirm.html", title=title, says=says, form=form, back=back)

    # --- drift, fairness, features ----------------------------------------------------------------------------------

    def drift_view(self, request: HttpRequest) -> HttpResponse:
        """How far people have moved from those the live model learned from, and whether its risks come true."""
        now = timezone.now()
        live = self._live(request)
        return self._page(
            request,
            "drift.html",
            title="Drift",
            live=live,
            stability=drift.stability(live, now=now),
            calibration=drift.calibration(live, now=now),
            bound=drift.PSI_MOVED,
            findings=Finding.objects.open().filter(model=live),
        )

    def fairness_view(self, request: HttpRequest) -> HttpResponse:
        """For whom the live model is right; what a remedy would bring and cost."""
        now = timezone.now()
        live = self._live(request)
        newest = ModelAudit.objects.filter(
            kind=ModelAudit.Kind.FAIRNESS, model_version=live, done_at__isnull=False
        ).first()
        report = fairness.load(newest.result) if newest else fairness.Report()
        attributes = [one.name for one in report.attributes]
        form = RemedyForm(
            request.POST if "_remedy" in request.POST else None, attributes=attributes or ["role"]
        )
        if request.method == "POST":
            if "_remedy" in request.POST and form.is_valid():
                audits.ask(ModelAudit.Kind.REMEDY, now=now, by=asked_by(request), **form.cleaned_data)
                self.message_user(request, "It is being tried; the result appears below in a minute or two.")
                return HttpResponseRedirect(request.path)
            if "_ask" in request.POST:
                audits.ask(ModelAudit.Kind.FAIRNESS, now=now, model=live, by=asked_by(request))
                self.message_user(
                    request, "It is being measured; the result appears here in a minute or two."
                )
                return HttpResponseRedirect(request.path)
        return self._page(
            request,
            "fairness.html",
            title="Fairness",
            live=live,
            newest=newest,
            reports=_reports(report),
            form=form,
            remedies=REMEDIES.values(),
            tried=[
                (
                    one,
                    [(METRICS.get(name, name), pair) for name, pair in one.result.get("metrics", {}).items()],
                )
                for one in ModelAudit.objects.filter(kind=ModelAudit.Kind.REMEDY)[:10]
            ],
            waits=ModelAudit.objects.filter(done_at__isnull=True).count(),
        )

    def features_view(self, request: HttpRequest) -> HttpResponse:
        """Features that tell nothing, with what is proposed; those that are retired."""
        now = timezone.now()
        form = WhyForm(request.POST if "_retire" in request.POST else None)
        if request.method == "POST":
            key = request.POST.get("key", "")
            try:
                if "_restore" in request.POST:
                    restore(key=key, now=now, by=asked_by(request))
                    self.message_user(request, "In use again from the next scoring on.", messages.SUCCESS)
                elif form.is_valid():
                    retire(key=key, reason=form.cleaned_data["reason"], now=now, by=asked_by(request))
                    self.message_user(request, "Retired from the next scoring on.", messages.SUCCESS)
                else:
                    self.message_user(request, "Say in a sentence why.", messages.ERROR)
            except (NoSuchFeature, RetiredAlready) as fault:
                self.message_user(request, str(fault), messages.ERROR)
            return HttpResponseRedirect(request.path)
        return self._page(
            request,
            "features.html",
            title="Features that tell nothing",
            stale=stale.stale(now=now),
            weeks=stale.WEEKS,
            least=stale.LEAST_PEOPLE,
            retired=[
                (row, BY_KEY[row.key].name if row.key in BY_KEY else row.key)
                for row in RetiredFeature.objects.filter(restored_at__isnull=True)
            ],
        )

    # --- shared -----------------------------------------------------------------------------------------------------

    def _live(self, request: HttpRequest) -> ModelVersion:
        # Whoever may not see versions gets the same answer as on their list.
        return self._model(request, str(live_model(now=timezone.now()).pk))

    def _model(self, request: HttpRequest, object_id: str) -> ModelVersion:
        model = self.get_object(request, object_id)
        if model is None or not self.has_view_permission(request, model):
            raise Http404("There is no such model.")
        return model

    def _page(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        return TemplateResponse(
            request,
            f"{FOLDER}/{template}",
            {**self.admin_site.each_context(request), "opts": self.opts, **context},
        )


def state_of(model: ModelVersion) -> tuple[str, str]:
    """The state of a version: a name for the style, and in words."""
    if model.is_live:
        return "live", "Live"
    if model.is_shadow:
        return "shadow", "On trial"
    if model.taken_back_at:
        return "back", "Taken back"
    return "candidate", "Not in use"


def _headline(model: ModelVersion, metric: str) -> str:
    try:
        metrics = cards.read(model.card).metrics
    except cards.UnreadableCard:
        return "–"
    figures = metrics.get("all days") or next(iter(metrics.values()), {})
    return figure(figures.get(metric))


def _table(tables: Any) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Headings and rows of figures."""
    names = columns(tables.values())
    return (
        [METRICS.get(name, name) for name in names],
        [(where, [figure(figures.get(name)) for name in names]) for where, figures in tables.items()],
    )


def _reports(report: fairness.Report) -> list[dict[str, Any]]:
    """Attributes with their cuts, every figure in words."""
    return [
        {
            "name": attribute.name,
            "cuts": [
                {
                    "says": cut.says,
                    "heads": list(RATES.values()),
                    "groups": [
                        (
                            group,
                            [figure(group.rates.get(rate), 2) for rate in RATES] if group.judged else [],
                            figure(group.calibration, 2) if group.judged else "",
                        )
                        for group in cut.groups
                    ],
                    "gap": cut.gaps.get("tpr"),
                    "gap_words": figure(cut.gaps["tpr"].figure) if "tpr" in cut.gaps else "",
                    "is_wide": "tpr" in cut.gaps
                    and (cut.gaps["tpr"].figure.value or 0) > fairness.WIDEST_GAP,
                    "hidden": cut.hidden,
                }
                for cut in attribute.cuts
            ],
        }
        for attribute in report.attributes
    ]
