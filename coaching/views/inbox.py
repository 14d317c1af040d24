"""The coach's inbox: what needs a decision, with everything needed to decide it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods
from django_htmx.http import push_url

from coaching import casework, choosing, open_pages, wording
from coaching.models import Case, DismissReason
from coaching.querysets import CaseQuerySet
from coaching.timeline import timeline
from coaching.views.pages import for_role, is_part, person, show
from coaching.why_not import may_be_asked_about
from consent import gate
from consent.scopes import Scope
from interventions import explain
from interventions.models import AlertSlot, HelpRequest
from interventions.policy.document import ATTEMPTS, load
from learners import access
from learners.models import Role, User
from signals.models import SecondLook

VIEWS = {
    "needs": ("Needs decision", "inbox"),
    "mine": ("Mine", "user"),
    "working": ("Being worked on", "hand"),
    "snoozed": ("Snoozed", "snooze"),
    "done": ("Done, 7 days", "check"),
}
EMPTY = {
    "needs": "Nothing needs a decision. New cases appear here by themselves.",
    "mine": "No open case is yours.",
    "working": "Nobody is being looked after at the moment.",
    "snoozed": "Nothing is snoozed.",
    "done": "Nothing was closed in the last seven days.",
}
SNOOZES = {"tomorrow": ("Tomorrow", 1), "days": ("In 3 days", 3), "week": ("Next week", 7)}
SCOPES = {
    Scope.PROFILE: "Use of activity",
    Scope.NUDGE: "Nudges",
    Scope.MANAGER: "Word to the manager",
    Scope.COACH: "A coach",
}
ALERTS_A_WEEK = 2
LONGEST_LIST = 200


class Decide(forms.Form):
    """What a coach sent. What a decision needs beyond its fields, casework says."""

    decision = forms.ChoiceField(
        choices=[
            (key, key)
            for key in (
                "approve",
                "change",
                "dismiss",
                "snooze",
                "accept",
                "note",
                "close",
                "hand_on",
                "apart",
            )
        ]
    )
    version = forms.IntegerField()
    note = forms.CharField(required=False, max_length=4000)
    route = forms.CharField(required=False, max_length=16)
    reason = forms.CharField(required=False, max_length=16)
    away_until = forms.DateField(required=False)
    snooze = forms.CharField(required=False, max_length=16)
    until = forms.DateField(required=False)
    flag = forms.TypedChoiceField(required=False, choices=[("yes", "yes"), ("no", "no")], empty_value="")
    helped = forms.TypedChoiceField(required=False, choices=[("yes", "yes"), ("no", "no")], empty_value="")
    recovered = forms.BooleanField(required=False)
    to = forms.UUIDField(required=False)


@dataclass(frozen=True)
class Row:
    """A case as the list and the detail show it."""

    case: Case
    called: str
    trouble: str
    trouble_icon: str
    impact: str
    impact_key: str
    tried: str
    left: str
    is_overdue: bool
    step: str


@for_role(Role.COACH)
@require_http_methods(["GET", "HEAD", "POST"])
def inbox(request: HttpRequest, case_id: UUID | None = None) -> HttpResponse:
    """The list with one case open; a POST decides that case and opens the next."""
    user, now = person(request), timezone.now()
    view = request.GET.get("view", "needs")
    view = view if view in VIEWS else "needs"
    if request.method == "POST":
        if case_id is None:
            return HttpResponse(status=405, headers={"Allow": "GET, HEAD"})
        return _decide(request, user, view, case_id, now)
    care = access.in_care_of(user, on=now.date())
    cases = Case.objects.of(care)
    chosen = get_object_or_404(cases.for_reading(), pk=case_id) if case_id is not None else None
    context = _board(cases, care, user, view, chosen, now, on_its_own=case_id is not None)
    return show(request, "inbox.html", context, part="board")


def _decide(request: HttpRequest, user: User, view: str, case_id: UUID, now: datetime) -> HttpResponse:
    care = access.in_care_of(user, on=now.date())
    cases = Case.objects.of(care)
    case = get_object_or_404(cases.for_reading(), pk=case_id)
    order = list(cases.view(view, by=user.pk, now=now).values_list("pk", flat=True)[:LONGEST_LIST])
    form = Decide(request.POST)
    kept = {"note": request.POST.get("note", ""), "reason": request.POST.get("reason", "")}
    if not form.is_valid():
        said_nothing = "decision" in form.errors or "version" in form.errors
        fault = "Use one of the buttons." if said_nothing else "Look at the dates and texts you gave again."
        context = _board(cases, care, user, view, case, now, on_its_own=True) | {"fault": fault, "kept": kept}
        return show(request, "inbox.html", context, part="board", status=422, focus="fault")
    try:
        said = _apply(case, user, form.cleaned_data, now)
    except casework.StaleVersion as stale:
        context = _board(cases, care, user, view, stale.case, now, on_its_own=True)
        context |= {"stale": _who_was_first(stale, user), "kept": kept}
        return show(request, "inbox.html", context, part="board", status=409, focus="stale")
    except casework.NotNow as fault:
        context = _board(cases, care, user, view, case, now, on_its_own=True) | {
            "fault": str(fault),
            "kept": kept,
        }
        return show(request, "inbox.html", context, part="board", status=422, focus="fault")
    if form.cleaned_data["decision"] == "apart":
        care = access.in_care_of(user, on=now.date())
        cases = Case.objects.of(care)
    if form.cleaned_data["decision"] in ("accept", "note"):
        chosen = cases.for_reading().filter(pk=case_id).first()
    else:
        chosen = _next(cases, user, view, order, case_id, now)
    left = cases.counts(by=user.pk, now=now)["needs"]
    said = f"{said} {left} left to decide."
    address = reverse("case", args=[chosen.pk]) if chosen else reverse("inbox")
    address += f"?view={view}"
    if not is_part(request):
        messages.info(request, said)
        return redirect(address)
    context = _board(cases, care, user, view, chosen, now, on_its_own=chosen is not None)
    return push_url(
        show(request, "inbox.html", context, part="board", say=said, focus="case" if chosen else "list"),
        address,
    )


def _apply(case: Case, user: User, sent: dict[str, Any], now: datetime) -> str:
    """Does what was decided and says so in one sentence."""
    common: dict[str, Any] = {"case": case, "by": user.pk, "now": now}
    changing = {**common, "version": sent["version"], "text": sent["note"]}
    called = case.enrolment.learner.pseudonym
    match sent["decision"]:
        case "approve":
            casework.approve(**changing)
            return f"Approved {wording.STEPS[case.decision.action]} for {called}."
        case "change":
            casework.change_route(**changing, action=sent["route"])
            return f"Changed the route for {called} to {wording.STEPS.get(sent['route'], 'another one')}."
        case "dismiss":
            until = _morning(sent["away_until"]) if sent["away_until"] else None
            casework.dismiss(**changing, reason=sent["reason"], until=until)
            return f"Dismissed {called}: {DismissReason(sent['reason']).label.lower()}."
        case "snooze":
            until = _snoozed_until(sent, now)
            casework.snooze(**changing, until=until)
            return f"Snoozed {called} until {wording.day(until)}."
        case "accept":
            casework.accept(**changing)
            return f"You took on {called}. Their name is shown to you now."
        case "hand_on":
            casework.hand_on(**changing, to=sent["to"])
            return f"Handed {called} on."
        case "apart":
            casework.step_back(**changing)
            return f"{called} goes to somebody else. You no longer see the case."
        case "close":
            casework.close(
                **changing,
                flag_was_right=_yes(sent["flag"]),
                action_helped=_yes(sent["helped"]),
                recovered=sent["recovered"],
            )
            return f"Closed {called}."
    casework.note(**common, text=sent["note"])
    return "Note kept."


def _yes(answer: str) -> bool | None:
    return None if not answer else answer == "yes"


def _morning(day: Any) -> datetime:
    return datetime.combine(day, time(8), timezone.get_current_timezone())


def _snoozed_until(sent: dict[str, Any], now: datetime) -> datetime:
    if sent["until"]:
        return _morning(sent["until"])
    if sent["snooze"] not in SNOOZES:
        raise casework.NotNow("Choose until when.")
    days = SNOOZES[sent["snooze"]][1]
    return _morning(timezone.localtime(now).date() + timedelta(days=days))


def _next(
    cases: CaseQuerySet, user: User, view: str, order: list[UUID], case_id: UUID, now: datetime
) -> Case | None:
    """The case that stood after this one in the list, else the first that is left."""
    after = order[order.index(case_id) + 1 :] if case_id in order else []
    rows = cases.for_reading().view(view, by=user.pk, now=now)
    left = {case.pk: case for case in rows[:LONGEST_LIST]}
    return next((left[pk] for pk in after if pk in left), next(iter(left.values()), None))


def _who_was_first(stale: casework.StaleVersion, user: User) -> dict[str, Any]:
    verdict = stale.verdict
    if verdict is None:
        return {"who": "", "what": "", "at": None}
    first = User.objects.filter(pk=verdict.by).first()
    who = "You" if verdict.by == user.pk else (first.name if first else "") or "A colleague"
    what = verdict.get_kind_display().lower()
    if verdict.reason:
        what += f" ({verdict.get_reason_display().lower()})"
    return {"who": who, "what": what, "at": verdict.at}


def _board(
    cases: CaseQuerySet,
    care: Collection[UUID],
    user: User,
    view: str,
    chosen: Case | None,
    now: datetime,
    *,
    on_its_own: bool,
) -> dict[str, Any]:
    """Views with their counts, the list, and the case that is open."""
    listening = open_pages.shown(open_pages.of_role(open_pages.COACHES))
    counts = cases.counts(by=user.pk, now=now)
    rows = [
        _row(case, user, now) for case in cases.view(view, by=user.pk, now=now).for_reading()[:LONGEST_LIST]
    ]
    if chosen is None and rows:
        chosen = rows[0].case
    shown = {row.case.enrolment.learner.pk: row.case.enrolment.learner for row in rows}
    if chosen is not None:
        shown[chosen.enrolment.learner.pk] = chosen.enrolment.learner
    if shown:
        access.audited(user, shown.values(), action="inbox.read", now=now)
    return {
        **listening,
        "view": view,
        "view_name": VIEWS[view][0],
        "views": [(key, name, icon, counts[key]) for key, (name, icon) in VIEWS.items()],
        "overdue": counts["overdue"],
        "looks": SecondLook.objects.of(care).open().count(),
        "rows": rows,
        "empty": EMPTY[view],
        "on_its_own": on_its_own,
        "detail": _detail(chosen, user, now) if chosen else None,
        "reasons": DismissReason.choices,
        "snoozes": [(key, name) for key, (name, _) in SNOOZES.items()],
        "tomorrow": timezone.localtime(now).date() + timedelta(days=1),
        "latest": timezone.localtime(now).date() + timedelta(days=29),
    }


def _row(case: Case, user: User, now: datetime) -> Row:
    impact = case.enrolment.learner.job_role.impact if case.enrolment.learner.job_role else "standard"
    trouble, icon = wording.trouble(case.episode.triggers)
    return Row(
        case=case,
        called=case.called(user.pk),
        trouble=trouble,
        trouble_icon=icon,
        impact=wording.IMPACT[impact],
        impact_key=impact,
        tried=wording.tried(case.episode.failed_attempts),
        left=wording.time_left(case, now),
        is_overdue=case.state == Case.State.OPEN and case.due_at < now,
        step=wording.STEPS.get(case.decision.action, case.decision.action),
    )


def _detail(case: Case, user: User, now: datetime) -> dict[str, Any]:
    """Everything the detail of one case shows."""
    row = _row(case, user, now)
    learner, decision = case.enrolment.learner, case.decision
    decision.enrolment = case.enrolment  # the same row; spares a query
    notes = list(case.notes.all())
    authors = User.objects.in_bulk({note.by for note in notes})
    slots = AlertSlot.objects.filter(
        learner_id=learner.pk, kind=AlertSlot.Kind.LEARNER, during__contains=now
    ).exclude(state=AlertSlot.State.RELEASED)
    ends = sorted(slot.during.upper for slot in slots)
    routes = [(key, name) for key, name in wording.ROUTES.items() if key not in ("monitor", decision.action)]
    is_open = case.state in (Case.State.OPEN, Case.State.SNOOZED)
    return {
        "row": row,
        "case": case,
        "summary": _summary(row),
        "role": learner.job_role.name if learner.job_role else "Role unknown",
        "why": explain.why(decision),
        "timeline": timeline(case.episode),
        "matrix": _matrix(case, row.impact_key),
        "scopes": [(name, bool(gate.filter_allowed([learner.pk], scope))) for scope, name in SCOPES.items()],
        "alerts": len(ends),
        "alerts_a_week": ALERTS_A_WEEK,
        "next_slot": ends[0] if len(ends) >= ALERTS_A_WEEK else None,
        "notes": [
            (note, (authors[note.by].name if note.by in authors else "") or "A colleague") for note in notes
        ],
        "asked": _asked(case) if case.shows_name_to(user.pk) else [],
        "is_open": is_open,
        "is_mine": case.state == Case.State.ACCEPTED and case.assignee_id == user.pk,
        "can_approve": is_open and not case.is_escalation,
        "routes": routes,
        "suggested": _suggested(case, user),
        "may_ask_why_not": may_be_asked_about(user, learner),
        "colleagues": [
            (one.pk, one.name or str(one)) for one in choosing.eligible(case, now=now) if one.pk != user.pk
        ]
        if case.state != Case.State.CLOSED
        else [],
    }


def _suggested(case: Case, user: User) -> str:
    """To whom an open case is suggested, and why; or why it waits for anybody."""
    if case.state not in (Case.State.OPEN, Case.State.SNOOZED) or not case.suggested_because:
        return ""
    if case.suggested_to is None:
        return f"Nobody is suggested: {case.suggested_because}. Whoever can, takes it."
    whom = "you" if case.suggested_to_id == user.pk else case.suggested_to.name or "a colleague"
    return f"Suggested to {whom}: {case.suggested_because}."


def _asked(case: Case) -> list[tuple[str, HelpRequest]]:
    """What was written by those who asked for a person, for whoever works on the case: it may name the learner."""
    requests = HelpRequest.objects.filter(
        enrolment_id=case.enrolment_id, escalated_at__gte=case.episode.opened_at
    ).order_by("asked_at", "pk")
    who = {HelpRequest.Kind.MANAGER.value: "The manager"}
    return [(who.get(request.kind, "The learner"), request) for request in requests if request.text]


def _summary(row: Row) -> str:
    """The case in one sentence."""
    course = row.case.enrolment.course.name
    what = row.trouble[0].lower() + row.trouble[1:]
    if row.case.is_escalation:
        return f"{row.called} in {course}: {what}. {row.tried}; now a person is asked to look."
    return f"{row.called} in {course}: {what}. {row.tried}; {row.step} is suggested next."


def _matrix(case: Case, impact: str) -> dict[str, Any] | None:
    """The rows of the routing matrix for this role's impact, with the cell that was used."""
    cell = next((key.split(":") for key in case.decision.reasons if str(key).startswith("matrix:")), None)
    policy = case.decision.policy
    table = load(policy.document).matrix
    if cell is not None:
        impact = cell[1]
    return {
        "impact": wording.IMPACT[impact],
        "policy": policy.version,
        "attempts": ["none", "one", "two or more"][: len(ATTEMPTS)],
        "rows": [
            (
                band,
                [
                    (wording.ROUTES[action], cell is not None and cell[2] == band and int(cell[3]) == number)
                    for number, action in enumerate(table[impact][band])
                ],
            )
            for band in ("medium", "high")
        ],
        "used": cell is not None,
    }
