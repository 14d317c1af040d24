"""Stage 7b: opens cases for what waits for a person, brings back the snoozed, closes what needs nobody any more."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import Case as Choice
from django.db.models import Exists, F, OuterRef, Q, Value, When

from coaching import choosing, worktime
from coaching.models import Case
from coaching.querysets import ASKED_THEMSELVES
from consent import gate
from consent.scopes import Scope
from interventions import route
from interventions.models import Approval, Decision, Episode, Escalation
from learners.models import CoachConflict, Enrolment

APPROVAL_HOURS = 24
ESCALATION_HOURS = 8  # of the working day


def collect(*, now: datetime, limit: int = 500) -> int:
    """Brings the inbox up to date by up to ``limit`` rows of each kind; returns how many cases changed."""
    with transaction.atomic():
        done = _close_overtaken(now, limit)
        done += _wake(now, limit)
        done += _open_escalations(now, limit)
        done += _open_approvals(now, limit)
        done += _suggest_again(now, limit)
    return done


def due_at(*, is_escalation: bool, asked_at: datetime) -> datetime:
    """By when a coach should have answered; weekends do not count, and nights do not for escalations."""
    zone = ZoneInfo(settings.ORGANISATION_TIME_ZONE)
    if is_escalation:
        return worktime.add_hours(asked_at, ESCALATION_HOURS, zone)
    return worktime.add_hours(asked_at, APPROVAL_HOURS, zone, day=worktime.ALL_DAY)


def _close_overtaken(now: datetime, limit: int) -> int:
    """Closes cases whose approval lapsed or was answered elsewhere, and those whose episode ended."""
    lapsed = Q(is_escalation=False, state__in=(Case.State.OPEN, Case.State.SNOOZED)) & ~Q(
        decision__approval__state=Approval.State.WAITING
    )
    overtaken = (
        Case.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(lapsed | Q(episode__closed_at__isnull=False))
        .exclude(state=Case.State.CLOSED)
        .order_by("pk")
        .values_list("pk", flat=True)[:limit]
    )
    return Case.objects.filter(pk__in=list(overtaken)).update(
        state=Case.State.CLOSED, closed_at=now, snoozed_until=None, version=F("version") + 1
    )


def _wake(now: datetime, limit: int) -> int:
    """Snoozed cases come back by themselves: nobody is muted for good."""
    due = (
        Case.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(state=Case.State.SNOOZED, snoozed_until__lte=now)
        .order_by("snoozed_until", "pk")
        .values_list("pk", flat=True)[:limit]
    )
    return Case.objects.filter(pk__in=list(due)).update(
        state=Case.State.OPEN, snoozed_until=None, version=F("version") + 1
    )


def _open_escalations(now: datetime, limit: int) -> int:
    """A case for each escalation to a coach; an open approval case of the same learner and course becomes it."""
    rows = list(
        Escalation.objects.select_for_update(skip_locked=True, of=("self",))
        # Word to a manager has its proof too, but waits for approval first: that is an approval case.
        .filter(collected_at__isnull=True, decision__action="coach")
        .select_related("decision__enrolment", "episode")
        .order_by("at", "pk")[:limit]
    )
    changed = 0
    wanted = []
    refused = []  # said no in the meantime: nobody will look, so nobody may seem to
    allowed = gate.filter_allowed({row.decision.enrolment.learner_id for row in rows}, Scope.COACH)
    for row in rows:
        decision = row.decision
        if row.episode.closed_at is not None:
            continue  # over before anybody looked
        if decision.enrolment.learner_id not in allowed and row.exemption not in ASKED_THEMSELVES:
            refused.append(row.episode_id)
            continue
        upgraded = (
            Case.objects.filter(enrolment_id=decision.enrolment_id)
            .exclude(state=Case.State.CLOSED)
            .update(
                is_escalation=True,
                episode_id=row.episode_id,
                decision=decision,
                due_at=due_at(is_escalation=True, asked_at=row.at),
                # Whoever works on it already goes on; anything else needs a decision now.
                state=_reopened(),
                snoozed_until=None,
                version=F("version") + 1,
            )
        )
        changed += upgraded
        if not upgraded:
            wanted.append((decision.enrolment, row.episode_id, decision.pk, row.at))
    if refused:  # before they count as collected: they have reached nobody
        route.end_episodes(episode_ids=refused, end=Episode.End.CONSENT, now=now)
    changed += _create(wanted, is_escalation=True, now=now)
    Escalation.objects.filter(pk__in=[row.pk for row in rows]).update(collected_at=now)
    return changed


def _open_approvals(now: datetime, limit: int) -> int:
    """A case for each step that waits for a yes, unless a case of that learner and course is open already."""
    busy = Case.objects.filter(enrolment_id=OuterRef("decision__enrolment_id")).exclude(
        state=Case.State.CLOSED
    )
    rows = list(
        Approval.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(~Exists(busy), state=Approval.State.WAITING, collected_at__isnull=True)
        .select_related("decision__enrolment")
        .order_by("asked_at", "pk")[:limit]
    )
    allowed = gate.filter_allowed({row.decision.enrolment.learner_id for row in rows}, Scope.COACH)
    wanted = [
        (row.decision.enrolment, row.decision.episode_id, row.decision.pk, row.asked_at)
        for row in rows
        # An acting decision has an episode: the database says so, the type does not.
        if row.decision.enrolment.learner_id in allowed and row.decision.episode_id is not None
    ]
    changed = _create(wanted, is_escalation=False, now=now)
    Approval.objects.filter(pk__in=[row.pk for row in rows]).update(collected_at=now)
    return changed


def _reopened() -> Choice:
    return Choice(
        When(state=Case.State.ACCEPTED, then=Value(Case.State.ACCEPTED)),
        default=Value(Case.State.OPEN),
    )


def _create(
    wanted: Sequence[tuple[Enrolment, UUID, UUID, datetime]], *, is_escalation: bool, now: datetime
) -> int:
    """New cases, each suggested to a coach. Who came second for a learner and course is left out."""
    cases = [
        Case(
            enrolment=enrolment,
            episode_id=episode_id,
            decision_id=decision_id,
            is_escalation=is_escalation,
            opened_at=now,
            due_at=due_at(is_escalation=is_escalation, asked_at=asked_at),
        )
        for enrolment, episode_id, decision_id, asked_at in wanted
    ]
    _suggest(cases, now)
    return len(Case.objects.bulk_create(cases, ignore_conflicts=True))


def _suggest(cases: Sequence[Case], now: datetime) -> None:
    """Says on these cases whom they are suggested to, and why."""
    # As they may be new, what they ask for is read in one go and not case by case.
    enrolments = Enrolment.objects.select_related("learner").in_bulk([case.enrolment_id for case in cases])
    weakest = dict(
        Decision.objects.filter(pk__in=[case.decision_id for case in cases]).values_list(
            "pk", "snapshot__seen__competency"
        )
    )
    wanted = [
        choosing.Wanted(
            learner_id=enrolments[case.enrolment_id].learner_id,
            course_id=enrolments[case.enrolment_id].course_id,
            language=enrolments[case.enrolment_id].learner.language,
            competency=weakest.get(case.decision_id),
        )
        for case in cases
    ]
    for case, found in zip(cases, choosing.choose(wanted, now=now), strict=True):
        case.assignee = case.suggested_to = found.user
        case.suggested_because = found.because


def _suggest_again(now: datetime, limit: int) -> int:
    """Cases that nobody was there for: as soon as somebody is, or has room, they are suggested to them.

    So are those of a coach who is not to meet the learner any more, whoever said so.
    """
    apart = CoachConflict.objects.filter(learner=OuterRef("enrolment__learner"), user=OuterRef("assignee"))
    cases = list(
        Case.objects.open()
        .select_for_update(skip_locked=True, of=("self",))
        .filter(Q(assignee__isnull=True) | Exists(apart))
        .order_by("due_at", "pk")[:limit]
    )
    before = {case.pk: (case.assignee_id, case.suggested_because) for case in cases}
    _suggest(cases, now)
    changed = [case for case in cases if (case.assignee_id, case.suggested_because) != before[case.pk]]
    for case in changed:
        case.version += 1
        if case.state == Case.State.ACCEPTED:
            case.state = Case.State.OPEN  # whoever had it is gone; nobody has said yes to it since
    Case.objects.bulk_update(changed, ["assignee", "suggested_to", "suggested_because", "state", "version"])
    return len(changed)
