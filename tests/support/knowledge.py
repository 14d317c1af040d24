"""Small factories for what we know: events straight into the table, risks, and a shortcut to the features."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db.models import F

from learners.models import Enrolment
from signals import partitions
from signals.features.refresh import refresh
from signals.models import AssessmentResult, EnrolmentMark, Event, FeatureRow, Risk, Verb
from tests.support.signals import enrolled

START = datetime(2026, 1, 5, tzinfo=UTC)  # when `enrolled()` begins


def day(number: float) -> datetime:
    """So many days after the enrolment began."""
    return START + timedelta(days=number)


def make_event(
    enrolment: Enrolment,
    at: datetime,
    *,
    verb: Verb = Verb.EXPERIENCED,
    activity: int = 1,
    statement_id: UUID | None = None,
    **more: Any,
) -> Event:
    """An event, known at once, whose day is marked as ingest marks it."""
    partitions.ensure({partitions.month_of(at)})
    event = Event(
        statement_id=statement_id or uuid4(),
        learner_id=enrolment.learner_id,
        enrolment_id=enrolment.pk,
        occurred_at=at,
        known_at=at,
        known_seq=EnrolmentMark.objects.get(pk=enrolment.pk).known_seq + 1,
        verb=verb,
        activity=activity,
        **more,
    )
    event.save(force_insert=True)
    touch(enrolment, at)
    return event


def make_result(
    enrolment: Enrolment,
    at: datetime,
    *,
    scaled: float | None = None,
    success: bool | None = None,
    activity: int = 1,
    is_item: bool = False,
) -> Event:
    """A score or a pass or fail, with its event."""
    event = make_event(enrolment, at, verb=Verb.SCORED, activity=activity, scaled=scaled, success=success)
    AssessmentResult.objects.create(
        statement_id=event.statement_id,
        learner_id=enrolment.learner_id,
        enrolment_id=enrolment.pk,
        occurred_at=at,
        known_seq=event.known_seq,
        activity=activity,
        scaled=scaled,
        success=success,
        is_item=is_item,
    )
    return event


def touch(enrolment: Enrolment, at: datetime) -> None:
    """Marks a day as stale."""
    mark = EnrolmentMark.objects.get(pk=enrolment.pk)
    EnrolmentMark.objects.filter(pk=mark.pk).update(
        known_seq=F("known_seq") + 1,
        dirty_days=sorted({*mark.dirty_days, at.astimezone(UTC).date()}),
        dirty_since=at,
    )


def features_of(enrolment: Enrolment, *, now: datetime) -> dict[str, Any]:
    """The features after a refresh."""
    refresh(now=now)
    values: dict[str, Any] = FeatureRow.objects.get(pk=enrolment.pk).values
    return values


def risk_of(enrolment: Enrolment, *, now: datetime) -> Risk:
    """The risk after a refresh."""
    refresh(now=now)
    return Risk.objects.get(pk=enrolment.pk)


__all__ = ["START", "day", "enrolled", "features_of", "make_event", "make_result", "risk_of", "touch"]
