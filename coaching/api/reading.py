"""What is read about one learner for somebody outside: asked of the consent gate first, and audited."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import Http404

from coaching import own
from coaching.api.problems import ConsentRefused
from consent import audit, gate
from consent.actors import Party
from consent.scopes import Scope
from interventions import places, triggers
from interventions.models import ApiToken, Decision, Delivery
from interventions.policy import store
from interventions.situation import snapshots
from learners.models import Learner


def learner(pk: UUID, *scopes: Scope) -> Learner:
    """The learner, if they are here and allow all of this. Raises Http404, ConsentRefused."""
    found = Learner.objects.filter(pk=pk, erased_at__isnull=True, merged_into__isnull=True).first()
    if found is None:
        raise Http404
    if not all(gate.allows(found.pk, scope) for scope in scopes):
        raise ConsentRefused
    return found


def note(token: ApiToken, what: str, learners: list[UUID], *, now: datetime) -> None:
    """Leaves one audit entry for what a system was shown, with all whom it was shown."""
    audit.record_reads(
        actor=Party("api_token", token.pk), action=f"api.read.{what}", targets=learners, now=now
    )


def risks(who: Learner, *, now: datetime) -> list[dict[str, Any]]:
    """Per current course the band and its reasons in words; the number behind it stays here."""
    row = store.live()
    policy = store.document(row)
    known = own.known(who)
    seen = snapshots([one.enrolment.pk for one in known], policy=policy, policy_version=row.version, now=now)
    return [
        {
            "course": one.enrolment.course,
            "band": triggers.risk_band(seen[one.enrolment.pk], policy),
            "reasons": one.sentences,
            "strengths": one.strengths,
            "missing": one.missing,
            "computed_at": one.computed_at,
        }
        for one in known
    ]


def suggestions(who: Learner, *, now: datetime) -> list[dict[str, Any]]:
    """What was suggested and is still of use, whatever the channel."""
    return [
        {
            "id": one.decision.pk,
            "sent_at": one.delivery.sent_at,
            "course": one.decision.enrolment.course,
            "subject": one.subject,
            "body": one.body,
            "lesson": {
                "key": one.lesson_key,
                "title": one.lesson_title,
                "url": one.lesson_address or places.own_page(one.lesson_key),
            }
            if one.lesson_key
            else None,
            "why": one.why.sentences,
            "looked_at": one.why.looked_at,
            "answer": one.answer.kind if one.answer else None,
        }
        for one in own.suggestions(who, now=now, anywhere=True)
    ]


def answerable(who: Learner, decision_id: UUID) -> Decision:
    """A suggestion that reached this learner. Raises Http404."""
    decision = (
        Decision.objects.filter(
            pk=decision_id,
            enrolment__learner=who,
            deliveries__state=Delivery.State.SENT,
        )
        .distinct()
        .select_related("enrolment")
        .first()
    )
    if decision is None:
        raise Http404
    return decision
