"""What a manager does with what they were asked."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F

from consent import audit
from consent.actors import Party
from interventions import episodes, route, turns
from interventions.models import Attempt, Decision, Episode, Escalation, ManagerAsk
from interventions.policy import store
from signals import labels

State = ManagerAsk.State
NEEDED_HELP = "needed_help@1"
LOOK_AGAIN = timedelta(days=7)  # a word needs longer than a nudge to show


class StaleVersion(Exception):
    """Somebody or something changed this in the meantime; nothing was done."""


def accept(*, ask: ManagerAsk, version: int, now: datetime) -> None:
    """The manager will do it; it stops taking one of their three places."""
    _move(ask, version, now, state=State.ACCEPTED)


def done(*, ask: ManagerAsk, version: int, now: datetime, action_helped: bool | None = None) -> None:
    """The manager did it, and may say whether it helped; the episode goes on being watched."""
    with transaction.atomic():
        _move(ask, version, now, state=State.DONE, action_helped=action_helped)
        _next_step(ask, now, look_again_at=now + LOOK_AGAIN)


def not_now(*, ask: ManagerAsk, version: int, until: datetime, now: datetime) -> None:
    """Comes back at ``until``."""
    _move(ask, version, now, state=State.SNOOZED, snoozed_until=until)


def wrong(
    *, ask: ManagerAsk, version: int, reason: str, now: datetime, flag_was_right: bool | None = None
) -> None:
    """The manager says that something is wrong with this: the episode ends here.

    ``flag_was_right`` False: nobody needed help, and the label says so. None: they spoke of something else, such as
    leave or a wrong person.
    """
    with transaction.atomic():
        _move(ask, version, now, state=State.WRONG, note=reason, flag_was_right=flag_was_right)
        episode = Decision.objects.select_related("episode").get(pk=ask.decision_id).episode
        assert episode is not None
        episodes.settle(episode=episode, recovered=False, was_needed=flag_was_right is not False, now=now)
        if flag_was_right is not None:
            decision = Decision.objects.get(pk=ask.decision_id)
            labels.record(
                enrolment_id=ask.enrolment_id,
                as_of=decision.at,
                definition=NEEDED_HELP,
                value=flag_was_right,
                horizon_days=0,
                treated=Attempt.objects.filter(episode=episode).exists(),
                propensity=decision.propensity,
                now=now,
            )


def hand_on(*, ask: ManagerAsk, version: int, now: datetime) -> None:
    """A coach takes over, on the same proof."""
    with transaction.atomic():
        _move(ask, version, now, state=State.HANDED_ON)
        _next_step(ask, now, look_again_at=None)
        previous = Decision.objects.select_related("escalation").get(pk=ask.decision_id)
        proof = previous.escalation
        assert previous.episode_id is not None  # an acting decision has an episode (constraint)
        decision = Decision.objects.create(
            enrolment_id=previous.enrolment_id,
            episode_id=previous.episode_id,
            step=(previous.step or 0) + 1,
            policy=store.live(),
            action="coach",
            eligible=previous.eligible,
            expected_value=previous.expected_value,
            reasons=["manager_asked_for_a_coach"],
            snapshot=previous.snapshot,
            known_seq=previous.known_seq,
            at=now,
        )
        Escalation.objects.create(
            decision=decision,
            episode_id=previous.episode_id,
            attempt_id=proof.attempt_id,
            attempt_verdict=proof.attempt_verdict,
            exemption=proof.exemption,
            at=now,
        )


def reopen(*, now: datetime, limit: int = 500) -> int:
    """Puts asks back before managers whose "not now" is over, as far as their places allow."""
    back = 0
    with transaction.atomic():
        due = list(
            ManagerAsk.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(state=State.SNOOZED, snoozed_until__lte=now)
            .order_by("snoozed_until", "pk")[:limit]
        )
        taken: dict[UUID, set[int]] = {}
        for manager_id, place in ManagerAsk.objects.filter(
            manager__in=[ask.manager_id for ask in due], place__isnull=False
        ).values_list("manager_id", "place"):
            taken.setdefault(manager_id, set()).add(place or 0)
        for ask in due:
            occupied = taken.setdefault(ask.manager_id, set())
            place = next((place for place in (1, 2, 3) if place not in occupied), None)
            if place is None:
                continue
            occupied.add(place)
            ask.place, ask.state, ask.snoozed_until, ask.version = place, State.OPEN, None, ask.version + 1
            back += 1
        ManagerAsk.objects.bulk_update(
            [ask for ask in due if ask.place], ["place", "state", "snoozed_until", "version"]
        )
    return back


def _move(
    ask: ManagerAsk,
    version: int,
    now: datetime,
    *,
    state: str,
    snoozed_until: datetime | None = None,
    note: str = "",
    **verdict: bool | None,
) -> None:
    with transaction.atomic():
        turns.wait_for([ask.enrolment_id])
        moved = ManagerAsk.objects.filter(
            pk=ask.pk, version=version, state__in=(State.OPEN, State.ACCEPTED)
        ).update(
            state=state,
            place=None,
            version=F("version") + 1,
            answered_at=now,
            snoozed_until=snoozed_until,
            note=note,
            **verdict,
        )
        if not moved:
            raise StaleVersion("This was changed in the meantime; look again before you decide.")
        audit.record(
            actor=Party("user", ask.manager_id),
            action=f"ask.{state}",
            target=Party("ask", ask.pk),
            now=now,
        )


def _next_step(ask: ManagerAsk, now: datetime, *, look_again_at: datetime | None) -> None:
    Episode.objects.filter(decisions=ask.decision_id).update(step=F("step") + 1)
    if look_again_at is not None:
        route.look_again([ask.enrolment_id], at=look_again_at)
