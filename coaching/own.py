"""A learner's own pages: what was suggested, what we know and why, what they chose, and what was not sent."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Prefetch, Q

from coaching.own_words import say
from coaching.why_not_words import STEPS
from coaching.wording import without_address
from consent import gate
from consent.models import ConsentScope, ScopeText
from consent.scopes import LawfulBasis, Scope
from interventions import catalogue, explain, places
from interventions.explain import Explanation
from interventions.models import Answer, Decision, Delivery, HelpRequest
from learners import coaches
from learners.models import CoachConflict, Enrolment, Learner
from signals.risk import evidence, reasons
from signals.risk.groups import NAMES as SIGNALS

CURRENT_FOR = timedelta(days=14)
ANSWERED_STAYS = timedelta(hours=12)
LONGEST_HISTORY = 100

BASIS = {
    LawfulBasis.CONSENT: "Only with your yes",
    LawfulBasis.LEGITIMATE_INTEREST: "A legitimate interest of your organisation; you can say no",
    LawfulBasis.CONTRACT: "Part of your contract",
    LawfulBasis.LEGAL_OBLIGATION: "Required by law",
}
NAMES = {
    Scope.RECORD: "Keep my course activity",
    Scope.PROFILE: "Work out when help would be useful",
    Scope.NUDGE: "Send me suggestions",
    Scope.MANAGER: "Tell my manager when I could use a hand",
    Scope.COACH: "Let a coach look",
    Scope.EXPERIMENT: "Try out which help works",
    Scope.RESEARCH: "Use for research",
}


@dataclass(frozen=True)
class Suggestion:
    """One message on the learner's page."""

    delivery: Delivery
    decision: Decision
    subject: str
    body: str
    lesson_key: str
    lesson_title: str
    lesson_address: str  # where it lives in an LMS; empty: on our own page
    why: Explanation
    answer: Answer | None


@dataclass(frozen=True)
class Known:
    """What we know about one course, in the learner's words."""

    enrolment: Enrolment
    sentences: list[str]
    strengths: list[str]
    missing: list[str]
    rests_on: list[tuple[str, str]]
    computed_at: datetime | None
    is_unsure: bool
    open_request: HelpRequest | None


@dataclass(frozen=True)
class ScopeChoice:
    """One purpose, what it means, and what the learner says to it."""

    key: str
    name: str
    text: str
    basis: str
    keeps_days: int
    is_on: bool
    is_blocked: bool


@dataclass(frozen=True)
class CoachChoice:
    """A coach who may look after the learner, or whom the learner would rather not meet."""

    key: UUID
    name: str
    is_refused: bool


@dataclass(frozen=True)
class Past:
    """One thing we decided to do, and what became of it."""

    at: datetime
    what: str
    course: str
    how: str
    tone: str
    answer: str


def suggestions(learner: Learner, *, now: datetime, anywhere: bool = False) -> list[Suggestion]:
    """The cards that are still of use: unanswered for two weeks, answered for half a day. None without consent.

    ``anywhere``: whatever the channel, for those who have no page of their own here; each alert once.
    """
    if not gate.allows(learner.pk, Scope.NUDGE):
        return []
    deliveries = (
        Delivery.objects.filter(
            learner=learner,
            channel__in=Delivery.Channel.values if anywhere else [Delivery.Channel.CARD],
            state=Delivery.State.SENT,
            sent_at__gte=now - CURRENT_FOR,
        )
        .filter(Q(decision__answer__isnull=True) | Q(decision__answer__at__gte=now - ANSWERED_STAYS))
        .select_related(
            "decision__enrolment__course",
            "decision__policy",
            "decision__lesson__place",
            "decision__answer",
            "decision__approval",
        )
        .prefetch_related(catalogue.texts_in_use("decision__lesson__texts"))
        .defer("decision__policy__document", "decision__eligible")
        .order_by("-sent_at", "pk")
    )
    once = {delivery.decision_id: delivery for delivery in deliveries}
    return [_suggestion(delivery, learner) for delivery in once.values()]


def _suggestion(delivery: Delivery, learner: Learner) -> Suggestion:
    decision = delivery.decision
    lesson = decision.lesson
    text = catalogue.lesson_text(lesson, learner.language) if lesson else None
    return Suggestion(
        delivery=delivery,
        decision=decision,
        subject=delivery.subject,
        body=without_address(delivery.body),
        lesson_key=lesson.key if lesson else "",
        lesson_title=text.title if text else "",
        lesson_address=places.in_the_lms(lesson, text) if lesson and text else "",
        why=explain.why(decision, learner.language),
        answer=getattr(decision, "answer", None),
    )


