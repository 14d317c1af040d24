"""Consent where we speak: the line of the readiness checklist that signals cannot measure."""

from collections.abc import Iterator
from datetime import datetime

from consent.models import Standing
from consent.scopes import Scope
from interventions.models import Delivery
from signals.readiness.answers import Line, State, line


def nothing_queued(now: datetime) -> Iterator[Line]:
    """Whether a message waits for somebody who does not want it."""
    refusing = Standing.objects.filter(
        scope__in=(Scope.NUDGE, Scope.PROFILE, Scope.RECORD), allowed=False
    ).order_by()
    queued = Delivery.objects.filter(
        state__in=(Delivery.State.QUEUED, Delivery.State.CLAIMED), learner_id__in=refusing.values("subject")
    ).count()
    yield line(
        "consent_queued",
        "Does no message wait for somebody who withdrew?",
        State.FAIL if queued else State.PASS,
        f"{queued} queued messages to people who refuse them",
        "none",
        "Report this as a fault; sending asks again, so none of them goes out.",
        value=float(queued),
    )
