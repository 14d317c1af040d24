"""Stages 3 and 4: what has changed is computed again: rollups, features and risk, in one transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import msgspec
from django.db import transaction

from consent.arrays import fetch, int8s, moments, texts
from learners.models import Enrolment
from signals.features import rollup, serving
from signals.features.allowed import computable
from signals.features.definitions import FEATURE_SET
from signals.mastery import estimate as mastery
from signals.models import EnrolmentMark, FeatureRow, Risk
from signals.risk import shadow
from signals.risk.score import Known, score


@dataclass(frozen=True, slots=True)
class Claimed:
    """An enrolment whose mark this transaction holds locked."""

    enrolment_id: int
    known_seq: int
    dirty_days: tuple[date, ...]


def refresh(*, now: datetime, limit: int = 1000) -> int:
    """How many enrolments were computed anew: those with new events, and those whose review is due."""
    with transaction.atomic():
        claimed = _claim_dirty(limit)
        claimed += _claim_due(now, limit - len(claimed), besides=[mark.enrolment_id for mark in claimed])
        _compute(claimed, now=now)
    return len(claimed)


def refresh_enrolments(ids: Iterable[int], *, now: datetime) -> int:
    """The same for these enrolments, whether anything changed or not. Waits for whoever holds their marks."""
    wanted = sorted(set(ids))
    with transaction.atomic():
        EnrolmentMark.objects.bulk_create(
            [EnrolmentMark(enrolment_id=enrolment_id) for enrolment_id in wanted], ignore_conflicts=True
        )
        marks = EnrolmentMark.objects.select_for_update().filter(pk__in=wanted).order_by("pk")
        claimed = [Claimed(mark.pk, mark.known_seq, tuple(mark.dirty_days)) for mark in marks]
        _compute(claimed, now=now)
    return len(claimed)


def _claim_dirty(limit: int) -> list[Claimed]:
    marks = (
        EnrolmentMark.objects.select_for_update(skip_locked=True)
        .filter(dirty_since__isnull=False)
        .order_by("dirty_since", "pk")[:limit]
    )
    return [Claimed(mark.pk, mark.known_seq, tuple(mark.dirty_days)) for mark in marks]


def _claim_due(now: datetime, limit: int, *, besides: Sequence[int]) -> list[Claimed]:
    """Enrolments that time alone has changed."""
    marks = (
        EnrolmentMark.objects.select_for_update(of=("self",), skip_locked=True)
        .filter(enrolment__risk__review_at__lte=now)
        .exclude(pk__in=besides)
        .order_by("enrolment__risk__review_at", "pk")[: max(limit, 0)]
    )
    return [Claimed(mark.pk, mark.known_seq, tuple(mark.dirty_days)) for mark in marks]


def _compute(claimed: Sequence[Claimed], *, now: datetime) -> None:
    """What follows from these enrolments' events. A fixed number of queries, however many they are."""
    if not claimed:
        return
    enrolments = {
        enrolment.pk: enrolment
        for enrolment in Enrolment.objects.select_related("course", "learner")
        .filter(pk__in=[mark.enrolment_id for mark in claimed])
        .only("state", "course__name", "learner__erased_at", "learner__merged_into")
        .order_by("pk")
    }
    # Asked after the marks are locked: a withdrawal locks them too, so it either is seen here or waits for us
    # and then deletes what we wrote.
    allowed = computable(enrolments.values())
    kept = [mark for mark in claimed if enrolments[mark.enrolment_id].learner_id in allowed]
    refused = [
        mark.enrolment_id for mark in claimed if enrolments[mark.enrolment_id].learner_id not in allowed
    ]

    rollup.recompute((mark.enrolment_id, day) for mark in kept for day in mark.dirty_days)
    mastery.keep({enrolments[mark.enrolment_id].learner_id for mark in kept}, now=now)
    features = serving.compute([(mark.enrolment_id, now) for mark in kept])
    known = [
        Known(
            mark.enrolment_id,
            features[mark.enrolment_id],
            enrolments[mark.enrolment_id].course.name,
            as_of=now,
            known_seq=mark.known_seq,
        )
        for mark in kept
    ]
    store_features(known)
    # Somebody who has finished or left is no longer anyone's concern.
    active = [row for row in known if enrolments[row.enrolment_id].state == Enrolment.State.ACTIVE]
    score(active, now=now)
    shadow.score(active, now=now)
    over = [pk for pk, row in enrolments.items() if row.state != Enrolment.State.ACTIVE]
    Risk.objects.filter(pk__in=over + refused).delete()
    FeatureRow.objects.filter(pk__in=refused).delete()
    shadow.forget(over + refused)

    EnrolmentMark.objects.filter(pk__in=[mark.enrolment_id for mark in kept]).update(
        dirty_since=None, dirty_days=[]
    )
    # The days stay noted: should the learner agree again, their rollups are still to be made.
    EnrolmentMark.objects.filter(pk__in=refused).update(dirty_since=None)


_UPSERT = """
INSERT INTO signals_featurerow (enrolment_id, feature_set, values, as_of, known_seq)
SELECT id, $1, features::jsonb, as_of, known_seq
FROM unnest($2::bigint[], $3::text[], $4::timestamptz[], $5::bigint[]) AS f (id, features, as_of, known_seq)
ON CONFLICT (enrolment_id) DO UPDATE SET
    feature_set = excluded.feature_set, values = excluded.values, as_of = excluded.as_of,
    known_seq = excluded.known_seq
RETURNING 1
"""


def store_features(known: Sequence[Known]) -> None:
    """Keeps these features as the current ones, in the caller's transaction."""
    if not known:
        return
    rows = sorted(known, key=lambda row: row.enrolment_id)
    fetch(
        _UPSERT,
        [
            FEATURE_SET,
            int8s([row.enrolment_id for row in rows]),
            texts([msgspec.json.encode(row.features).decode() for row in rows]),
            moments([row.as_of for row in rows]),
            int8s([row.known_seq for row in rows]),
        ],
    )
