"""How soon a first action follows its signal, measured: the share in time, and why the others were late.

Counted are episodes whose signal lies in the period. The first action is the first message that reached the learner,
the first word asked of a manager, or a coach's case. It is in time if it comes within the policy's window after the
signal (by the clock, nights and holds included). Left out are episodes still within their window, and those that ended
inside it without needing an action.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import F, Min, Q

from interventions.models import Approval, Decision, Episode
from interventions.policy import store
from interventions.policy.document import Document
from interventions.policy.when import window_hours

DAYS = 28  # the period that pages show

# Why a first action was late, each in words. Whatever else a decision or suppression gave as its reason is as it is.
WHY = {
    "known_late": "We learned of it too late: the data came late.",
    "approval": "It waited for a person's yes.",
    "quiet_hours": "It waited for an hour that does not disturb.",
    "leave": "The learner was on leave.",
    "busy_week": "It was a business-critical week.",
    "holiday": "It was a public holiday.",
    "cap": "The learner had two messages that week already.",
    "outbid": "The last place of the week went to a step worth more.",
    "declined": "A person decided against it.",
    "unanswered": "Nobody approved it in time.",
    "consent": "The learner had said no to this.",
    "no_channel": "There was no way to reach the learner.",
    "no_manager": "No manager was known.",
    "manager_budget": "The manager had three open requests already.",
    "about_cap": "The manager had heard about this person that week.",
    "failed": "The message could not be delivered.",
    "expired": "It was held too long to still make sense.",
    "superseded": "A person chose another route.",
    "ask_first": "A person was asked first again while it waited.",
    "recovered_lately": "Things had got better just before, so it was left alone.",
    "not_worth_it": "A step would have cost more than it was likely to bring.",
    "too_uncertain": "It was too uncertain that a step would pay.",
    "too_little_known": "Too little was known.",
    "not_in_pilot": "The course was not part of the pilot yet.",
    "under_way": "The step was decided and had not gone out yet.",
}


class Late(NamedTuple):
    """One first action that did not come in time."""

    episode_id: UUID
    learner_id: UUID
    signal_at: datetime
    due_at: datetime
    acted_at: datetime | None  # None: not yet, or never
    why: str  # a key of WHY


class FirstActions(NamedTuple):
    """What was measured of a period."""

    since: datetime
    counted: int
    late: list[Late]
    median_hours: float | None  # from signal to first action, of those that had one

    @property
    def in_time(self) -> int:
        return self.counted - len(self.late)

    @property
    def share(self) -> float | None:
        """In time, as a share; None where nothing is counted."""
        return self.in_time / self.counted if self.counted else None

    def reasons(self) -> list[tuple[str, int]]:
        """Why, in words, and how often; the most frequent first."""
        counts = Counter(one.why for one in self.late)
        return [
            (WHY[key], number) for key, number in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        ]


def measure(*, now: datetime, days: float = DAYS) -> FirstActions:
    """First actions of episodes whose signal lies in the last so many days; three queries at most beside the policy."""
    policy = store.document(store.live())
    since = now - timedelta(days=days)
    counted, late, waits = 0, list[tuple[Episode, datetime, datetime | None]](), list[float]()
    for episode in _episodes(since, now):
        acted_at = min((at for at in (episode.reached, episode.asked, episode.escalated) if at), default=None)
        due_at = episode.signal_at + timedelta(hours=_window(episode, policy))
        if acted_at is None and (due_at > now or (episode.closed_at and episode.closed_at <= due_at)):
            continue
        counted += 1
        if acted_at is not None:
            waits.append((acted_at - episode.signal_at).total_seconds() / 3600)
        if acted_at is None or acted_at > due_at:
            late.append((episode, due_at, acted_at))
    return FirstActions(
        since=since,
        counted=counted,
        late=_explained(late),
        median_hours=median(waits) if waits else None,
    )


def _episodes(since: datetime, now: datetime) -> Iterable[Any]:
    """Episodes with the moments of their first actions."""
    return (
        Episode.objects.filter(signal_at__gte=since, signal_at__lte=now)
        .filter(enrolment__learner__erased_at__isnull=True, enrolment__learner__merged_into__isnull=True)
        .select_related("enrolment__course", "enrolment__learner__job_role")
        .annotate(
            reached=Min("attempts__reached_at"),
            asked=Min("decisions__manager_ask__asked_at"),
            escalated=Min("escalations__at", filter=Q(escalations__decision__action="coach")),
        )
        .order_by("signal_at", "pk")
    )


def _window(episode: Episode, policy: Document) -> float:
    role = episode.enrolment.learner.job_role
    return window_hours(
        policy.first_action_hours,
        policy.first_action,
        impact=role.impact if role else "standard",
        kind=episode.enrolment.course.kind,
    )


def _explained(late: Sequence[tuple[Episode, datetime, datetime | None]]) -> list[Late]:
    """Each with its one reason: why it was not begun in time, else what became of its first step."""
    first_steps: dict[UUID, Decision] = {}
    acting = (
        Decision.objects.filter(episode_id__in=[episode.pk for episode, _, _ in late])
        .exclude(action="monitor")
        .select_related("suppression", "approval", "hold")
        .defer("snapshot", "eligible", "reasons")
        .order_by("at", "pk")
    )
    for decision in acting:
        assert decision.episode_id is not None
        first_steps.setdefault(decision.episode_id, decision)
    begun_late = [episode for episode, due_at, _ in late if episode.opened_at > due_at]
    before = dict[int, str]()
    waiting = (
        Decision.objects.filter(
            enrolment_id__in=[episode.enrolment_id for episode in begun_late],
            action="monitor",
            enrolment__episodes__in=begun_late,
            at__gte=F("enrolment__episodes__signal_at"),
            at__lt=F("enrolment__episodes__opened_at"),
        )
        .order_by("at", "pk")
        .values_list("enrolment_id", "reasons")
    )
    for enrolment_id, reasons in waiting if begun_late else ():
        before[enrolment_id] = reasons[0].split(":")[0] if reasons else ""
    return [
        Late(
            episode_id=episode.pk,
            learner_id=episode.enrolment.learner_id,
            signal_at=episode.signal_at,
            due_at=due_at,
            acted_at=acted_at,
            why=_why(episode, due_at, first_steps.get(episode.pk), before.get(episode.enrolment_id, "")),
        )
        for episode, due_at, acted_at in late
    ]


def _why(episode: Episode, due_at: datetime, step: Decision | None, before: str) -> str:
    if episode.opened_at > due_at:
        return before if before in WHY else "known_late"
    if step is None:
        return "known_late"
    suppression = getattr(step, "suppression", None)
    if suppression is not None:
        return suppression.reason if suppression.reason in WHY else "under_way"
    hold = getattr(step, "hold", None)
    if hold is not None:
        return str(hold.reason)
    approval = getattr(step, "approval", None)
    if approval is not None and (approval.answered_at is None or approval.answered_at > due_at):
        return "approval" if approval.state != Approval.State.LAPSED else "unanswered"
    return "quiet_hours" if step.action not in ("manager", "coach") else "under_way"
