"""Puts learners into the LMS's course in which a suggested lesson lives, once the suggestion went out by any channel.

Queued in the transaction that notes that it went out, done after it. Being enrolled twice is being enrolled once, so
what was interrupted is repeated. Consent is asked for again, under the lock that a withdrawal takes.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from consent import gate
from consent.scopes import Scope
from interventions import places
from interventions.channels.base import ChannelError
from interventions.channels.moodle_site import enrol
from interventions.models import ChatConnection, Decision, PlatformEnrolment
from interventions.pauses import pause
from interventions.wake import work_left
from learners.models import Learner

MAX_TRIES = 6
IN_DOUBT_AFTER = timedelta(minutes=5)
State = PlatformEnrolment.State


def want(decisions: Iterable[Decision], *, now: datetime) -> int:
    """Queues what these suggestions, which went out, ask for, in the caller's transaction; returns how many are new."""
    lessons = {decision.pk: decision.lesson_id for decision in decisions if decision.lesson_id is not None}
    courses = places.courses(lessons.values()) if lessons else {}
    if not courses or _site() is None:
        return 0
    made = PlatformEnrolment.objects.bulk_create(
        [
            PlatformEnrolment(decision_id=pk, moodle_course=courses[lesson], created_at=now, due_at=now)
            for pk, lesson in lessons.items()
            if lesson in courses
        ],
        ignore_conflicts=True,
    )
    transaction.on_commit(lambda: work_left.send(sender=None, stage="enrol"))
    return len(made)


def enrol_due(*, now: datetime, limit: int = 100) -> int:
    """Enrols up to ``limit`` learners who are due; returns how many it looked at. A stage."""
    PlatformEnrolment.objects.filter(state=State.SENDING, claimed_at__lte=now - IN_DOUBT_AFTER).update(
        state=State.QUEUED
    )
    site = _site()
    if site is None:
        return 0  # what waits goes on when a connection enrols again
    due = PlatformEnrolment.objects.filter(state=State.QUEUED, due_at__lte=now).order_by("due_at", "pk")
    ids = list(due.values_list("pk", flat=True)[:limit])
    for pk in ids:
        row = _claim(pk, now)
        if row is not None:
            _do(site, row, now)
    return len(ids)


def try_again(decision_id: UUID, *, now: datetime) -> bool:
    """Queues one that was given up, with all its tries; False where it was not."""
    moved = PlatformEnrolment.objects.filter(pk=decision_id, state=State.FAILED).update(
        state=State.QUEUED, tries=0, due_at=now
    )
    transaction.on_commit(lambda: work_left.send(sender=None, stage="enrol"))
    return bool(moved)


def call_off(learner_id: UUID) -> int:
    """Calls off what is still queued for this person; returns how many."""
    waiting = PlatformEnrolment.objects.filter(decision__enrolment__learner=learner_id, state=State.QUEUED)
    return waiting.update(state=State.CANCELLED)


def _site() -> ChatConnection | None:
    enrolling = ChatConnection.objects.filter(kind=ChatConnection.Kind.MOODLE, is_active=True, enrols=True)
    return enrolling.order_by("pk").first()


def _claim(decision_id: UUID, now: datetime) -> PlatformEnrolment | None:
    """The row, moved to sending unless somebody else has it or its person refuses by now."""
    learner_id = (
        Decision.objects.values_list("enrolment__learner_id", flat=True).filter(pk=decision_id).first()
    )
    if learner_id is None:
        return None
    with transaction.atomic():
        # The consent row before ours, as a withdrawal locks them.
        willing = gate.lock_and_allows(learner_id, Scope.NUDGE) and gate.allows(learner_id, Scope.RECORD)
        row = (
            PlatformEnrolment.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("decision__enrolment__learner")
            .filter(pk=decision_id, state=State.QUEUED)
            .first()
        )
        if row is None:
            return None
        if not willing:
            PlatformEnrolment.objects.filter(pk=decision_id).update(state=State.CANCELLED)
            return None
        row.tries += 1
        PlatformEnrolment.objects.filter(pk=decision_id).update(
            state=State.SENDING, claimed_at=now, tries=row.tries
        )
        return row


def _do(site: ChatConnection, row: PlatformEnrolment, now: datetime) -> None:
    learner: Learner = row.decision.enrolment.learner
    mine = PlatformEnrolment.objects.filter(pk=row.pk, state=State.SENDING)
    try:
        enrol(site, learner, row.moodle_course)
    except ChannelError as fault:
        again = not fault.permanent and row.tries < MAX_TRIES
        wait = max(pause(row.pk, row.tries), timedelta(seconds=fault.wait_seconds))
        mine.update(
            state=State.QUEUED if again else State.FAILED,
            due_at=now + wait if again else row.due_at,
            answer=str(fault)[:300],
        )
    else:
        mine.update(state=State.DONE, done_at=now, answer="enrolled")
