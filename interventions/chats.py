"""Which chat takes the place of mail, whom it may reach, and what last kept it from doing so."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from interventions.models import ChatConnection
from learners.models import Identifier, Learner

KnownBy = ChatConnection.KnownBy


def chosen() -> ChatConnection | None:
    """The connection messages go by; None where they go by mail. Of several: Slack, Teams, then Moodle."""
    writing = ChatConnection.objects.filter(is_active=True, writes=True).order_by("pk")
    active = {row.kind: row for row in writing}
    return next((active[kind] for kind in ChatConnection.Kind.values if kind in active), None)


def within_reach(connection: ChatConnection | None, learners: Iterable[Learner]) -> set[UUID]:
    """Those of whom this connection has what it finds people by; whether they are known there, it then says."""
    if connection is None:
        return set()
    if connection.known_by == KnownBy.IDNUMBER:
        return {learner.pk for learner in learners if learner.employee_number}
    if connection.known_by == KnownBy.EMAIL:
        return {learner.pk for learner in learners if learner.email}
    return set(
        Identifier.objects.filter(
            learner__in=[learner.pk for learner in learners],
            kind=Identifier.Kind.ACCOUNT,
            valid_to__isnull=True,
        ).values_list("learner_id", flat=True)
    )


def note_fault(connection: ChatConnection, said: str, *, now: datetime) -> None:
    """Keeps what an administrator should mend, to be read beside the connection."""
    ChatConnection.objects.filter(pk=connection.pk).update(last_error=said[:300], last_error_at=now)


def note_success(connection: ChatConnection) -> None:
    """What was wrong no longer is."""
    if connection.last_error:
        ChatConnection.objects.filter(pk=connection.pk).update(last_error="", last_error_at=None)
