"""The administrators' page about the data: how each source is doing, and what to do."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from coaching.models import Case
from coaching.views.pages import for_role, person
from consent.actors import Party
from interventions import first_action
from learners.models import Role
from signals.models import Finding
from signals.quality.findings import NotOpen, accept
from signals.quality.overview import Source, overview
from signals.risk.live import open_faults

# A drawing of 152 × 48; a bar of 14 every 19.
STEP, HEIGHT, TALLEST = 19, 48, 42
# Where the mend of a finding is done.
PLACES = {
    Finding.Kind.QUARANTINE: ("Open the quarantine", "admin:signals_quarantined_changelist", True),
    Finding.Kind.CLOCK: ("Open the quarantine", "admin:signals_quarantined_changelist", True),
    Finding.Kind.NEW_VERB: ("Open the unknown verbs", "admin:signals_unknownverb_changelist", False),
    Finding.Kind.MISSING_COURSE: ("Open the courses", "admin:learners_course_changelist", False),
    Finding.Kind.VOLUME: ("Open the days off", "admin:signals_dayoff_changelist", False),
}


@for_role(Role.ADMIN)
@require_safe
def sources(request: HttpRequest) -> HttpResponse:
    """One line per source, those that need a look first."""
    now = timezone.now()
    seen = overview(now=now)
    lines = [
        {"source": source, "bars": _bars(source), "findings": _findings(source)} for source in seen.sources
    ]
    context = {
        "overview": seen,
        "lines": lines,
        "faults": list(open_faults()),
        "without_coach": [
            (count, why or "not looked at yet") for why, count in Case.objects.without_coach().items()
        ],
        "first_actions": first_action.measure(now=now),
        "first_actions_days": first_action.DAYS,
    }
    return render(request, "quality.html", context)


@for_role(Role.ADMIN)
@require_POST
def call_normal(request: HttpRequest, finding_id: int) -> HttpResponse:
    """Closes a finding because this is how it is from now on."""
    finding = get_object_or_404(Finding.objects.select_related("source", "model"), pk=finding_id)
    try:
        accept(finding, by=Party("user", person(request).pk), now=timezone.now())
    except NotOpen:
        messages.info(request, "That was over already.")
    else:
        messages.info(request, f"{finding.about}: noted as normal from now on.")
    return redirect("quality")


def _bars(source: Source) -> list[dict[str, Any]]:
    most = max((week.statements for week in source.weeks), default=0)
    bars = []
    for place, week in enumerate(source.weeks):
        height = max(round(TALLEST * week.statements / most), 1) if most and week.statements else 0
        bars.append({"x": place * STEP + 1, "y": HEIGHT - 2 - height, "height": height})
    return bars


def _findings(source: Source) -> list[dict[str, Any]]:
    return [{"finding": finding, "place": _place(finding)} for finding in source.findings]


def _place(finding: Finding) -> tuple[str, str] | None:
    """Where to go, and what that is called."""
    found = PLACES.get(Finding.Kind(finding.kind))
    if found is None:
        return None
    name, address, by_source = found
    wanted = {"state__exact": "waiting", "credential__id__exact": str(finding.source_id)} if by_source else {}
    return name, reverse(address) + (f"?{urlencode(wanted)}" if wanted else "")
