"""What second looks and models at work hold about a person: declared, handed out, no longer asked."""

from typing import Any
from uuid import UUID

from consent.registry import Fields
from learners.models import Enrolment
from signals.models import SecondLook

FIELDS: dict[str, Fields] = {
    "ModelFault": Fields((), ("id", "version", "says", "noticed_at", "scored_with", "over_at")),
    "SecondLook": Fields(
        ("enrolment", "answer", "note"), ("id", "kind", "asked_at", "chance", "answered_by", "answered_at")
    ),
    "SecondLookBudget": Fields((), ("id", "unit", "per_week")),
}


def told(subject: UUID) -> list[dict[str, Any]]:
    """The questions asked about this person, and what was answered."""
    own = Enrolment.objects.filter(learner_id=subject).values("pk")
    return [
        {
            "enrolment": row.enrolment_id,
            "why": row.get_kind_display(),
            "asked_at": row.asked_at.isoformat(),
            "answer": row.get_answer_display(),
            "answered_at": row.answered_at.isoformat() if row.answered_at else None,
            "note": row.note,
        }
        for row in SecondLook.objects.filter(enrolment__in=own).order_by("asked_at", "pk")
    ]


def call_off(subject: UUID) -> int:
    """How many open questions are gone. What was answered before stays with its label."""
    return SecondLook.objects.open().filter(enrolment__learner_id=subject).delete()[0]
