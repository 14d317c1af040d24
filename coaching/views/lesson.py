"""A micro-lesson for a learner: read, then one question at a time, each explained when it is answered."""

from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods
from django_htmx.http import push_url

from coaching import lesson_steps
from coaching.views.me import myself
from coaching.views.pages import for_learner, is_part, show
from interventions import catalogue, lessons
from interventions.models import Decision, Delivery, Lesson, LessonText, LessonVisit
from learners.models import Learner


@for_learner
@require_http_methods(["GET", "HEAD", "POST"])
def lesson(request: HttpRequest, key: str) -> HttpResponse:
    """The lesson at the step where its reader is. What was begun can be finished, whatever became of the lesson."""
    learner, now = myself(request), timezone.now()
    wanted = get_object_or_404(Lesson.objects.select_related("competency"), key=key)
    visit = _visit(learner, wanted)
    if visit is None and not wanted.is_active and wanted.retired_at is None:
        raise Http404  # a draft is nobody's business
    is_open = wanted.is_open(now.date())
    fault, at, status = "", request.GET.get("q", ""), 200
    if request.method == "POST":
        try:
            visit, at = _act(request, learner, wanted, visit, now)
        except lessons.WrongAnswers:
            fault, status, at = "choose", 422, ""
        except lessons.NotOffered:
            fault, status, at = "gone", 409, ""
        except NotBegun:
            fault, status = "start_first", 409
        if not fault and not is_part(request):
            return redirect(_address(key, at))
    try:
        text = _text(visit, wanted, learner)
    except catalogue.NoSuchLesson:
        raise Http404 from None
    context: dict[str, Any] = lesson_steps.page(visit, text, at, is_open=is_open)
    context["fault"] = context["say"][fault] if fault else ""
    here = "lesson-result" if context["step"] == "result" else "lesson-step"
    focus = "" if request.method != "POST" else "fault" if fault else here
    answer = show(request, "lesson.html", context, part="main", status=status, focus=focus)
    if request.method == "POST" and not fault:
        return push_url(answer, _address(key, at))
    return answer


class NotBegun(Exception):
    """There is no visit under way to answer in."""


def _act(
    request: HttpRequest, learner: Learner, wanted: Lesson, visit: LessonVisit | None, now: datetime
) -> tuple[LessonVisit, str]:
    """Does what was pressed; the visit, and where its reader is then."""
    if request.POST.get("do") == "start":
        return lessons.start(
            learner=learner, lesson=wanted, decision=_suggested(learner, wanted), now=now
        ), ""
    if visit is None or visit.completed_at is not None:
        if visit is not None and request.POST.get("do") == "answer":
            return visit, ""  # a double tap on the last question
        raise NotBegun
    if request.POST.get("do") == "done":
        return lessons.done(visit=visit, now=now), ""
    number, choice = request.POST.get("number", ""), request.POST.get("choice", "")
    if not _is_small(number) or not _is_small(choice):
        raise lessons.WrongAnswers("A number and a choice are missing.")
    visit = lessons.answer(visit=visit, number=int(number) - 1, choice=int(choice), now=now)
    return visit, "" if visit.completed_at is not None else number


def _is_small(number: str) -> bool:
    return number.isascii() and number.isdigit() and len(number) < 3


def _address(key: str, at: str) -> str:
    return reverse("lesson", args=[key]) + (f"?q={at}" if at else "")


def _visit(learner: Learner, wanted: Lesson) -> LessonVisit | None:
    """The one under way, else the newest."""
    visits = LessonVisit.objects.filter(learner=learner, lesson=wanted).select_related(
        "lesson__competency", "learner", "text__lesson__competency"
    )
    return visits.order_by("-started_at", "pk").first()


def _text(visit: LessonVisit | None, wanted: Lesson, learner: Learner) -> LessonText:
    text = catalogue.lesson_text(wanted, learner.language) if visit is None else lessons.shown(visit)
    text.lesson = wanted
    return text


def _suggested(learner: Learner, wanted: Lesson) -> Decision | None:
    """The suggestion that brought the learner here, if one did."""
    return (
        Decision.objects.filter(
            enrolment__learner=learner, lesson=wanted, deliveries__state=Delivery.State.SENT
        )
        .order_by("-at", "-pk")
        .first()
    )
