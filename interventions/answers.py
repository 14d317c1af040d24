"""What learners say back: one tap on a message, a call for help, "this is wrong"."""

from datetime import datetime

from django.db import transaction

from interventions import route, webhooks
from interventions.models import Answer, Decision, HelpRequest, WebhookEndpoint
from learners.models import Enrolment


def answer(*, decision: Decision, kind: str, now: datetime, text: str = "") -> Answer:
    """Keeps the learner's answer; a second answer replaces the first."""
    with transaction.atomic():
        given, _ = Answer.objects.update_or_create(decision=decision, defaults={"kind": kind, "at": now})
        if kind == Answer.Kind.NEED_HELP:
            ask_for_help(enrolment=decision.enrolment, kind="help", text=text, now=now, decision=decision)
        elif kind == Answer.Kind.WRONG:
            ask_for_help(enrolment=decision.enrolment, kind="contest", text=text, now=now, decision=decision)
        webhooks.announce(
            event=WebhookEndpoint.Event.ANSWERED,
            learner_id=decision.enrolment.learner_id,
            said={"decision": str(decision.pk), "answer": kind},
            now=now,
        )
    return given


def helped(*, decision: Decision, did: bool) -> bool:
    """Keeps whether the step helped, once it was answered; False where there is no answer to add it to."""
    return bool(Answer.objects.filter(decision=decision).update(helped=did))


def ask_for_help(
    *, enrolment: Enrolment, kind: str, text: str, now: datetime, decision: Decision | None = None
) -> HelpRequest:
    """Brings a person, without any automated attempt first. Asking again while one is open changes nothing."""
    with transaction.atomic():
        request, created = HelpRequest.objects.get_or_create(
            enrolment=enrolment,
            kind=kind,
            answered_at=None,
            defaults={"decision": decision, "text": text, "asked_at": now},
        )
        if not created and text and not request.text:
            HelpRequest.objects.filter(pk=request.pk).update(text=text)
        if created:
            route.look_again([enrolment.pk], at=now)
    return request
