"""Features that an administrator has retired: no model learns from them, and scoring does not know them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from consent import audit
from consent.actors import SYSTEM, Party
from signals.features.definitions import BY_KEY
from signals.models import RetiredFeature
from signals.risk.known import Known


class NoSuchFeature(ValueError):
    """No feature has this key."""


class RetiredAlready(ValueError):
    """The feature is retired, or is in use, already."""


def retired_keys() -> frozenset[str]:
    """The features that are retired now; one query on a table of a few rows."""
    return frozenset(RetiredFeature.objects.filter(restored_at__isnull=True).values_list("key", flat=True))


def without(known: Sequence[Known]) -> Sequence[Known]:
    """The same rows without what is retired: unknown, which never raises a risk."""
    retired = retired_keys()
    if not retired:
        return known
    return [
        replace(row, features={key: value for key, value in row.features.items() if key not in retired})
        for row in known
    ]


def retire(*, key: str, reason: str, now: datetime, by: UUID | None = None) -> RetiredFeature:
    """Takes a feature out of use from the next scoring on. Raises NoSuchFeature, RetiredAlready."""
    if key not in BY_KEY:
        raise NoSuchFeature(f"There is no feature “{key}”.")
    try:
        with transaction.atomic():
            row = RetiredFeature.objects.create(
                key=key, reason=reason.strip()[:300], retired_at=now, retired_by=by
            )
            _audit("feature.retired", row, by=by, now=now)
    except IntegrityError as fault:
        if "a_feature_is_retired_once_at_a_time" in str(fault):
            raise RetiredAlready(f"“{key}” is retired already.") from fault
        raise
    return row


def restore(*, key: str, now: datetime, by: UUID | None = None) -> None:
    """Takes a feature into use again. Raises RetiredAlready where it is in use."""
    with transaction.atomic():
        row = RetiredFeature.objects.filter(key=key, restored_at__isnull=True).first()
        if row is None or not RetiredFeature.objects.filter(pk=row.pk, restored_at__isnull=True).update(
            restored_at=now
        ):
            raise RetiredAlready(f"“{key}” is in use.")
        _audit("feature.restored", row, by=by, now=now)


def _audit(action: str, row: RetiredFeature, *, by: UUID | None, now: datetime) -> None:
    audit.record(
        actor=Party("user", by) if by else SYSTEM,
        action=action,
        # Such rows are numbered, parties are named by uuid: the number is the uuid's own.
        target=Party("retired_feature", UUID(int=row.pk)),
        now=now,
        detail={"key": row.key},
    )
