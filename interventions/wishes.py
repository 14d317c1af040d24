"""The manager's wish that somebody looks at a person."""

from datetime import datetime

from django.db import transaction

from consent import audit, gate
from consent.actors import Party
from consent.scopes import Scope
from interventions import route
from interventions.models import HelpRequest
from learners.models import Enrolment, Learner, User


def please_look(*, learner: Learner, by: User, text: str, now: datetime) -> HelpRequest | None:
    """Asks for a coach's look, in the course the person began last; asking again while one is open changes nothing.

    None where the person shares nothing with managers, wants no coach or takes no course. Do not tell the manager
    which: a "no" to us is nobody else's business.
    """
    if not (gate.allows(learner.pk, Scope.MANAGER) and gate.allows(learner.pk, Scope.COACH)):
        return None
    enrolment = (
        Enrolment.objects.filter(learner=learner, state=Enrolment.State.ACTIVE)
        .order_by("-starts_on", "-pk")
        .first()
    )
    if enrolment is None:
        return None
    with transaction.atomic():
        wish, created = HelpRequest.objects.get_or_create(
            enrolment=enrolment,
            kind=HelpRequest.Kind.MANAGER,
            answered_at=None,
            defaults={"text": text, "asked_by": by, "asked_at": now},
        )
        if created:
            audit.record(
                actor=Party("user", by.pk), action="look.asked", target=Party("learner", learner.pk), now=now
            )
            route.look_again([enrolment.pk], at=now)
    return wish
