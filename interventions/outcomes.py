"""Stage 8: what came of it. Judges attempts when their window closes, and measures decisions when they mature."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q

from interventions import route, triggers, turns
from interventions.models import Answer, Attempt, Episode, Outcome
from interventions.policy import store
from interventions.situation import snapshots
from interventions.snapshot import restore
from learners.models import Enrolment
from signals import labels
from signals.models import Event
from signals.models.events import OBSERVED

Left = Enrolment.State
ANSWERED_72H = "answered_72h"  # the learner answered within 72 hours
ACTIVE_7D = "active_7d"  # the learner was active in the course within 7 days
RECOVERED_14D = "recovered_14d"  # the episode ended in recovery within 14 days
HORIZONS = {
    ANSWERED_72H: timedelta(hours=72),
    ACTIVE_7D: timedelta(days=7),
    RECOVERED_14D: timedelta(days=14),
}
# What a person does is known under one of their records only. An enrolment that stayed behind in a merge shows nothing
# any more, which says nothing about the person: no verdict, no outcome and no label, unless the merge is undone.
_WATCHED = Q(decision__enrolment__learner__merged_into__isnull=True)

# A rule that acts alone says something where nothing is the matter: there is nothing to recover from.
_OF_TROUBLE = {"episode__rule__isnull": True}


def judge(*, now: datetime, limit: int = 500) -> int:
    """Judges up to ``limit`` attempts whose window has closed; returns how many."""
    policy_row = store.live()
    policy = store.document(policy_row)
    with transaction.atomic():
        due = Attempt.objects.filter(
            _WATCHED, verdict=Attempt.Verdict.PENDING, window_ends_at__lte=now
        ).order_by("window_ends_at", "pk")
        free = turns.take_free(due.values_list("decision__enrolment_id", flat=True)[:limit])
        attempts = list(
            due.select_for_update(skip_locked=True, of=("self",))
            .filter(decision__enrolment__in=free)
            .select_related("decision__enrolment", "episode")[:limit]
        )
        after = snapshots(
            [attempt.decision.enrolment_id for attempt in attempts],
            policy=policy,
            policy_version=policy_row.version,
            now=now,
        )
        for attempt in attempts:
            before, situation = attempt.decision.snapshot, after.get(attempt.decision.enrolment_id)
            better = _is_well(attempt) or (
                before is not None
                and situation is not None
                and triggers.improved(
                    before=restore(before),
                    after=situation,
                    opened_by=attempt.episode.triggers,
                    reached_at=attempt.reached_at,
                    policy=policy,
                )
            )
            attempt.verdict = Attempt.Verdict.IMPROVED if better else Attempt.Verdict.NO_IMPROVEMENT
            attempt.judged_at = now
        Attempt.objects.bulk_update(attempts, ["verdict", "judged_at"])
        _advance([a for a in attempts if a.verdict == Attempt.Verdict.NO_IMPROVEMENT], failed=1)
        _advance([a for a in attempts if a.verdict == Attempt.Verdict.IMPROVED], failed=0)
        if attempts:
            route.look_again([attempt.decision.enrolment_id for attempt in attempts], at=now)
    return len(attempts)


def _advance(attempts: Sequence[Attempt], *, failed: int) -> None:
    """The next step of each episode follows the attempt's; one attempt of an episode is open at a time."""
    open_episodes = Episode.objects.filter(
        pk__in=[attempt.episode_id for attempt in attempts], closed_at__isnull=True
    )
    open_episodes.filter(
        Exists(
            Attempt.objects.filter(
                pk__in=[attempt.pk for attempt in attempts],
                episode=OuterRef("pk"),
                decision__step=OuterRef("step"),
            )
        )
    ).update(step=F("step") + 1)
    if failed:
        open_episodes.update(failed_attempts=F("failed_attempts") + failed)


