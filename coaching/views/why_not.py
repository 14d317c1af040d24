"""“Why not?”: for coaches and administrators about those they may see, and for learners about themselves."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django import forms
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from coaching.own_words import put_in_words, say
from coaching.views.me import myself
from coaching.views.pages import for_learner, for_role, person
from coaching.why_not import EARLIEST_YEAR, LOOK_BACK, next_look, who_may_be_asked_about, why_not
from learners import access
from learners.models import Learner, Role

PAGE = 50


class MomentForm(forms.Form):
    """The moment asked about, on the clock of whoever asks."""

    at = forms.DateTimeField(
        required=False,
        label="As it stood on",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        error_messages={"invalid": "Write a day and a time."},
    )

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now
        put_in_words(self)

    def clean_at(self) -> datetime:
        at: datetime = self.cleaned_data["at"] or self.now
        if not datetime(EARLIEST_YEAR, 1, 1, tzinfo=UTC) <= at <= self.now:
            raise forms.ValidationError(say("Choose a moment that has passed."))
        return at


@for_role(Role.COACH, Role.ADMIN)
@require_safe
def people(request: HttpRequest) -> HttpResponse:
    """Whom one may ask about, by pseudonym."""
    user, now = person(request), timezone.now()
    wanted = request.GET.get("q", "").strip().lower().removeprefix("learner").strip()[:36]
    found = who_may_be_asked_about(user, now=now).order_by("pk")
    if wanted:
        found = found.filter(pk__startswith=wanted)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    shown = access.audited(user, page.object_list, action="why_not.list", now=now)
    return render(
        request, "why_not_people.html", {"page": page, "people": shown, "q": request.GET.get("q", "")}
    )


@for_role(Role.COACH, Role.ADMIN)
@require_safe
def of_learner(request: HttpRequest, learner_id: UUID) -> HttpResponse:
    """Why something was, or was not, sent to this learner. That it was read is noted."""
    user, now = person(request), timezone.now()
    learner = get_object_or_404(who_may_be_asked_about(user, now=now), pk=learner_id)
    access.audited(user, [learner], action="why_not.read", now=now)
    return _page(request, learner, now, language=user.language, is_own=False)


@for_learner
@require_safe
def of_mine(request: HttpRequest) -> HttpResponse:
    """The same for the learner who is signed in, about themself."""
    learner = myself(request)
    return _page(request, learner, timezone.now(), language=learner.language, is_own=True)


def _page(
    request: HttpRequest, learner: Learner, now: datetime, *, language: str, is_own: bool
) -> HttpResponse:
    form = MomentForm(request.GET if "at" in request.GET else {}, now=now)
    is_good = form.is_valid()
    at = form.cleaned_data["at"] if is_good else now
    if is_good:
        form = MomentForm(initial={"at": timezone.localtime(at)}, now=now)
    context = {
        "told": why_not(learner, at=at, language=language, with_sums=not is_own),
        "called": learner.pseudonym,
        "is_own": is_own,
        "form": form,
        "days": LOOK_BACK.days,
        "next_look": next_look(learner),
    }
    return render(request, "why_not.html", context, status=200 if is_good else 422)
