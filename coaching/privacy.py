"""What coaching holds about a person: export it, erase it, take it back."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, Q

from coaching.models import Case, Note
from coaching.querysets import CaseQuerySet
from consent.registry import Fields
from consent.retention import Step
from consent.scopes import Scope
from interventions import route
from interventions.models import Episode
from interventions.models.deciding import LEARNER_DIRECTED

FIELDS = {
    "Case": Fields(
        personal=("enrolment", "episode", "decision"),
        other=(
            "id",
            "is_escalation",
            "state",
            "version",
            "assignee",
            "suggested_to",
            "suggested_because",
            "opened_at",
            "due_at",
            "snoozed_until",
            "closed_at",
        ),
    ),
    "Verdict": Fields(
        personal=(),
        other=("id", "case", "kind", "reason", "route", "flag_was_right", "action_helped", "by", "at"),
    ),
    "Note": Fields(personal=("text",), other=("id", "case", "by", "at")),
}


def export(subject: UUID) -> dict[str, Any]:
    """The cases about this learner, with what was decided and written on them."""
    cases = (
        Case.objects.filter(enrolment__learner_id=subject)
        .select_related("enrolment__course")
        .prefetch_related("verdicts", "notes")
        .order_by("opened_at", "pk")
    )
    return {
        "cases": [
            {
                "course": case.enrolment.course.name,
                "about": "a person takes over" if case.is_escalation else "a step that waited for approval",
                "state": case.get_state_display(),
                "opened_at": case.opened_at.isoformat(),
                "closed_at": case.closed_at.isoformat() if case.closed_at else None,
                "decided": [
                    {
                        "what": verdict.get_kind_display(),
                        "reason": verdict.get_reason_display(),
                        "route": verdict.route,
                        "at": verdict.at.isoformat(),
                    }
                    for verdict in case.verdicts.all()
                ],
                "notes": [{"text": note.text, "at": note.at.isoformat()} for note in case.notes.all()],
            }
            for case in cases
        ]
    }


def erase(subject: UUID, *, now: datetime) -> dict[str, int]:
    """Deletes what was written; the cases stay closed, as evidence without words."""
    notes, _ = Note.objects.filter(case__enrolment__learner_id=subject).delete()
    return {"notes": notes, "cases": _close(Case.objects.filter(enrolment__learner_id=subject), now)}


def expire(scope: Scope, before: datetime, *, now: datetime) -> list[Step]:
    """What coaches wrote on cases that are closed, once its period is over."""
    if scope is not Scope.COACH:
        return []
    notes = Note.objects.filter(at__lt=before, case__closed_at__lt=before)
    count = notes.count()
    people = notes.order_by().values("case__enrolment__learner").distinct().count()
    return [Step("notes", count, notes.delete, people=people)] if count else []


def withdraw(subject: UUID, scope: Scope, *, now: datetime) -> dict[str, int]:
    """Closes what a coach had open about somebody who no longer wants that."""
    cases = Case.objects.filter(enrolment__learner_id=subject).exclude(state=Case.State.CLOSED)
    waiting = cases.filter(is_escalation=False).exclude(state=Case.State.ACCEPTED)
    match scope:
        case Scope.COACH:
            # Nobody else would end what a coach had in hand: it would count as being looked after for ever.
            taken = cases.filter(Q(is_escalation=True) | Q(state=Case.State.ACCEPTED))
            in_hand = list(taken.values_list("episode_id", flat=True))
            closed = _close(cases, now)
            route.end_episodes(episode_ids=in_hand, end=Episode.End.CONSENT, now=now)
            return {"cases": closed}
        case Scope.RECORD | Scope.PROFILE:
            return {"cases": _close(cases, now)}
        case Scope.NUDGE:
            return {"cases": _close(waiting.filter(decision__action__in=LEARNER_DIRECTED), now)}
        case Scope.MANAGER:
            return {"cases": _close(waiting.filter(decision__action="manager"), now)}
    return {}


def _close(cases: CaseQuerySet, now: datetime) -> int:
    return cases.open().update(
        state=Case.State.CLOSED, closed_at=now, snoozed_until=None, version=F("version") + 1
    )
