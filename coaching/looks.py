"""Second looks as a coach meets them: what is known without a score, and the answer with what it leads to."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from coaching.models import Case
from consent import audit
from consent.actors import Party
from interventions.models import Attempt
from signals import second_looks
from signals.models import FeatureRow, Risk, SecondLook
from signals.risk import reasons

WHY = {
    SecondLook.Kind.NOT_SURE: "Too little is known about this learner to say anything.",
    SecondLook.Kind.DISAGREEMENT: "Two ways of reading the same activity come to different answers.",
    SecondLook.Kind.AUDIT: "Drawn by chance, to check how often we are right.",
}


@dataclass(frozen=True)
class Told:
    """What a coach is told about one learner in one course."""

    why: str
    sentences: list[str]
    strengths: list[str]
    missing: list[str]
    last_active_at: datetime | None
    last_result_at: datetime | None
    next_due_at: datetime | None


def told(look: SecondLook) -> Told:
    """What is known now: facts and their dates, never a score."""
    risk = Risk.objects.filter(pk=look.enrolment_id).first()
    features = FeatureRow.objects.filter(pk=look.enrolment_id).first()
    known = features.values if features else {}
    found = risk.reasons if risk else []
    sentences = reasons.sentences(found)
    return Told(
        why=WHY[SecondLook.Kind(look.kind)],
        sentences=sentences,
        strengths=reasons.strengths(found, most=reasons.MOST - len(sentences)),
        missing=reasons.missing(found),
        last_active_at=_moment(known.get("last_active_at")),
        last_result_at=_moment(known.get("last_result_at")),
        next_due_at=_moment(known.get("next_due_at")),
    )


def answer(*, look: SecondLook, says: str, by: UUID, now: datetime, note: str = "") -> None:
    """Keeps a coach's answer. Raises what signals.second_looks.answer raises."""
    treated = Attempt.objects.filter(
        decision__enrolment_id=look.enrolment_id, reached_at__gte=look.asked_at, reached_at__lte=now
    ).exists()
    second_looks.answer(look=look, says=says, by=by, now=now, treated=treated, note=note)
    audit.record(
        actor=Party("user", by),
        action="second_look.answer",
        target=Party("learner", look.enrolment.learner_id),
        now=now,
        detail={"look": str(look.pk), "answer": says},
    )


def has_case(look: SecondLook) -> bool:
    """Whether somebody is to decide about this learner in this course already."""
    return Case.objects.open().filter(enrolment_id=look.enrolment_id).exists()


def _moment(iso: str | None) -> datetime | None:
    return datetime.fromisoformat(iso) if iso else None
