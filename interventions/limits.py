"""The cap ledger: places are reserved, used or given back, and the database refuses a third.

A learner has two places and "word about a learner" has one; an alert takes a place for 168 hours from the moment
it goes out. The exclusion constraint ``places_in_the_cap_ledger_never_overlap`` is what makes the cap unbreakable;
the code here only looks for a place that is free.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Exists, OuterRef

from interventions.models import AlertSlot, Decision, Delivery
from learners.models import Learner

WINDOW = timedelta(hours=168)
# A message leaves a moment after its place was used: so much longer the place stays taken.
ON_ITS_WAY = timedelta(minutes=1)
PLACES = {AlertSlot.Kind.LEARNER: (1, 2), AlertSlot.Kind.ABOUT: (1,)}


def holder(kind: str, learner_id: UUID) -> int:
    """The number under which the constraint compares: one per kind and learner."""
    digest = hashlib.sha256(f"{kind}:{learner_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 2  # below 2^62: a range of one number needs room for its end


def reserve(*, kind: AlertSlot.Kind, wanted: Mapping[UUID, tuple[UUID, datetime]]) -> set[UUID]:
    """Reserves a place for each decision that can have one; returns those decisions.

    ``wanted``: decision → (learner, when it will go out). Call inside a transaction: the learners' rows are locked,
    so that two workers do not look for the same place.
    """
    learner_ids = sorted({learner for learner, _ in wanted.values()})
    list(
        Learner.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=learner_ids).order_by("pk")
    )
    taken = _taken(kind, learner_ids)
    created = []
    for decision_id, (learner_id, at) in wanted.items():
        during = DateTimeTZRange(at, at + WINDOW)
        place = _free_place(kind, taken[learner_id], during)
        if place is None:
            continue
        taken[learner_id].append((place, during))
        created.append(
            AlertSlot(
                kind=kind,
                learner_id=learner_id,
                holder=holder(kind, learner_id),
                place=place,
                during=during,
                decision_id=decision_id,
            )
        )
    AlertSlot.objects.bulk_create(created)
    return {slot.decision_id for slot in created}


def commit(*, decision: Decision, kind: AlertSlot.Kind, now: datetime) -> bool:
    """Uses the reserved place from now on; False where no place is free any more. Inside a transaction."""
    slot = (
        AlertSlot.objects.select_for_update(of=("self",))
        .filter(decision=decision, kind=kind)
        .exclude(state=AlertSlot.State.RELEASED)
        .first()
    )
    if slot is None:
        return False
    if slot.state == AlertSlot.State.COMMITTED:
        return True
    for place in (slot.place, *(place for place in PLACES[kind] if place != slot.place)):
        try:
            with transaction.atomic():
                AlertSlot.objects.filter(pk=slot.pk).update(
                    place=place, during=_used_from(now), state=AlertSlot.State.COMMITTED
                )
            return True
        except IntegrityError:
            continue
    AlertSlot.objects.filter(pk=slot.pk).update(state=AlertSlot.State.RELEASED)
    return False


def commit_each(*, decision_ids: Iterable[UUID], kind: AlertSlot.Kind, now: datetime) -> set[UUID]:
    """Uses the places that these decisions reserved, where all of them can be used as they are; else none.

    Returns the decisions whose place is used by now. The others have none, or need ``commit``, which looks for another.
    """
    slots = dict(
        AlertSlot.objects.select_for_update(of=("self",))
        .filter(decision__in=list(decision_ids), kind=kind)
        .exclude(state=AlertSlot.State.RELEASED)
        .order_by("pk")
        .values_list("decision_id", "state")
    )
    used = {pk for pk, state in slots.items() if state == AlertSlot.State.COMMITTED}
    try:
        with transaction.atomic():
            AlertSlot.objects.filter(decision__in=set(slots) - used, kind=kind).exclude(
                state=AlertSlot.State.RELEASED
            ).update(during=_used_from(now), state=AlertSlot.State.COMMITTED)
    except IntegrityError:
        return used
    return set(slots)


def give_back(*, decision_ids: Iterable[UUID]) -> int:
    """Places that were used for alerts of which nothing ever left are reserved again; returns how many."""
    tried = Delivery.objects.filter(decision=OuterRef("decision"), tries__gt=0)
    return AlertSlot.objects.filter(
        ~Exists(tried),
        decision_id__in=list(decision_ids),
        kind=AlertSlot.Kind.LEARNER,
        state=AlertSlot.State.COMMITTED,
    ).update(state=AlertSlot.State.RESERVED)


def release(*, decision_ids: Iterable[UUID]) -> int:
    """Gives back places that were reserved and not used; returns how many."""
    return AlertSlot.objects.filter(
        decision_id__in=list(decision_ids), state=AlertSlot.State.RESERVED
    ).update(state=AlertSlot.State.RELEASED)


def used(*, learner_id: UUID, now: datetime) -> int:
    """How many of the learner's two places are taken now."""
    return AlertSlot.objects.filter(
        kind=AlertSlot.Kind.LEARNER,
        learner_id=learner_id,
        during__contains=now,
        state=AlertSlot.State.COMMITTED,
    ).count()


def _used_from(now: datetime) -> DateTimeTZRange:
    return DateTimeTZRange(now, now + WINDOW + ON_ITS_WAY)


def _taken(kind: AlertSlot.Kind, learner_ids: list[UUID]) -> dict[UUID, list[tuple[int, DateTimeTZRange]]]:
    taken: dict[UUID, list[tuple[int, DateTimeTZRange]]] = defaultdict(list)
    rows = AlertSlot.objects.filter(kind=kind, learner_id__in=learner_ids).exclude(
        state=AlertSlot.State.RELEASED
    )
    for learner_id, place, during in rows.values_list("learner_id", "place", "during"):
        taken[learner_id].append((place, during))
    return taken


def _free_place(
    kind: AlertSlot.Kind, taken: list[tuple[int, DateTimeTZRange]], during: DateTimeTZRange
) -> int | None:
    for place in PLACES[kind]:
        if not any(
            other == place and span.lower < during.upper and during.lower < span.upper
            for other, span in taken
        ):
            return place
    return None