def known(learner: Learner) -> list[Known]:
    """What is known of each current course. Empty sentences where nothing stands out."""
    enrolments = (
        learner.enrolments.active()
        .select_related("course", "risk")
        .prefetch_related(
            Prefetch(
                "help_requests",
                queryset=HelpRequest.objects.filter(answered_at__isnull=True, asked_by__isnull=True),
                to_attr="open_requests",
            )
        )
        .order_by("course__name", "pk")
    )
    may_compute = gate.allows(learner.pk, Scope.PROFILE) and gate.allows(learner.pk, Scope.RECORD)
    built = []
    for enrolment in enrolments:
        risk = getattr(enrolment, "risk", None) if may_compute else None
        open_requests: list[HelpRequest] = getattr(enrolment, "open_requests", [])
        sentences = reasons.sentences(risk.reasons, learner.language) if risk else []
        strengths = (
            reasons.strengths(risk.reasons, learner.language, most=reasons.MOST - len(sentences))
            if risk
            else []
        )
        built.append(
            Known(
                enrolment=enrolment,
                sentences=sentences,
                strengths=strengths,
                rests_on=[(one.value, SIGNALS[one]) for one in evidence.signals_of(risk.reasons)]
                if risk
                else [],
                missing=reasons.missing(risk.reasons, learner.language) if risk else [],
                computed_at=risk.as_of if risk else None,
                is_unsure=risk is not None and risk.value is None,
                open_request=open_requests[0] if open_requests else None,
            )
        )
    return built


def choices(learner: Learner, *, now: datetime) -> list[ScopeChoice]:
    """Every purpose with the text in force, in the learner's language where there is one."""
    scopes = {scope.key: scope for scope in ConsentScope.objects.all()}
    texts: dict[tuple[str, str], str] = {}
    for text in ScopeText.objects.filter(published_at__lte=now).order_by("scope", "language", "version"):
        texts[text.scope_id, text.language] = text.text
    return [
        ScopeChoice(
            key=scope.value,
            name=NAMES[scope],
            text=texts.get((scope, learner.language)) or texts.get((scope, "en"), ""),
            basis=BASIS[LawfulBasis(scopes[scope].lawful_basis)],
            keeps_days=scopes[scope].retention_days,
            is_on=gate.allows(learner.pk, scope),
            is_blocked=scopes[scope].is_blocked,
        )
        for scope in Scope
        if scope in scopes
    ]


def coaches_of(learner: Learner, *, now: datetime) -> list[CoachChoice]:
    """Who may coach this learner, and whom they would rather not meet. Empty where there is nobody."""
    refused = CoachConflict.objects.filter(learner=learner, said_by=CoachConflict.By.LEARNER)
    others = [row.user for row in refused.select_related("user").order_by("pk")]
    reach = coaches.reach([learner.pk], on=now.date())[learner.pk]
    return [
        *(CoachChoice(user.pk, user.name or say("A coach"), is_refused=False) for user in reach),
        *(CoachChoice(user.pk, user.name or say("A coach"), is_refused=True) for user in others),
    ]


def history(learner: Learner) -> list[Past]:
    """The latest things we decided to do for this learner, what was not sent included, with the reason."""
    decisions = (
        Decision.objects.filter(enrolment__learner=learner)
        .exclude(action="monitor")
        .select_related(
            "enrolment__course", "suppression", "approval", "answer", "manager_ask", "escalation", "lesson"
        )
        .prefetch_related("deliveries")
        .defer("snapshot", "eligible")
        .order_by("-at", "-pk")[:LONGEST_HISTORY]
    )
    language = "de" if learner.language.startswith("de") else "en"
    return [_past(decision, language) for decision in decisions]


def _past(decision: Decision, language: str) -> Past:
    how, tone = _how(decision)
    answer = getattr(decision, "answer", None)
    return Past(
        at=decision.at,
        what=STEPS[language].get(decision.action, decision.get_action_display()),
        course=decision.enrolment.course.name,
        how=how,
        tone=tone,
        answer=say(answer.get_kind_display()) if answer else "",
    )


def _how(decision: Decision) -> tuple[str, str]:
    suppression = getattr(decision, "suppression", None)
    if suppression is not None:
        why = _first_person(suppression.reason, suppression.get_reason_display())
        return say("Not sent: {why}.", why=say(why)), "held"
    sent = [
        one.sent_at for one in decision.deliveries.all() if one.state == Delivery.State.SENT and one.sent_at
    ]
    if sent:
        return say("Sent to you."), "good"
    if getattr(decision, "manager_ask", None) is not None:
        return say("Your manager was asked to have a word with you."), "person"
    if decision.action == "coach":
        return say("A coach was asked to look."), "person"
    approval = getattr(decision, "approval", None)
    if approval is not None and approval.state == "waiting":
        return say("Not sent yet: a person looks at it first."), "held"
    return say("On its way, at a time that does not disturb you."), "held"


def _first_person(reason: str, label: str) -> str:
    """Why nothing was sent, said to the learner."""
    return {
        "consent": "you said no to this",
        "cap": "you already had two messages in seven days",
        "recovered": "things were better before it went out",
        "declined": "a person looked and decided against it",
    }.get(reason, label[0].lower() + label[1:])
