"""Two people who are not to meet: one says so, nobody asks why, and the cases between them go to somebody else."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F

from coaching.models import Case
from consent import audit
from consent.actors import Party
from learners.models import CoachConflict


def keep(*, learner_id: UUID, user_id: UUID, said_by: str, by: UUID, now: datetime) -> None:
    """Keeps these two apart from now on. What the coach had in hand waits for another; saying it twice is fine."""
    with transaction.atomic():
        _, is_new = CoachConflict.objects.get_or_create(
            learner_id=learner_id, user_id=user_id, defaults={"said_by": said_by, "said_at": now}
        )
        # Nobody until the inbox finds another coach, at its next turn.
        Case.objects.open().filter(enrolment__learner_id=learner_id, assignee_id=user_id).update(
            assignee=None,
            suggested_to=None,
            suggested_because="",
            state=Case.State.OPEN,
            snoozed_until=None,
            version=F("version") + 1,
        )
        if is_new:
            _note("coach.kept_apart", learner_id, user_id, by, now)


def meet_again(*, learner_id: UUID, user_id: UUID, by: UUID, now: datetime) -> None:
    """The learner takes their word back; what a coach or an administrator said stays."""
    with transaction.atomic():
        gone, _ = CoachConflict.objects.filter(
            learner_id=learner_id, user_id=user_id, said_by=CoachConflict.By.LEARNER
        ).delete()
        if gone:
            _note("coach.may_meet_again", learner_id, user_id, by, now)


def _note(action: str, learner_id: UUID, user_id: UUID, by: UUID, now: datetime) -> None:
    audit.record(
        actor=Party("user", by),
        action=action,
        target=Party("learner", learner_id),
        now=now,
        detail={"coach": str(user_id)},
    )
