"""Stages 3 and 4: what has changed is computed again: rollups, features and risk."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from django.db import transaction

from consent.arrays import fetch, int8s, moments, texts
from learners.models import Enrolment
from signals.features import claims, rollup, serving
from signals.features.allowed import allowing
from signals.features.claims import Claim
from signals.features.definitions import FEATURE_SET
from signals.mastery import estimate as mastery
from signals.models import EnrolmentMark, FeatureRow, Risk
from signals.risk import shadow
from signals.risk.score import Known, keep, weigh


def refresh(*, now: datetime, limit: int = 250) -> int:
    """How many enrolments were computed anew: those with new events, and those whose review is due.

    Two transactions, so that whoever writes about these people waits for neither longer than it takes to write: stale
    days are made first, and their marks still stand; then the rest is computed without a lock on any mark.
    """
    with transaction.atomic():
        refused = _make_days(limit)
    with transaction.atomic():
        claimed = claims.claim(now=now, limit=limit)
        _compute(claimed, now=now)
    return refused + len(claimed)


def refresh_enrolments(ids: Iterable[int], *, now: datetime) -> int:
    """The same for these enrolments, whether anything changed or not. Holds their marks from beginning to end."""
    wanted = sorted(set(ids))
    with transaction.atomic():
        EnrolmentMark.objects.bulk_create(
            [EnrolmentMark(enrolment_id=enrolment_id) for enrolment_id in wanted], ignore_conflicts=True
        )
        marks = list(EnrolmentMark.objects.select_for_update().filter(pk__in=wanted).order_by("pk"))
        _make(marks)
        _compute([Claim(mark.pk, mark.known_seq, mark.dirty_since) for mark in marks], now=now)
    return len(marks)


def _make_days(limit: int) -> int:
    """Makes the stale rollups of up to so many enrolments. How many of them are of people who refuse."""
    marks = list(
        EnrolmentMark.objects.select_for_update(skip_locked=True)
        .filter(dirty_since__isnull=False)
        .exclude(dirty_days=[])
        .order_by("dirty_since", "pk")[:limit]
    )
    refused = _make(marks)
    _leave(refused)
    return len(refused)


def _make(marks: Sequence[EnrolmentMark]) -> list[int]:
    """Makes the stale rollups of these enrolments, whose marks are locked. Those of people who refuse stay stale."""
    stale = [mark for mark in marks if mark.dirty_days]
    if not stale:
        return []
    _, allowed = _people([mark.pk for mark in stale])
    rollup.recompute((mark.pk, day) for mark in stale if mark.pk in allowed for day in mark.dirty_days)
    EnrolmentMark.objects.filter(pk__in=allowed).update(dirty_days=[])
    # Should the learner agree again, their rollups are still to be made.
    return [mark.pk for mark in stale if mark.pk not in allowed]


class _Person(NamedTuple):
    """Somebody in a course, as far as computing about them asks."""

    enrolment_id: int
    learner_id: UUID
    state: str
    course: str
    erased_at: datetime | None
    merged_into: UUID | None


def _people(enrolment_ids: Sequence[int]) -> tuple[dict[int, _Person], set[int]]:
    """Who is enrolled, as it is now, and the enrolments of those about whom we may compute."""
    rows = (
        Enrolment.objects.filter(pk__in=enrolment_ids)
        .order_by("pk")
        .values_list(
            "pk", "learner_id", "state", "course__name", "learner__erased_at", "learner__merged_into"
        )
    )
    people = {row[0]: _Person(*row) for row in rows}
    allowed = allowing(
        one.learner_id for one in people.values() if one.erased_at is None and one.merged_into is None
    )
    return people, {pk for pk, one in people.items() if one.learner_id in allowed}


def _leave(refused: Sequence[int]) -> None:
    """What is known of people who refuse goes; their marks are locked. The days stay noted."""
    if refused:
        _forget(refused)
        FeatureRow.objects.filter(pk__in=refused).delete()
        EnrolmentMark.objects.filter(pk__in=refused).update(dirty_since=None)


def _forget(enrolment_ids: Sequence[int]) -> None:
    Risk.objects.filter(pk__in=enrolment_ids).delete()
    shadow.forget(enrolment_ids)


def _compute(claimed: Sequence[Claim], *, now: datetime) -> None:
    """What follows from these enrolments' rollups and results. A fixed number of queries, however many they are."""
    if not claimed:
        return
    ids = [one.enrolment_id for one in claimed]
    before, allowed = _people(ids)
    features = serving.compute([(pk, now) for pk in ids if pk in allowed])
    known = {
        one.enrolment_id: Known(
            one.enrolment_id,
            features[one.enrolment_id],
            before[one.enrolment_id].course,
            as_of=now,
            known_seq=one.known_seq,
        )
        for one in claimed
        if one.enrolment_id in features
    }
    # Somebody who has finished or left is no longer anyone's concern.
    weighed = weigh([row for pk, row in known.items() if before[pk].state == Enrolment.State.ACTIVE], now=now)

    # Until here nobody waited for us. From here on nothing more becomes known about these people, so what was true
    # when we began is asked again: a withdrawal locks the marks too, and either is seen here or finds what we write.
    held = claims.lock(claimed)
    people, allowed = _people(sorted(held.current | held.overtaken))
    # Two records became one meanwhile: nothing of what was computed about the one is true of the other.
    moved = {pk for pk in people if people[pk].learner_id != before[pk].learner_id}
    active = {pk for pk in people if people[pk].state == Enrolment.State.ACTIVE}
    unweighed = {pk for pk in active if before[pk].state != Enrolment.State.ACTIVE}  # came back meanwhile
    written = (allowed & known.keys()) - moved - unweighed
    active &= written
    mastery.keep({people[pk].learner_id for pk in written}, now=now)
    store_features([known[pk] for pk in sorted(written)])
    keep(weighed.of(active), now=now)
    shadow.score([known[pk] for pk in sorted(active)], now=now)
    _forget(sorted(written - active))
    _leave([pk for pk in people if pk not in allowed])

    EnrolmentMark.objects.filter(pk__in=written & held.current).update(dirty_since=None)
    # The mark stands for what has become known since we began; it has not waited longer than that.
    since = {one.enrolment_id for one in claimed if one.dirty_since is not None} & written & held.overtaken
    EnrolmentMark.objects.filter(pk__in=since, dirty_since__lt=now).update(dirty_since=now)


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
