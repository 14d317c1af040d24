"""The manager's page: at most three things to do, in under two minutes."""

from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from coaching import busy_weeks, open_pages, worktime
from coaching.team import reports_of, team
from coaching.views.pages import for_role, is_part, person, show, zone_of
from consent import gate
from consent.scopes import Scope
from interventions import asks, wishes
from interventions.models import ManagerAsk
from learners import access
from learners.models import Learner, Role, User

NOT_NOW = {"busy": ("Busy week", 7), "leave": ("On leave", 14), "week": ("Ask me in a week", 7)}


class AnswerForm(forms.Form):
    """What a manager sent about one card."""

    act = forms.ChoiceField(choices=[(key, key) for key in ("do", "done", "later", "wrong", "coach")])
    version = forms.IntegerField()
    later = forms.CharField(required=False, max_length=8)
    until = forms.DateField(required=False)
    reason = forms.CharField(required=False, max_length=1000)
    flag = forms.ChoiceField(required=False, choices=[("yes", "yes"), ("no", "no")])
    helped = forms.ChoiceField(required=False, choices=[("yes", "yes"), ("no", "no")])


@for_role(Role.MANAGER)
@require_safe
def my_team(request: HttpRequest) -> HttpResponse:
    """The page: what to do, what is being handled, what went well."""
    now = timezone.now()
    return show(request, "team.html", _context(person(request), now), part="cards")


@for_role(Role.MANAGER)
@require_POST
def answer_ask(request: HttpRequest, ask_id: UUID) -> HttpResponse:
    """Does what the manager answered to one card, and shows the cards that are left."""
    user, now = person(request), timezone.now()
    sharing = gate.filter_allowed(reports_of(user, now=now), Scope.MANAGER)
    ask = get_object_or_404(
        ManagerAsk.objects.filter(manager=user, enrolment__learner_id__in=sharing), pk=ask_id
    )
    form = AnswerForm(request.POST)
    fault, status = "", 200
    if not form.is_valid():
        fault, status = "Choose one of the answers.", 422
    else:
        try:
            said = _apply(ask, form.cleaned_data, user, now)
        except asks.StaleVersion:
            fault, status = "This card was changed in the meantime. Here is how it stands now.", 409
        except forms.ValidationError as wrong:
            fault, status = wrong.messages[0], 422
    if not fault and not is_part(request):
        messages.info(request, said)
        return redirect("team")
    extra = {"fault": fault, "fault_on": ask.pk, "kept": request.POST.get("reason", "") if fault else ""}
    context = _context(user, now) | extra
    if fault:
        return show(request, "team.html", context, part="cards", status=status, focus="fault")
    cards = context["team"].cards
    focus = f"ask-{cards[0].ask.pk}-name" if cards else "todo"
    if ask.pk in {card.ask.pk for card in context["team"].taken}:
        focus = f"ask-{ask.pk}-name"
    return show(request, "team.html", context, part="cards", say=said, focus=focus)


class LookForm(forms.Form):
    """Whom a coach shall look at, and why."""

    learner = forms.UUIDField()
    text = forms.CharField(required=False, max_length=1000)


@for_role(Role.MANAGER)
@require_http_methods(["GET", "HEAD", "POST"])
def please_look(request: HttpRequest) -> HttpResponse:
    """Asks a coach to look at one of the manager's people. It answers alike, whatever the person has agreed to."""
    user, now = person(request), timezone.now()
    reports = Learner.objects.filter(pk__in=reports_of(user, now=now)).order_by("pk")
    people = sorted(access.audited(user, reports, action="team.look", now=now), key=_name)
    context: dict[str, Any] = {"people": [(learner.pk, _name(learner)) for learner in people]}
    if request.method != "POST":
        return render(request, "team_look.html", context)
    form = LookForm(request.POST)
    if not form.is_valid():
        context |= {"fault": "Choose a person first.", "kept": request.POST.get("text", "")[:1000]}
        return render(request, "team_look.html", context, status=422)
    learner = next((one for one in people if one.pk == form.cleaned_data["learner"]), None)
    if learner is None:
        raise Http404("This person is none of your reports.")
    wishes.please_look(learner=learner, by=user, text=form.cleaned_data["text"].strip(), now=now)
    messages.info(request, "Thank you. If the person has agreed to it, a coach will have a look.")
    return redirect("team")


def _name(learner: Learner) -> str:
    return learner.name or learner.pseudonym


def _apply(ask: ManagerAsk, sent: dict[str, Any], user: User, now: datetime) -> str:
    version = sent["version"]
    match sent["act"]:
        case "do":
            asks.accept(ask=ask, version=version, now=now)
            return "Thank you. It is on your list now."
        case "done":
            asks.done(ask=ask, version=version, now=now, action_helped=_yes(sent["helped"]))
            return "Noted as done. We look again in a week."
        case "later":
            until = _until(sent, user, now)
            asks.not_now(ask=ask, version=version, until=until, now=now)
            return f"We ask you again on {until:%-d %B}."
        case "wrong":
            if not sent["reason"].strip():
                raise forms.ValidationError("Say in a few words what is wrong, so that it is put right.")
            asks.wrong(
                ask=ask,
                version=version,
                reason=sent["reason"].strip(),
                now=now,
                flag_was_right=_yes(sent["flag"]),
            )
            return "Thank you. We have stopped this and noted why."
    asks.hand_on(ask=ask, version=version, now=now)
    return "A coach takes over from here."


def _yes(sent: str) -> bool | None:
    """Yes, no, or nothing said."""
    return {"yes": True, "no": False}.get(sent)


def _until(sent: dict[str, Any], user: User, now: datetime) -> datetime:
    zone = zone_of(user)
    today = now.astimezone(zone).date()
    day = sent["until"]
    if day is None:
        if sent["later"] not in NOT_NOW:
            raise forms.ValidationError("Choose when to ask you again.")
        day = today + timedelta(days=NOT_NOW[sent["later"]][1])
    if not today < day <= today + timedelta(days=30):
        raise forms.ValidationError("Choose a day within the next 30 days.")
    return datetime.combine(day, time(8), zone)


def _context(user: User, now: datetime) -> dict[str, Any]:
    listening = open_pages.shown(open_pages.of_role(open_pages.MANAGERS))
    seen = team(user, now=now)
    access.audited(user, seen.learners, action="team.read", now=now)
    return {
        **listening,
        "team": seen,
        "busy": busy_weeks.now_in(user, now=now),
        "not_now": [(key, name) for key, (name, _) in NOT_NOW.items()],
        "next_check": worktime.next_working_morning(now, zone_of(user), hour=8),
        "trend_text": "; ".join(f"week of {week.monday:%-d %b}: {week.active}" for week in seen.trend),
    }
