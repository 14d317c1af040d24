"""What the people of the sample organisation did on past days: coaches, managers and learners, drawn by hash."""

from datetime import datetime, timedelta
from typing import Any

from coaching import casework
from coaching.demo.drawing import draw
from coaching.models import Case, DismissReason
from interventions import answers, asks, lessons
from interventions.models import Answer, Delivery, LessonVisit, ManagerAsk

DISMISSALS = (DismissReason.NOT_AT_RISK, DismissReason.HANDLED, DismissReason.NOT_WORTH_IT)
ANSWERS = (  # share in 100; the rest says nothing
    (Answer.Kind.DID_IT, 30),
    (Answer.Kind.NOT_NOW, 16),
    (Answer.Kind.NEED_HELP, 3),
    (Answer.Kind.WRONG, 2),
)


def play(*, now: datetime) -> None:
    """Lets everybody do what they would have done by this moment of a past day."""
    _coaches(now)
    _managers(now)
    _learners(now)


def _coaches(now: datetime) -> None:
    waiting = (
        Case.objects.filter(state=Case.State.OPEN, assignee__isnull=False)
        .select_related("decision__enrolment__course", "decision__episode", "episode", "enrolment__learner")
        .order_by("opened_at", "pk")
    )
    for case in waiting:
        assert case.assignee_id is not None
        common: dict[str, Any] = {"case": case, "by": case.assignee_id, "version": case.version, "now": now}
        chance = draw("coach", case.enrolment_id, case.decision.step, case.decision.action) % 100
        if case.is_escalation:
            if chance < 70:
                casework.accept(**common)
        elif chance < 78:
            casework.approve(**common)
        elif chance < 90:
            casework.dismiss(reason=DISMISSALS[chance % len(DISMISSALS)], **common)
    taken = (
        Case.objects.filter(state=Case.State.ACCEPTED, opened_at__lte=now - timedelta(days=4))
        .select_related("episode", "enrolment", "decision")
        .order_by("opened_at", "pk")
    )
    for case in taken:
        assert case.assignee_id is not None
        helped = draw("helped", case.enrolment_id) % 100 < 45
        casework.close(
            case=case,
            by=case.assignee_id,
            version=case.version,
            now=now,
            flag_was_right=draw("right", case.enrolment_id) % 100 < 80,
            action_helped=helped,
            recovered=helped,
        )


def _managers(now: datetime) -> None:
    for ask in ManagerAsk.objects.filter(state=ManagerAsk.State.OPEN).order_by("asked_at", "pk"):
        chance = draw("manager", ask.enrolment_id) % 100
        if chance < 50:
            asks.accept(ask=ask, version=ask.version, now=now)
        elif chance < 60:
            asks.hand_on(ask=ask, version=ask.version, now=now)
    for ask in ManagerAsk.objects.filter(
        state=ManagerAsk.State.ACCEPTED, answered_at__lte=now - timedelta(days=2)
    ).order_by("asked_at", "pk"):
        asks.done(ask=ask, version=ask.version, now=now)


def _learners(now: datetime) -> None:
    cards = (
        Delivery.objects.filter(
            channel=Delivery.Channel.CARD,
            state=Delivery.State.SENT,
            sent_at__gt=now - timedelta(days=2),
            decision__answer__isnull=True,
        )
        .select_related("decision__lesson", "decision__enrolment", "learner")
        .order_by("sent_at", "pk")
    )
    for card in cards:
        decision = card.decision
        chance = draw("learner", decision.enrolment_id, decision.step) % 100
        for kind, share in ANSWERS:
            if chance < share:
                answers.answer(decision=decision, kind=kind, now=now)
                break
            chance -= share
        if decision.lesson is not None and draw("lesson", decision.enrolment_id, decision.step) % 100 < 35:
            _take(card, now)


def _take(card: Delivery, now: datetime) -> None:
    """Takes the lesson, with most answers right."""
    lesson = card.decision.lesson
    assert lesson is not None
    if LessonVisit.objects.filter(learner=card.learner, lesson=lesson).exists():
        return
    visit = lessons.start(learner=card.learner, lesson=lesson, decision=card.decision, now=now)
    questions = lessons.shown(visit).questions
    chosen = [
        question["answer"] if draw("answer", visit.learner_id, place) % 100 < 75 else 0
        for place, question in enumerate(questions)
    ]
    lessons.finish(visit=visit, answers=chosen, now=now + timedelta(minutes=5))
