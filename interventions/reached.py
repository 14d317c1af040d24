"""Stage 7, last part: what follows from a message that went out. Its window begins, and the log and others are told."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from consent import audit
from consent.actors import SYSTEM, Party
from interventions import holds, platform_enrolments, route, webhooks
from interventions.decide import window_hours
from interventions.models import Attempt, Delivery, WebhookEndpoint
from interventions.policy import store


def follow_up(delivery_ids: Sequence[UUID], *, now: datetime) -> int:
    """Writes what follows from these messages, once; returns how many alerts reached their learner by it.

    The first channel that gets through starts the attempt's window, from the moment at which it did.
    """
    if not delivery_ids:
        return 0
    policy = store.document(store.live())
    with transaction.atomic():
        rows = list(
            Delivery.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(pk__in=delivery_ids, to_follow_up=True)
            .select_related("decision__episode")
            .defer("subject", "body")
            .order_by("sent_at", "pk")
        )
        # One that came back since, or was taken back by a person, reached nobody.
        first: dict[UUID, Delivery] = {}
        for delivery in rows:
            if delivery.state == Delivery.State.SENT:
                first.setdefault(delivery.decision_id, delivery)
        closed = holds.closed_times([delivery.learner_id for delivery in first.values()], now=now)
        attempts = []
        for delivery in first.values():
            episode = delivery.decision.episode
            # An acting decision has an episode, and what is sent was sent at a time (constraints).
            assert episode is not None and delivery.sent_at is not None
            # Days on which nobody is to be disturbed are no time in which something should have improved.
            ends_at = holds.lasting(
                delivery.sent_at, window_hours(episode.ladder, policy), closed[delivery.learner_id]
            )
            attempts.append(
                Attempt(
                    decision=delivery.decision,
                    episode=episode,
                    reached_at=delivery.sent_at,
                    window_ends_at=ends_at,
                )
            )
        Attempt.objects.bulk_create(attempts, ignore_conflicts=True)
        # Another channel of the same alert may have been first.
        begun = Attempt.objects.filter(pk__in=[attempt.pk for attempt in attempts]).values_list(
            "decision_id", "window_ends_at"
        )
        news = [(first[decision_id], ends_at) for decision_id, ends_at in begun]
        route.look_again_each({delivery.decision.enrolment_id: ends_at for delivery, ends_at in news})
        audit.record_each(
            actor=SYSTEM,
            action="alert.sent",
            told=[
                (
                    Party("learner", delivery.learner_id),
                    {"decision": str(delivery.decision_id), "channel": delivery.channel},
                )
                for delivery, _ in news
            ],
            now=now,
        )
        webhooks.announce_each(
            event=WebhookEndpoint.Event.SENT,
            told=[
                (
                    delivery.learner_id,
                    {
                        "decision": str(delivery.decision_id),
                        "action": delivery.decision.action,
                        "channel": delivery.channel,
                    },
                )
                for delivery, _ in news
            ],
            now=now,
        )
        platform_enrolments.want([delivery.decision for delivery, _ in news], now=now)
        Delivery.objects.filter(pk__in=[delivery.pk for delivery in rows]).update(to_follow_up=False)
    return len(news)
