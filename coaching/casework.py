"""What a coach decides on a case. Every change names the version it saw; the later of two is told, and does nothing."""

from datetime import datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

from django.db import transaction
from django.db.models import F

from coaching import apart, choosing
from coaching.models import Case, DismissReason, Note, Verdict
from coaching.querysets import ASKED_THEMSELVES
from consent import audit, record
from consent.actors import Party
from consent.scopes import Scope
from interventions import approvals, episodes
from interventions.models import Approval, Attempt, Escalation, Watch
from learners.models import CoachConflict, User
from signals import labels

LONGEST_SNOOZE = timedelta(days=30)  # nobody is muted for good
HANDED_ON = "a colleague handed it on"
NEEDED_HELP = "needed_help@1"


class StaleVersion(Exception):
    """Somebody or something changed the case in the meantime; nothing was done."""

    def __init__(self, case: Case, verdict: Verdict | None) -> None:
        super().__init__("The case was changed in the meantime.")
        self.case = case  # as it is now
        self.verdict = verdict  # the change that came first; None where it was not a person's


class NotNow(ValueError):
    """The case is not in a state for this, or something needed is missing; the message says what to do instead."""


def approve(*, case: Case, by: UUID, version: int, now: datetime, text: str = "") -> None:
    """Lets the waiting step go ahead and closes the case."""
    _seen(case, version)
    _needs_approval(case)
    with transaction.atomic():
        _move(case, version, state=Case.State.CLOSED, closed_at=now, snoozed_until=None)
        try:
            approvals.approve(decision=case.decision, by=by, now=now)
        except approvals.NotWaiting as fault:
            raise NotNow(str(fault)) from fault
        _verdict(case, Verdict.Kind.APPROVE, by, now, text)


def change_route(*, case: Case, action: str, by: UUID, version: int, now: datetime, text: str = "") -> None:
    """Takes another route instead and closes the case; a coach's route comes back as a case of its own."""
    _seen(case, version)
    _needs_approval(case)
    with transaction.atomic():
        _move(case, version, state=Case.State.CLOSED, closed_at=now, snoozed_until=None)
        try:
            approvals.change_route(decision=case.decision, action=action, by=by, now=now)
        except (approvals.NotWaiting, approvals.RouteNotOpen) as fault:
            raise NotNow(str(fault)) from fault
        _verdict(case, Verdict.Kind.CHANGE, by, now, text, route=action)


def dismiss(
    *,
    case: Case,
    reason: str,
    by: UUID,
    version: int,
    now: datetime,
    until: datetime | None = None,
    text: str = "",
) -> None:
    """Says no, for one of the six reasons. Each has its effect; all stop the step and close the case.

    Not at risk: the label says so, and the episode ends as not needed, which is no recovery.
    Away: nothing is looked at until ``until``.
    Wrong data: the identity is up for review. Asked to stop: consent to nudges is withdrawn.
    """
    _seen(case, version)
    if reason not in DismissReason.values:
        raise NotNow("Choose one of the six reasons.")
    if reason == DismissReason.AWAY and (until is None or until <= now):
        raise NotNow("Say until when the person is away.")
    with transaction.atomic():
        _move(case, version, state=Case.State.CLOSED, closed_at=now, snoozed_until=None)
        flag_was_right = _flag_was_right(reason)
        if flag_was_right is not None:
            _label(case, flag_was_right, now)
        _stop(case, by, now)
        if case.is_escalation or reason == DismissReason.NOT_AT_RISK:
            episodes.settle(
                episode=case.episode, recovered=False, was_needed=flag_was_right is not False, now=now
            )
        if reason == DismissReason.AWAY and until is not None:
            Watch.objects.update_or_create(enrolment_id=case.enrolment_id, defaults={"review_at": until})
        elif reason == DismissReason.WRONG_DATA:
            _audit(case, "case.identity_review", by, now)
        elif reason == DismissReason.ASKED_TO_STOP:
            record.withdraw(
                subject=case.enrolment.learner_id, scope=Scope.NUDGE, by=Party("user", by), now=now
            )
        _verdict(case, Verdict.Kind.DISMISS, by, now, text, reason=reason, flag_was_right=flag_was_right)


def snooze(*, case: Case, until: datetime, by: UUID, version: int, now: datetime, text: str = "") -> None:
    """Puts the case away until a moment at most 30 days ahead; it comes back by itself."""
    _seen(case, version)
    if not now < until <= now + LONGEST_SNOOZE:
        raise NotNow("Choose a day within the next 30 days.")
    if case.state not in (Case.State.OPEN, Case.State.SNOOZED):
        raise NotNow("Only a case that waits for a decision can be snoozed.")
    with transaction.atomic():
        _move(case, version, state=Case.State.SNOOZED, snoozed_until=until)
        _verdict(case, Verdict.Kind.SNOOZE, by, now, text)


def accept(*, case: Case, by: UUID, version: int, now: datetime, text: str = "") -> None:
    """The coach takes the person on: the name is shown to them from now on. A step that waited is not sent."""
    _seen(case, version)
    if case.state == Case.State.ACCEPTED:
        raise NotNow("Somebody works on this case already.")
    with transaction.atomic():
        _move(case, version, state=Case.State.ACCEPTED, assignee_id=by, snoozed_until=None)
        _can_carry(case, by)
        _stop(case, by, now)
        _verdict(case, Verdict.Kind.ACCEPT, by, now, text)
        _audit(case, "case.name_revealed", by, now)


