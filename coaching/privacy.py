"""What coaching holds about a person: export it, erase it, take it back."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F

from coaching.models import Case, Note
from consent.registry import Fields
from consent.scopes import Scope

FIELDS = {
    "Case": Fields(
        personal=("enrolment", "episode", "decision"),
        other=(
            "id",
            "is_escalation",
            "state",
            "version",
            "assignee",
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
    return {"notes": notes, "cases": _close(subject, now)}


def withdraw(subject: UUID, scope: Scope, *, now: datetime) -> dict[str, int]:
    """Closes what a coach had open about somebody who no longer wants that."""
    if scope not in (Scope.COACH, Scope.RECORD):
        return {}
    return {"cases": _close(subject, now)}


def _close(subject: UUID, now: datetime) -> int:
    return (
        Case.objects.filter(enrolment__learner_id=subject)
        .exclude(state=Case.State.CLOSED)
        .update(state=Case.State.CLOSED, closed_at=now, snoozed_until=None, version=F("version") + 1)
    )
