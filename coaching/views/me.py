"""The learner's own pages: suggestions, lessons, what we know and why, choices, history, and the way to object."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from coaching import apart, open_pages, own
from coaching.mail_notice import notice
from coaching.own_words import say
from coaching.views.pages import for_learner, is_part, person, show
from consent import gate, record, subject_requests
from consent.actors import Party
from consent.models import ConsentScope
from consent.scopes import Scope
from interventions import answers, catalogue, places
from interventions.models import Answer, Decision, Delivery, HelpRequest, Lesson, LessonText, LessonVisit
from learners.models import CoachConflict, Enrolment, Learner

HELPED = "Thank you. That tells us what to suggest, and nothing about you."
THANKS = {
    Answer.Kind.DID_IT: "Good. We note that you did it.",
    Answer.Kind.NEED_HELP: "A person will look at this and get in touch.",
    Answer.Kind.NOT_NOW: "All right, not now.",
    Answer.Kind.WRONG: "Thank you. A person will look at what we got wrong.",
}
LONGEST_TEXT = 2000


def myself(request: HttpRequest) -> Learner:
    """The learner who is signed in. An account without a learner record has no pages of its own."""
    user = person(request)
    learner = Learner.objects.visible_to(user).filter(pk=user.learner_id).first() if user.learner_id else None
    if learner is None:
        raise PermissionDenied
    return learner


@for_learner
@require_safe
def me(request: HttpRequest) -> HttpResponse:
    """What is suggested now, what we know about each course, and the lessons."""
    return show(request, "me.html", _overview(myself(request), timezone.now()), part="main")


@for_learner
@require_POST
def answer(request: HttpRequest, decision_id: UUID) -> HttpResponse:
    """Keeps one of the four answers to a suggestion."""
    learner, now = myself(request), timezone.now()
    decision = get_object_or_404(
        Decision.objects.filter(
            enrolment__learner=learner,
            deliveries__channel=Delivery.Channel.CARD,
            deliveries__state=Delivery.State.SENT,
        ).select_related("enrolment"),
        pk=decision_id,
    )
    kind = request.POST.get("kind", "")
    if request.POST.get("helped") in ("yes", "no"):
        answers.helped(decision=decision, did=request.POST["helped"] == "yes")
        if not is_part(request):
            messages.info(request, say(HELPED))
            return redirect("me")
        return show(
            request,
            "me.html",
            _overview(learner, now),
            part="main",
            say=say(HELPED),
            focus=f"suggestion-{decision.pk}",
        )
    if kind not in Answer.Kind.values:
        return show(
            request,
            "me.html",
            _overview(learner, now) | {"fault": say("Choose one of the four answers.")},
            part="main",
            status=422,
            focus="fault",
        )
    answers.answer(decision=decision, kind=kind, now=now, text=request.POST.get("text", "")[:LONGEST_TEXT])
    said = say(THANKS[Answer.Kind(kind)])
    if not is_part(request):
        messages.info(request, said)
        return redirect("me")
    return show(
        request, "me.html", _overview(learner, now), part="main", say=said, focus=f"suggestion-{decision.pk}"
    )


@for_learner
@require_POST
def ask(request: HttpRequest, enrolment_id: int) -> HttpResponse:
    """ "Something is wrong", or a call for help, about one course: brings a person."""
    learner, now = myself(request), timezone.now()
    enrolment = get_object_or_404(Enrolment.objects.filter(learner=learner), pk=enrolment_id)
    kind = request.POST.get("kind", "")
    text = request.POST.get("text", "").strip()[:LONGEST_TEXT]
    if kind not in (HelpRequest.Kind.HELP, HelpRequest.Kind.CONTEST):
        raise Http404
    answers.ask_for_help(enrolment=enrolment, kind=kind, text=text, now=now)
    said = say("Thank you. A person will look at this and answer you.")
    if not is_part(request):
        messages.info(request, said)
        return redirect("me")
    return show(
        request, "me.html", _overview(learner, now), part="main", say=said, focus=f"course-{enrolment.pk}"
    )


@for_learner
@require_http_methods(["GET", "HEAD", "POST"])
def choices(request: HttpRequest) -> HttpResponse:
    """What each purpose means, and a switch for each that works at once."""
    learner, user, now = myself(request), person(request), timezone.now()
    if request.method != "POST":
        return show(request, "choices.html", _choices(learner, now), part="main")
    try:
        scope = Scope(request.POST.get("scope", ""))
    except ValueError:
        raise Http404 from None
    if not ConsentScope.objects.filter(pk=scope, is_blocked=False).exists():
        raise Http404
    by = Party("user", user.pk)
    if request.POST.get("allow") == "yes":
        record.grant(subject=learner.pk, scope=scope, by=by, now=now, language=learner.language)
        said = say("On: {name}.", name=say(own.NAMES[scope]))
    else:
        record.withdraw(subject=learner.pk, scope=scope, by=by, now=now, language=learner.language)
        said = say("Off: {name}. This holds from now on.", name=say(own.NAMES[scope]))
    if not is_part(request):
        messages.info(request, said)
        return redirect("choices")
    return show(
        request, "choices.html", _choices(learner, now), part="main", say=said, focus=f"switch-{scope}"
    )


@for_learner
@require_POST
def choose_coach(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """Rather not this person, or fine again. Nobody is asked why."""
    learner, user, now = myself(request), person(request), timezone.now()
    choice = next((one for one in own.coaches_of(learner, now=now) if one.key == user_id), None)
    if choice is None:
        raise Http404
    act: dict[str, Any] = {"learner_id": learner.pk, "user_id": user_id, "by": user.pk, "now": now}
    if request.POST.get("meet") == "yes":
        apart.meet_again(**act)
        said = say("{name} may help you again.", name=choice.name)
    else:
        apart.keep(**act, said_by=CoachConflict.By.LEARNER)
        said = say(
            "{name} will not look at your learning. Somebody else helps if there is need.", name=choice.name
        )
    if not is_part(request):
        messages.info(request, said)
        return redirect("choices")
    return show(
        request, "choices.html", _choices(learner, now), part="main", say=said, focus=f"coach-{user_id}"
    )


def _choices(learner: Learner, now: datetime) -> dict[str, Any]:
    return {"choices": own.choices(learner, now=now), "coaches": own.coaches_of(learner, now=now)}


@for_learner
@require_safe
def history(request: HttpRequest) -> HttpResponse:
    """Everything we decided to do for the learner, what was not sent included, with the reason."""
    return show(request, "history.html", {"past": own.history(myself(request))}, part="main")


@for_learner
@require_POST
def my_data(request: HttpRequest) -> HttpResponse:
    """Everything we hold about the learner, as a file."""
    learner, now = myself(request), timezone.now()
    held = subject_requests.export(subject=learner.pk, by=Party("user", person(request).pk), now=now)
    answer = HttpResponse(
        json.dumps(held, indent=2, ensure_ascii=False, default=str), content_type="application/json"
    )
    answer.headers["Content-Disposition"] = f'attachment; filename="my-data-{now:%Y-%m-%d}.json"'
    return answer


def _overview(learner: Learner, now: datetime) -> dict[str, Any]:
    listening = open_pages.shown(open_pages.of_learner(learner.pk))
    taken = dict(
        LessonVisit.objects.filter(learner=learner)
        .order_by("started_at")
        .values_list("lesson_id", "completed_at")
    )
    return {
        **listening,
        "learner": learner,
        "suggestions": own.suggestions(learner, now=now),
        "nudges_off": not (nudges := gate.allows(learner.pk, Scope.NUDGE)),
        "mail_notice": notice(learner) if nudges else None,
        "profile_off": not gate.allows(learner.pk, Scope.PROFILE),
        "known": own.known(learner),
        "lessons": [
            {
                "key": one.key,
                "minutes": one.minutes,
                "title": text.title,
                # Who began it on our own page finishes it there.
                "address": "" if taken.get(one.pk, now) is None else places.in_the_lms(one, text),
                "state": "new" if one.pk not in taken else ("done" if taken[one.pk] else "begun"),
            }
            for one in _lessons(learner, now)
            for text in [catalogue.lesson_text(one, learner.language)]
        ],
    }


def _lessons(learner: Learner, now: datetime) -> QuerySet[Lesson]:
    """What can be begun today, and what this learner is in the middle of."""
    under_way = LessonVisit.objects.filter(learner=learner, completed_at__isnull=True).values("lesson")
    offered = Lesson.objects.suggestible(on=now.date()).values("pk")
    with_text = LessonText.objects.in_use().values("lesson")
    shown = Lesson.objects.filter(Q(pk__in=offered) | (Q(pk__in=under_way) & Q(pk__in=with_text)))
    return shown.select_related("place").prefetch_related(catalogue.texts_in_use()).order_by("key")
