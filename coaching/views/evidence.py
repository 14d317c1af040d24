"""What a reason rests on: features, the events behind them, and the statement as it was sent."""

import json
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from coaching.models import Case
from coaching.views.me import myself
from coaching.views.pages import for_learner, for_role, person
from consent import gate
from consent.scopes import Scope
from learners import access
from learners.models import Enrolment, Learner, Role
from signals.archive.files import ArchiveUnreadable
from signals.models import Event, Statement
from signals.risk import evidence
from signals.risk.groups import NAMES, Signal
from signals.xapi import bodies


@for_role(Role.COACH)
@require_safe
def of_case(request: HttpRequest, case_id: UUID, signal: str) -> HttpResponse:
    """For the coach who has taken the case on; nobody else is told more than the sentences."""
    user, now = person(request), timezone.now()
    case = get_object_or_404(Case.objects.visible_to(user, now=now).for_reading(), pk=case_id)
    if not case.shows_name_to(user.pk):
        raise PermissionDenied
    access.audited(user, [case.enrolment.learner], action="evidence.read", now=now)
    return _page(
        request,
        case.enrolment,
        signal,
        called=case.called(user.pk),
        back=(reverse("case", args=[case.pk]), "Back to the case"),
        statement="statement" if user.has_role(Role.STEWARD) else "",
    )


@for_learner
@require_safe
def of_mine(request: HttpRequest, enrolment_id: int, signal: str) -> HttpResponse:
    """For the learner, about their own course, while they let their activity be used."""
    learner = myself(request)
    enrolment = get_object_or_404(
        learner.enrolments.active().select_related("course", "learner"), pk=enrolment_id
    )
    if not (gate.allows(learner.pk, Scope.PROFILE) and gate.allows(learner.pk, Scope.RECORD)):
        raise Http404
    return _page(
        request,
        enrolment,
        signal,
        called="",
        back=(reverse("me"), "Back to my page"),
        statement="my_statement",
    )


@for_role(Role.STEWARD)
@require_safe
def statement(request: HttpRequest, statement_id: UUID) -> HttpResponse:
    """A statement of somebody known, word for word, for data stewards. That it was read is noted."""
    user = person(request)
    event = get_object_or_404(Event, statement_id=statement_id)
    learner = get_object_or_404(Learner.objects.visible_to(user), pk=event.learner_id)
    access.audited(user, [learner], action="statement.read", now=timezone.now())
    return _statement(request, statement_id)


@for_learner
@require_safe
def my_statement(request: HttpRequest, statement_id: UUID) -> HttpResponse:
    """What a system sent about the learner who is signed in, word for word."""
    get_object_or_404(Event, statement_id=statement_id, learner_id=myself(request).pk)
    return _statement(request, statement_id)


def _page(
    request: HttpRequest,
    enrolment: Enrolment,
    signal: str,
    *,
    called: str,
    back: tuple[str, str],
    statement: str,
) -> HttpResponse:
    wanted = next((one for one in Signal if one.value == signal and one is not Signal.BACKGROUND), None)
    if wanted is None:
        raise Http404
    found = evidence.of(enrolment, wanted, feature=request.GET.get("feature", ""))
    context: dict[str, Any] = {
        "called": called,
        "course": enrolment.course.name,
        "name": NAMES[wanted],
        "found": found,
        "back": back,
        "statement": statement,
        "signals": [(one.value, NAMES[one]) for one in Signal if one is not Signal.BACKGROUND],
    }
    return render(request, "evidence.html", context)


def _statement(request: HttpRequest, statement_id: UUID) -> HttpResponse:
    row = get_object_or_404(Statement, pk=statement_id)
    try:
        told = json.dumps(bodies.decode(bytes(row.body)), indent=2, ensure_ascii=False)
    except ArchiveUnreadable:
        told = ""
    return render(request, "statement.html", {"row": row, "told": told})