def measure(*, now: datetime, limit: int = 500) -> int:
    """Measures up to ``limit`` decisions that reached a learner and have matured, once per measure; returns how many.

    What they say about the learner is reported down as labels.
    """
    return sum(_measure(name, horizon, now, limit) for name, horizon in HORIZONS.items())


def _measure(name: str, horizon: timedelta, now: datetime, limit: int) -> int:
    with transaction.atomic():
        attempts = list(
            Attempt.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(_WATCHED, reached_at__lte=now - horizon, **(_OF_TROUBLE if name == RECOVERED_14D else {}))
            .filter(~Exists(Outcome.objects.filter(decision=OuterRef("decision"), measure=name)))
            .select_related("decision__enrolment", "episode")
            .order_by("reached_at", "pk")[:limit]
        )
        if not attempts:
            return 0
        found = {ANSWERED_72H: _answered, ACTIVE_7D: _active, RECOVERED_14D: _recovered}[name](
            attempts, horizon
        )
        Outcome.objects.bulk_create(
            [
                Outcome(
                    decision_id=attempt.decision_id,
                    measure=name,
                    value=None if _says_nothing(name, attempt) else float(attempt.pk in found),
                    at=now,
                )
                for attempt in attempts
            ],
            ignore_conflicts=True,
        )
        if name == RECOVERED_14D:
            for attempt in attempts:
                labels.record(
                    enrolment_id=attempt.decision.enrolment_id,
                    as_of=attempt.decision.at,
                    definition="recovered_14d@1",
                    value=None if _says_nothing(name, attempt) else attempt.pk in found,
                    horizon_days=horizon.days,
                    treated=True,
                    propensity=attempt.decision.propensity,
                    now=now,
                )
    return len(attempts)


def _says_nothing(name: str, attempt: Attempt) -> bool:
    """Whoever did not need help has nothing to recover from: that is a verdict on the flag, not on the step.

    Nor is anything known of somebody who said no, or left the course, before the time was over.
    """
    if name != RECOVERED_14D:
        return False
    episode = attempt.episode
    if episode.end == Episode.End.NOT_NEEDED:
        return True
    left = episode.end == Episode.End.COURSE_ENDED and attempt.decision.enrolment.state == Left.WITHDRAWN
    return (left or episode.end == Episode.End.CONSENT) and _ended_within(attempt, HORIZONS[name])


def _ended_within(attempt: Attempt, horizon: timedelta) -> bool:
    closed_at = attempt.episode.closed_at
    return closed_at is not None and closed_at <= attempt.reached_at + horizon


def _answered(attempts: Sequence[Attempt], horizon: timedelta) -> set[object]:
    at = dict(
        Answer.objects.filter(decision__in=[attempt.decision_id for attempt in attempts]).values_list(
            "decision_id", "at"
        )
    )
    return {a.pk for a in attempts if a.decision_id in at and at[a.decision_id] <= a.reached_at + horizon}


def _active(attempts: Sequence[Attempt], horizon: timedelta) -> set[object]:
    afterwards = Event.objects.filter(
        enrolment_id=OuterRef("decision__enrolment_id"),
        occurred_at__gt=OuterRef("reached_at"),
        occurred_at__lte=OuterRef("reached_at") + horizon,
        voided_seq__isnull=True,
    ).exclude(verb__in=OBSERVED)
    return set(
        Attempt.objects.filter(Exists(afterwards), pk__in=[attempt.pk for attempt in attempts]).values_list(
            "pk", flat=True
        )
    )


def _recovered(attempts: Sequence[Attempt], horizon: timedelta) -> set[object]:
    return {attempt.pk for attempt in attempts if _is_well(attempt) and _ended_within(attempt, horizon)}


def _is_well(attempt: Attempt) -> bool:
    """Is the trouble over by its own rule? Whoever completed the course has done better than that."""
    completed = attempt.decision.enrolment.state == Left.COMPLETED
    end = attempt.episode.end
    return end == Episode.End.RECOVERED or (end == Episode.End.COURSE_ENDED and completed)