def close(
    *,
    case: Case,
    by: UUID,
    version: int,
    now: datetime,
    flag_was_right: bool | None,
    action_helped: bool | None,
    recovered: bool,
    text: str = "",
) -> None:
    """Ends the case and its episode, with two separate answers: was the flag right, and did what was done help?"""
    with transaction.atomic():
        _move(case, version, state=Case.State.CLOSED, closed_at=now, snoozed_until=None)
        _stop(case, by, now)
        episodes.settle(
            episode=case.episode, recovered=recovered, was_needed=flag_was_right is not False, now=now
        )
        if flag_was_right is not None:
            _label(case, flag_was_right, now)
        _verdict(
            case,
            Verdict.Kind.CLOSE,
            by,
            now,
            text,
            flag_was_right=flag_was_right,
            action_helped=action_helped,
        )


def hand_on(*, case: Case, to: UUID, by: UUID, version: int, now: datetime, text: str = "") -> None:
    """Suggests the case to a colleague, who takes it on or not; the name is hidden again until somebody does."""
    _seen(case, version)
    colleague = next((user for user in choosing.eligible(case, now=now) if user.pk == to and to != by), None)
    if colleague is None:
        raise NotNow("Choose a colleague who may take this case.")
    with transaction.atomic():
        _move(
            case,
            version,
            state=Case.State.OPEN,
            snoozed_until=None,
            assignee=colleague,
            suggested_to=colleague,
            suggested_because=HANDED_ON,
        )
        _can_carry(case, to)
        _verdict(case, Verdict.Kind.HAND_ON, by, now, text)


def step_back(*, case: Case, by: UUID, version: int, now: datetime, text: str = "") -> None:
    """The coach is not to meet this learner, for a reason nobody asks: they no longer see the case, others do."""
    _seen(case, version)
    with transaction.atomic():
        _move(case, version, state=case.state)
        _verdict(case, Verdict.Kind.APART, by, now, text)
        apart.keep(
            learner_id=case.enrolment.learner_id,
            user_id=by,
            said_by=CoachConflict.By.COACH,
            by=by,
            now=now,
        )


def note(*, case: Case, text: str, by: UUID, now: datetime) -> Note:
    """Keeps what the coach wrote. Needs no version: a note takes nothing from anybody."""
    text = text.strip()
    if not text:
        raise NotNow("Write the note first.")
    return Note.objects.create(case=case, text=text, by=by, at=now)


def _can_carry(case: Case, user_id: UUID) -> None:
    """Raises NotNow where that coach has as many other cases as they can carry, in the transaction that gave them this.

    A call for help is held by no limit, and what was theirs before stays theirs.
    """
    mine = case.is_escalation and case.assignee_id == user_id
    asked = Escalation.objects.filter(decision=case.decision_id, exemption__in=ASKED_THEMSELVES)
    if mine or asked.exists() or choosing.has_room(User.objects.get(pk=user_id), beside=case):
        return
    raise NotNow(
        "That is one case more than can be carried. Close or hand on another first, or ask a colleague."
    )


def _move(case: Case, version: int, **changes: Any) -> None:
    """Changes the case if it still is the version that was seen."""
    moved = (
        Case.objects.filter(pk=case.pk, version=version)
        .exclude(state=Case.State.CLOSED)
        .update(version=F("version") + 1, **changes)
    )
    if not moved:
        _stale(case)


def _seen(case: Case, version: int) -> None:
    """Raises StaleVersion early, so that the answer tells who was first and not what is impossible now."""
    if case.version != version:
        _stale(case)


def _stale(case: Case) -> NoReturn:
    current = Case.objects.for_reading().get(pk=case.pk)
    raise StaleVersion(current, current.verdicts.order_by("-at", "-pk").first())


def _needs_approval(case: Case) -> None:
    if case.is_escalation or case.state == Case.State.ACCEPTED:
        raise NotNow("No step waits for approval here.")


def _stop(case: Case, by: UUID, now: datetime) -> None:
    """Declines the step that waits for approval, if one still does."""
    waiting = Approval.objects.filter(pk=case.decision_id, state=Approval.State.WAITING)
    if not case.is_escalation and waiting.exists():
        approvals.decline(decision=case.decision, by=by, now=now)


def _flag_was_right(reason: str) -> bool | None:
    """What a dismissal says about the flag; nothing where it speaks of something else."""
    if reason == DismissReason.NOT_AT_RISK:
        return False
    return True if reason == DismissReason.NOT_WORTH_IT else None


def _label(case: Case, value: bool, now: datetime) -> None:
    if case.episode.rule_id is not None:
        return  # a rule acted where nobody was flagged: there is no flag to be right or wrong
    labels.record(
        enrolment_id=case.enrolment_id,
        as_of=case.decision.at,
        definition=NEEDED_HELP,
        value=value,
        horizon_days=0,
        treated=Attempt.objects.filter(episode_id=case.episode_id).exists(),
        propensity=case.decision.propensity,
        now=now,
    )


def _verdict(
    case: Case,
    kind: Verdict.Kind,
    by: UUID,
    now: datetime,
    text: str,
    *,
    reason: str = "",
    route: str = "",
    flag_was_right: bool | None = None,
    action_helped: bool | None = None,
) -> None:
    Verdict.objects.create(
        case=case,
        kind=kind,
        reason=reason,
        route=route,
        flag_was_right=flag_was_right,
        action_helped=action_helped,
        by=by,
        at=now,
    )
    if text.strip():
        note(case=case, text=text, by=by, now=now)
    _audit(case, f"case.{kind}", by, now, {"reason": reason} if reason else None)


def _audit(case: Case, action: str, by: UUID, now: datetime, detail: dict[str, Any] | None = None) -> None:
    audit.record(
        actor=Party("user", by),
        action=action,
        target=Party("learner", case.enrolment.learner_id),
        now=now,
        detail={"case": str(case.pk), **(detail or {})},
    )
