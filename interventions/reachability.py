"""Which e-mail addresses refuse for good. An address is known by its hash, so a new one from HR is untried again."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F

from consent import audit
from consent.actors import SYSTEM, Party
from interventions import route, webhooks
from interventions.addresses import hash_of
from interventions.models import (
    Attempt,
    Delivery,
    Episode,
    Escalation,
    UnreachableAddress,
    WebhookEndpoint,
)
from learners.identity import resolve
from learners.models import Learner

Kind = UnreachableAddress.Kind


def mark(*, address: str, kind: str, detail: str, now: datetime) -> bool:
    """Notes that an address refuses for good; False where that was known. ``detail``: codes, never the address."""
    hashed = hash_of(address)
    with transaction.atomic():
        _, is_new = UnreachableAddress.objects.get_or_create(
            hash=hashed, defaults={"kind": kind, "detail": detail[:200], "at": now}
        )
        learner_id = resolve([hashed]).get(hashed)
        if is_new and learner_id is not None:
            audit.record(
                actor=SYSTEM,
                action="address.unreachable",
                target=Party("learner", learner_id),
                now=now,
                detail={"kind": kind},
            )
            webhooks.announce(
                event=WebhookEndpoint.Event.UNREACHABLE, learner_id=learner_id, said={"kind": kind}, now=now
            )
    return is_new


def came_back(
    *, address: str, kind: str, detail: str, now: datetime, delivery_id: UUID | None = None
) -> bool:
    """A provider says later what became of a mail that it had accepted. Returns whether that was news.

    A message that came back reached nobody: where no other channel did, its attempt never was, and the step is
    decided anew. A complaint was read, so it stays sent.
    """
    with transaction.atomic():
        is_new = mark(address=address, kind=kind, detail=detail, now=now)
        if delivery_id is None or kind != Kind.BOUNCED:
            return is_new
        return take_back(delivery_id=delivery_id, detail=detail, now=now) or is_new


def take_back(*, delivery_id: UUID, detail: str, now: datetime) -> bool:
    """Notes that a mail which had gone out reached nobody; False where it is none that did."""
    with transaction.atomic():
        delivery = (
            Delivery.objects.select_for_update(of=("self",))
            .filter(pk=delivery_id, channel=Delivery.Channel.EMAIL, state=Delivery.State.SENT)
            .first()
        )
        if delivery is None:
            return False
        Delivery.objects.filter(pk=delivery.pk).update(
            state=Delivery.State.FAILED, provider_answer=f"came back: {detail}"[:300]
        )
        alive = Delivery.objects.filter(
            decision=delivery.decision_id,
            state__in=(*route.NOT_YET, *route.REACHED),
        )
        if not alive.exists():
            _forget_attempt(delivery.decision_id)
            route.suppress({delivery.decision_id: "failed"}, now=now)
        return True


def _forget_attempt(decision_id: UUID) -> None:
    """What reached nobody was no attempt: it proves nothing, unless a person has taken over on it already."""
    attempt = Attempt.objects.select_for_update(of=("self",)).filter(decision=decision_id).first()
    if attempt is None or Escalation.objects.filter(attempt=attempt).exists():
        return
    if attempt.verdict == Attempt.Verdict.NO_IMPROVEMENT:
        Episode.objects.filter(pk=attempt.episode_id, closed_at__isnull=True, failed_attempts__gt=0).update(
            failed_attempts=F("failed_attempts") - 1
        )
    attempt.delete()


def try_again(*, addresses: Iterable[UnreachableAddress], by: Party, now: datetime) -> int:
    """Forgets that these addresses refuse, because somebody knows better; returns how many."""
    rows = list(addresses)
    with transaction.atomic():
        found = resolve([bytes(row.hash) for row in rows])
        for row in rows:
            learner_id = found.get(bytes(row.hash))
            if learner_id is not None:
                audit.record(
                    actor=by, action="address.tried_again", target=Party("learner", learner_id), now=now
                )
        return UnreachableAddress.objects.filter(pk__in=[row.pk for row in rows]).delete()[0]


def forget(subject: UUID) -> int:
    """Removes what is known of the addresses of a person who is erased."""
    return UnreachableAddress.objects.filter(hash__in=known_hashes(subject)).delete()[0]


def known_hashes(subject: UUID) -> list[bytes]:
    """The hashes of every address this person has or had."""
    learner = Learner.objects.filter(pk=subject).first()
    if learner is None:
        return []
    hashes = {bytes(row) for row in learner.identifiers.filter(kind="mbox").values_list("hash", flat=True)}
    return sorted(hashes | ({hash_of(learner.email)} if learner.email else set()))
