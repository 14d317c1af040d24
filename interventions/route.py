"""Stage 6: from a decision to act to deliveries that are due, or to the one reason why nothing goes out."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet, prefetch_related_objects

from consent import gate
from consent.scopes import Scope
from interventions import bidding, catalogue, chats, holds, limits, strategies, turns, wording
from interventions.addresses import refusing
from interventions.models import (
    AlertSlot,
    Approval,
    Decision,
    Delivery,
    Episode,
    Escalation,
    ManagerAsk,
    Suppression,
    Watch,
)
from interventions.policy import store
from interventions.policy.document import Document
from interventions.recipients import recipients as recipients_of
from interventions.wake import work_left
from learners import access
from learners.models import Enrolment, Preferences, User

Reason = Suppression.Reason
REACHED = (Delivery.State.SENDING, Delivery.State.SENT)
# "Not now" and "I'll do it" still stand before the manager, though they take no place.
ASKS_BEFORE_THE_MANAGER = (ManagerAsk.State.OPEN, ManagerAsk.State.ACCEPTED, ManagerAsk.State.SNOOZED)
NOT_YET = (Delivery.State.QUEUED, Delivery.State.CLAIMED)  # nothing has left: it can still be called off


def route(decisions: Sequence[Decision], *, policy: Document, now: datetime) -> None:
    """Queues what these learner-directed decisions say, or records why not. Inside a transaction."""
    enrolments = _enrolments(decisions)
    recipients = {decision.pk: enrolments[decision.enrolment_id].learner for decision in decisions}
    willing = gate.filter_allowed({learner.pk for learner in recipients.values()}, Scope.NUDGE)
    with_account = set(
        User.objects.filter(learner__in=recipients.values(), is_active=True).values_list(
            "learner_id", flat=True
        )
    )
    wishes = Preferences.objects.in_bulk([learner.pk for learner in recipients.values()])
    strategy = {decision.pk: strategies.strategy_of(decision.action, policy) for decision in decisions}
    people = recipients_of(
        [learner.pk for learner in recipients.values()],
        policy=policy,
        now=now,
        wishes=wishes,
        by_habit=[recipients[pk].pk for pk, chosen in strategy.items() if chosen == "best_hour"],
    )
    no_mail = refusing(learner.email for learner in recipients.values())
    chat = chats.chosen()
    by_chat = chats.within_reach(chat, recipients.values())
    refused: dict[UUID, str] = {}
    wanted: dict[UUID, bidding.Bid] = {}
    for decision in decisions:
        learner = recipients[decision.pk]
        if learner.pk not in willing:
            refused[decision.pk] = Reason.CONSENT
        elif (
            learner.pk not in by_chat
            and (not learner.email or learner.email in no_mail)
            and learner.pk not in with_account
        ):
            refused[decision.pk] = Reason.NO_CHANNEL
        else:
            at = strategies.due_at(
                strategy[decision.pk],
                now=now,
                recipient=people[learner.pk],
                policy=policy,
                deadline=enrolments[decision.enrolment_id].due_on,
            )
            wanted[decision.pk] = bidding.Bid(decision.pk, learner.pk, at, decision.expected_value or 0.0)
    awarded = bidding.award(list(wanted.values()))
    placed = awarded.placed
    refused |= {pk: Reason.CAP for pk in awarded.capped} | {pk: Reason.OUTBID for pk in awarded.outbid}
    deliveries = []
    spoken = [decision for decision in decisions if decision.pk in placed]
    prefetch_related_objects(spoken, "lesson__place", catalogue.texts_in_use("lesson__texts"))
    for decision in decisions:
        if decision.pk not in placed:
            continue
        learner, due_at = recipients[decision.pk], wanted[decision.pk].at
        words = wording.words(decision, learner)
        channels = [Delivery.Channel.CARD] if learner.pk in with_account else []
        wish = wishes.get(learner.pk)
        # Somebody without an account has no page, whatever they once wished.
        if not (channels and wish and wish.channel == Preferences.Channel.CARD):
            # One of the two: a chat message that nobody can get falls back to mail.
            if chat and learner.pk in by_chat:
                channels.append(Delivery.Channel(chat.kind))
            elif learner.email and learner.email not in no_mail:
                channels.append(Delivery.Channel.EMAIL)
        deliveries += [
            Delivery(
                decision=decision,
                learner=learner,
                channel=channel,
                subject=words.subject,
                body=words.body,
                message_text_id=words.version,
                lesson_text_id=words.lesson_text,
                due_at=due_at,
                expires_at=due_at + timedelta(hours=policy.limits.hold_hours),
            )
            for channel in channels
        ]
    Delivery.objects.bulk_create(deliveries)
    suppress(refused, now=now, lost_to=awarded.outbid)
    if awarded.displaced:
        call_off(
            decision_ids=list(awarded.displaced), reason=Reason.OUTBID, now=now, lost_to=awarded.displaced
        )
    for decision in decisions:
        closed = holds.current(people[recipients[decision.pk].pk].closed, now)
        if closed is not None and decision.pk in placed:
            due = [delivery for delivery in deliveries if delivery.decision_id == decision.pk]
            holds.hold(decision, closed=closed, due=due, until=wanted[decision.pk].at, now=now)
    if deliveries:
        transaction.on_commit(lambda: work_left.send(sender=None, stage="deliver"))


def fall_back(delivery: Delivery, *, now: datetime) -> Delivery | None:
    """The mail that takes the place of a chat message nobody can get; None where there is none to send."""
    address = delivery.learner.email
    if delivery.channel in (Delivery.Channel.CARD, Delivery.Channel.EMAIL):
        return None
    if not address or refusing([address]):
        return None
    mail, created = Delivery.objects.get_or_create(
        decision_id=delivery.decision_id,
        channel=Delivery.Channel.EMAIL,
        defaults={
            "learner": delivery.learner,
            "subject": delivery.subject,
            "body": delivery.body,
            "message_text_id": delivery.message_text_id,
            "lesson_text_id": delivery.lesson_text_id,
            "due_at": now,
            "expires_at": delivery.expires_at,
        },
    )
    return mail if created else None


def route_to_manager(decision: Decision, *, now: datetime) -> ManagerAsk | None:
    """Asks the manager, within their budget and at most once a week about this learner; None where that fails.

    Nobody is asked while the learner's unit, or the learner, is not to be disturbed.
    """
    learner = _enrolments([decision])[decision.enrolment_id].learner
    manager = access.manager_of([learner.pk], on=now.date()).get(learner.pk)
    if not gate.allows(learner.pk, Scope.MANAGER):
        suppress({decision.pk: Reason.CONSENT}, now=now)
    elif manager is None:
        suppress({decision.pk: Reason.NO_MANAGER}, now=now)
    elif (closed := holds.current(holds.closed_times([learner.pk], now=now)[learner.pk], now)) is not None:
        suppress({decision.pk: closed.reason}, now=now)  # it is decided anew when that is over
    else:
        User.objects.select_for_update(no_key=True).get(pk=manager.pk)  # places are handed out one at a time
        taken = set(
            ManagerAsk.objects.filter(manager=manager, place__isnull=False).values_list("place", flat=True)
        )
        place = next((place for place in (1, 2, 3) if place not in taken), None)
        if place is None:
            suppress({decision.pk: Reason.MANAGER_BUDGET}, now=now)
        elif not limits.reserve(kind=AlertSlot.Kind.ABOUT, wanted={decision.pk: (learner.pk, now)}):
            suppress({decision.pk: Reason.ABOUT_CAP}, now=now)
        else:
            limits.commit(decision=decision, kind=AlertSlot.Kind.ABOUT, now=now)
            # Whether they were heard of by then; until when it waits is for deciding to say.
            unanswered_days = store.document(store.live()).limits.unanswered_days
            look_again_each({decision.enrolment_id: now + timedelta(days=unanswered_days)})
            return ManagerAsk.objects.create(
                decision=decision,
                enrolment_id=decision.enrolment_id,
                manager=manager,
                place=place,
                asked_at=now,
            )
    return None


def suppress(
    reasons: Mapping[UUID, str], *, now: datetime, lost_to: Mapping[UUID, UUID] | None = None
) -> None:
    """Records why these acting decisions reach nobody, and lets their step be decided anew.

    ``lost_to``: of those that were outbid, what won.
    """
    if not reasons:
        return
    won = lost_to or {}
    Suppression.objects.bulk_create(
        [
            Suppression(decision_id=pk, reason=reason, at=now, lost_to_id=won.get(pk))
            for pk, reason in reasons.items()
        ],
        ignore_conflicts=True,
    )
    Decision.objects.filter(pk__in=list(reasons), lapsed_at__isnull=True).update(lapsed_at=now)
    look_again(Decision.objects.filter(pk__in=list(reasons)).values_list("enrolment_id", flat=True), at=now)


def look_again(enrolment_ids: Iterable[int], *, at: datetime) -> None:
    """Has these enrolments evaluated at that moment."""
    look_again_each(dict.fromkeys(enrolment_ids, at))
    transaction.on_commit(lambda: work_left.send(sender=None, stage="evaluate"))


def look_again_each(moments: Mapping[int, datetime]) -> None:
    """Has each of these enrolments evaluated at its moment."""
    Watch.objects.bulk_create(
        [Watch(enrolment_id=pk, review_at=at) for pk, at in sorted(moments.items())],
        update_conflicts=True,
        unique_fields=["enrolment"],
        update_fields=["review_at"],
    )
    transaction.on_commit(lambda: work_left.send(sender=None, stage="evaluate"))


def call_off(
    *,
    decision_ids: Sequence[UUID],
    reason: str,
    now: datetime,
    lost_to: Mapping[UUID, UUID] | None = None,
) -> int:
    """Cancels what has not gone out; decisions that thereby reach nobody lapse for this reason. Returns how many."""
    turns.wait_for_decisions(decision_ids)
    standing = list(
        Delivery.objects.select_for_update(of=("self",))
        .filter(decision_id__in=decision_ids, state__in=NOT_YET)
        .order_by("pk")
        .values_list("pk", "decision_id", "state")
    )
    Delivery.objects.filter(pk__in=[pk for pk, _, _ in standing]).update(state=Delivery.State.CANCELLED)
    if claimed := {decision_id for _, decision_id, state in standing if state == Delivery.State.CLAIMED}:
        limits.give_back(decision_ids=claimed)
    Approval.objects.filter(pk__in=decision_ids, state=Approval.State.WAITING).update(
        state=Approval.State.LAPSED, answered_at=now
    )
    reached = set(
        Delivery.objects.filter(decision_id__in=decision_ids, state__in=REACHED).values_list(
            "decision_id", flat=True
        )
    ) | set(ManagerAsk.objects.filter(decision_id__in=decision_ids).values_list("decision_id", flat=True))
    unreached = [pk for pk in decision_ids if pk not in reached]
    limits.release(decision_ids=unreached)
    still = list(
        Decision.objects.filter(pk__in=unreached, lapsed_at__isnull=True).values_list("pk", flat=True)
    )
    suppress({pk: reason for pk in still}, now=now, lost_to=lost_to)
    return len(still)


def end_episodes(*, episode_ids: Sequence[UUID], end: str, now: datetime) -> None:
    """Closes episodes and calls off whatever of them has not gone out."""
    reason = {
        "recovered": Reason.RECOVERED,
        "settled": Reason.DECLINED,
        "course_ended": Reason.COURSE_ENDED,
        "consent": Reason.CONSENT,
        "expired": Reason.EXPIRED,
        "rule_done": Reason.SUPERSEDED,
        "not_needed": Reason.DECLINED,
    }[end]
    turns.wait_for(Episode.objects.filter(pk__in=episode_ids).values_list("enrolment_id", flat=True))
    Episode.objects.filter(pk__in=episode_ids, closed_at__isnull=True).update(closed_at=now, end=end)
    standing = Decision.objects.filter(episode_id__in=episode_ids, lapsed_at__isnull=True).exclude(
        action="monitor"
    )
    # What a coach has in their inbox has reached its person: it stays as it is, whatever ended the episode. What no
    # inbox has collected yet reached nobody.
    taken = Escalation.objects.filter(
        decision__in=standing, decision__action="coach", collected_at__isnull=False
    ).values("decision_id")
    call_off(
        decision_ids=list(standing.exclude(pk__in=taken).values_list("pk", flat=True)), reason=reason, now=now
    )
    withdraw_asks(ManagerAsk.objects.filter(decision__episode_id__in=episode_ids), now=now)


def withdraw_asks(asks: QuerySet[ManagerAsk], *, now: datetime) -> int:
    """Takes those of these back that a manager has before them, or put off; returns how many.

    The version moves on, so that an answer given on a page opened before is refused as stale.
    """
    return asks.filter(state__in=ASKS_BEFORE_THE_MANAGER).update(
        state=ManagerAsk.State.WITHDRAWN,
        place=None,
        answered_at=now,
        snoozed_until=None,
        version=F("version") + 1,
    )


def settle(*, now: datetime, limit: int = 500) -> int:
    """Lets approvals lapse that nobody gave in time, and sends expire that were held too long."""
    policy = store.document(store.live())
    with transaction.atomic():
        waiting = Approval.objects.filter(
            state=Approval.State.WAITING,
            asked_at__lte=now - timedelta(hours=policy.limits.approval_hours),
        ).order_by("asked_at", "pk")
        held = Delivery.objects.filter(state=Delivery.State.QUEUED, expires_at__lte=now).order_by(
            "expires_at", "pk"
        )
        free = turns.take_free(
            enrolment_id
            for rows in (waiting, held)
            for enrolment_id in rows.values_list("decision__enrolment_id", flat=True)[:limit]
        )
        waiting = waiting.select_for_update(skip_locked=True, of=("self",))
        unanswered = list(waiting.filter(decision__enrolment__in=free).values_list("pk", flat=True)[:limit])
        if unanswered:
            call_off(decision_ids=unanswered, reason=Reason.UNANSWERED, now=now)
        held = held.select_for_update(skip_locked=True, of=("self",)).filter(decision__enrolment__in=free)
        expired = list(dict.fromkeys(held.values_list("decision_id", flat=True)[:limit]))
        if expired:
            call_off(decision_ids=expired, reason=Reason.EXPIRED, now=now)
    return len(unanswered) + len(expired)


def _enrolments(decisions: Sequence[Decision]) -> dict[int, Enrolment]:
    """The enrolments of these decisions with their learners, in one query."""
    ids = [decision.enrolment_id for decision in decisions]
    return Enrolment.objects.select_related("learner").in_bulk(ids)
