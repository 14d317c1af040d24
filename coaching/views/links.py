"""Where the links in messages lead: one answer, no more messages, a calendar entry. No sign-in, nothing beyond that.

A GET changes nothing: mail servers open links to look for harm. What a link allows happens when its page's button is
pressed. These forms carry no CSRF token: the link itself is the proof, and a cookie counts for nothing here.
"""

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from coaching.views.link_words import words_in
from consent import audit, gate, record
from consent.actors import Party
from consent.scopes import Scope
from interventions import answers, calendar, catalogue, links, places
from interventions.channels.phrases import phrases
from interventions.links import Purpose
from interventions.models import Answer, Decision, Delivery
from interventions.policy import store
from learners import zones
from learners.models import Learner, Preferences

LONGEST_TEXT = 2000


@login_not_required  # the signed link says who may, and what
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def answer(request: HttpRequest, token: str) -> HttpResponse:
    """Asks whether this answer is meant; with the button, keeps it."""
    now = timezone.now()
    try:
        link = links.read(Purpose.ANSWER, token, now=now)
    except links.LinkNotGood as fault:
        return _not_good(request, fault)
    decision = _decision(link.about)
    if decision is None or link.detail not in Answer.Kind.values:
        return _closed(request, "en")
    learner = decision.enrolment.learner
    context: dict[str, Any] = {
        "language": learner.language,
        "words": words_in(learner.language),
        "label": phrases(learner.language)[link.detail],
        "course": decision.enrolment.course.name,
        "kind": link.detail,
        "takes_text": link.detail in (Answer.Kind.NEED_HELP, Answer.Kind.WRONG),
    }
    if request.method == "POST":
        answers.answer(
            decision=decision, kind=link.detail, now=now, text=request.POST.get("text", "")[:LONGEST_TEXT]
        )
        audit.record(
            actor=Party("learner", learner.pk),
            action="suggestion.answered_by_link",
            target=Party("learner", learner.pk),
            now=now,
            detail={"decision": str(decision.pk), "kind": link.detail},
        )
        return _show(request, "answer_link.html", context | {"is_done": True})
    return _show(request, "answer_link.html", context)


@login_not_required  # as above; and mail programs post here by themselves (RFC 8058)
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Asks whether suggestions should stop; with the button, or a mail program's one click, they do at once."""
    now = timezone.now()
    try:
        link = links.read(Purpose.UNSUBSCRIBE, token, now=now)
    except links.LinkNotGood as fault:
        return _not_good(request, fault)
    learner = _learner(link.about)
    if learner is None:
        return _closed(request, "en")
    context: dict[str, Any] = {"language": learner.language, "words": words_in(learner.language)}
    if request.method == "POST":
        record.withdraw(
            subject=learner.pk,
            scope=Scope.NUDGE,
            by=Party("learner", learner.pk),
            now=now,
            language=learner.language,
        )
        return _show(request, "unsubscribe.html", context | {"is_done": True})
    return _show(request, "unsubscribe.html", context | {"is_done": not gate.allows(learner.pk, Scope.NUDGE)})


@login_not_required  # as above; the link leads to the words of one message, which its reader has
@never_cache
@require_safe
def calendar_entry(request: HttpRequest, token: str) -> HttpResponse:
    """The suggestion as a calendar file."""
    try:
        link = links.read(Purpose.CALENDAR, token, now=timezone.now())
    except links.LinkNotGood as fault:
        return _not_good(request, fault)
    decision = _decision(link.about)
    if decision is None or decision.lesson is None:
        return _closed(request, "en")
    learner = decision.enrolment.learner
    wish = Preferences.objects.filter(learner=learner).first()
    text = catalogue.lesson_text(decision.lesson, learner.language)
    address = places.address_of(decision.lesson, text)
    entry = calendar.entry(
        uid=decision.pk,
        title=text.title,
        text=f"{decision.enrolment.course.name}\n{address}",
        address=address,
        starts_at=calendar.starts_at(
            after=decision.at,
            zone=zones.zone_of(learner),
            limits=store.document(store.live()).limits,
            own=wish.quiet_hours if wish else None,
        ),
        minutes=decision.lesson.minutes,
        said_at=decision.at,
    )
    file = HttpResponse(entry, content_type="text/calendar; charset=utf-8; method=PUBLISH")
    file.headers["Content-Disposition"] = 'attachment; filename="suggestion.ics"'
    return file


def _decision(pk: UUID) -> Decision | None:
    """The decision, as long as its learner is here and wants suggestions, and it reached them."""
    decision = (
        Decision.objects.filter(pk=pk, deliveries__state__in=(Delivery.State.SENDING, Delivery.State.SENT))
        .select_related("enrolment__learner", "enrolment__course", "lesson")
        .first()
    )
    if decision is None or _learner(decision.enrolment.learner_id) is None:
        return None
    return decision if gate.allows(decision.enrolment.learner_id, Scope.NUDGE) else None


def _learner(pk: UUID) -> Learner | None:
    return Learner.objects.filter(pk=pk, erased_at__isnull=True, merged_into__isnull=True).first()


def _not_good(request: HttpRequest, fault: links.LinkNotGood) -> HttpResponse:
    words = words_in("en")
    said = words["expired"] if isinstance(fault, links.LinkExpired) else words["broken"]
    status = 410 if isinstance(fault, links.LinkExpired) else 404
    return _show(request, "link_closed.html", {"language": "en", "words": words, "said": said}, status=status)


def _closed(request: HttpRequest, language: str) -> HttpResponse:
    words = words_in(language)
    context = {"language": language, "words": words, "said": words["closed"]}
    return _show(request, "link_closed.html", context, status=410)


def _show(request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    answer = render(request, template, context, status=status)
    # The address is the proof: it must not travel on to where a link on the page leads, nor into search engines.
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Robots-Tag"] = "noindex"
    return answer
