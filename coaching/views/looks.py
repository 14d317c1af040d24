"""The coach's second looks: does this person need help? Where the model does not know, a human says."""

from datetime import datetime
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

from coaching import looks
from coaching.views.pages import for_role, is_part, person, show
from learners import access
from learners.models import Role, User
from signals.models import SecondLook
from signals.second_looks import LONGEST_NOTE, AlreadyAnswered

ANSWERS = (
    ("needs_help", "Needs help", "hand"),
    ("does_not", "Does not need help", "check"),
    ("cannot_tell", "Cannot tell", "info"),
)
LONGEST_LIST = 200
SAID = {
    "needs_help": "Noted that {called} needs help.",
    "does_not": "Noted that {called} does not need help.",
    "cannot_tell": "Noted that nobody can tell about {called}.",
}


# Whoever says that somebody needs help must know whether anybody helps now.
IN_INBOX = "Their case is in the inbox."
NO_CASE = "No case opens by this alone: one does once the policy sees a reason, or they ask."


class Answer(forms.Form):
    """What a coach sent."""

    says = forms.ChoiceField(choices=[(key, name) for key, name, _ in ANSWERS])
    note = forms.CharField(required=False, max_length=LONGEST_NOTE)


@for_role(Role.COACH)
@require_http_methods(["GET", "HEAD", "POST"])
def second_looks(request: HttpRequest, look_id: UUID | None = None) -> HttpResponse:
    """The open ones with one of them shown; a POST answers that one and shows the next."""
    user, now = person(request), timezone.now()
    if request.method == "POST":
        if look_id is None:
            return HttpResponse(status=405, headers={"Allow": "GET, HEAD"})
        return _answer(request, user, look_id, now)
    chosen = get_object_or_404(_mine(user, now), pk=look_id) if look_id is not None else None
    context = _board(user, chosen, now, on_its_own=look_id is not None)
    return show(request, "second_looks.html", context, part="board")


def _answer(request: HttpRequest, user: User, look_id: UUID, now: datetime) -> HttpResponse:
    look = get_object_or_404(_mine(user, now), pk=look_id)
    form = Answer(request.POST)
    if not form.is_valid():
        context = _board(user, look, now, on_its_own=True)
        context |= {"fault": "Use one of the three buttons.", "note": request.POST.get("note", "")}
        return show(request, "second_looks.html", context, part="board", status=422, focus="fault")
    says, note = form.cleaned_data["says"], form.cleaned_data["note"]
    try:
        looks.answer(look=look, says=says, by=user.pk, now=now, note=note)
    except AlreadyAnswered as fault:
        look.refresh_from_db()
        context = _board(user, look, now, on_its_own=True) | {"fault": str(fault), "note": note}
        return show(request, "second_looks.html", context, part="board", status=409, focus="fault")
    said = SAID[says].format(called=look.enrolment.learner.pseudonym)
    if says == SecondLook.Answer.NEEDS_HELP:
        said += f" {IN_INBOX if looks.has_case(look) else NO_CASE}"
    following = _mine(user, now).open().first()
    address = reverse("second_look", args=[following.pk]) if following else reverse("second_looks")
    if not is_part(request):
        messages.info(request, said)
        return redirect(address)
    context = _board(user, following, now, on_its_own=following is not None)
    return push_url(
        show(
            request,
            "second_looks.html",
            context,
            part="board",
            say=said,
            focus="case" if following else "list",
        ),
        address,
    )


def _mine(user: User, now: datetime) -> Any:
    return (
        SecondLook.objects.visible_to(user, now=now)
        .select_related("enrolment__course", "enrolment__learner__job_role")
        .order_by("asked_at", "pk")
    )


def _board(user: User, chosen: SecondLook | None, now: datetime, *, on_its_own: bool) -> dict[str, Any]:
    rows = list(_mine(user, now).open()[:LONGEST_LIST])
    if chosen is None and rows:
        chosen = rows[0]
    shown = {row.enrolment.learner.pk: row.enrolment.learner for row in rows}
    if chosen is not None:
        shown[chosen.enrolment.learner.pk] = chosen.enrolment.learner
    if shown:
        access.audited(user, shown.values(), action="second_look.read", now=now)
    return {
        "rows": rows,
        "chosen": chosen,
        "told": looks.told(chosen) if chosen else None,
        "on_its_own": on_its_own,
        "answers": [(key, name, icon, number) for number, (key, name, icon) in enumerate(ANSWERS, start=1)],
        "note": "",
    }
