"""What a span adds to each source and day, and how that is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, time
from uuid import UUID

from signals.models import Credential, SourceDay

Key = tuple[UUID, date]  # source and UTC day


@dataclass(slots=True)
class Counts:
    """What one span adds to a source's day. The fields are SourceDay's."""

    statements: int = 0
    parked: int = 0
    resent: int = 0
    refused: int = 0
    quarantined: int = 0
    misdated: int = 0
    read: int = 0
    undated: int = 0
    midnight: int = 0
    ahead: int = 0
    old: int = 0
    results: int = 0
    unscored: int = 0
    endings: int = 0
    untimed: int = 0
    deriving: int = 0
    outside: int = 0
    unregistered: int = 0
    events: int = 0
    twins: int = 0
    lags: dict[str, int] = field(default_factory=dict)
    last_at: datetime | None = None

    def heard(self, at: datetime) -> None:
        self.last_at = at if self.last_at is None else max(self.last_at, at)


NUMBERS = tuple(one.name for one in fields(Counts) if one.name not in ("lags", "last_at"))
FROM_NOTES = ("resent", "refused")  # not counted from statements, so not counted anew


def add(counts: Mapping[Key, Counts]) -> None:
    """Adds to the kept rows. The lock of ``tally.locked_mark`` makes us the only one who does."""
    known = set(
        Credential.objects.filter(pk__in={source for source, _ in counts}).values_list("pk", flat=True)
    )
    wanted = {key: count for key, count in counts.items() if key[0] in known}
    if not wanted:
        return
    kept = {
        (row.source_id, row.day): row
        for row in SourceDay.objects.filter(
            source__in={source for source, _ in wanted}, day__in={day for _, day in wanted}
        ).order_by("pk")
    }
    new, old = [], []
    for key, count in wanted.items():
        if count.last_at is None:
            continue
        row = kept.get(key)
        if row is None:
            row = SourceDay(source_id=key[0], day=key[1], last_at=count.last_at, lags={})
            new.append(row)
        else:
            old.append(row)
        for name in NUMBERS:
            setattr(row, name, getattr(row, name) + getattr(count, name))
        row.lags = _added(row.lags, count.lags)
        row.last_at = max(row.last_at, count.last_at)
    SourceDay.objects.bulk_create(new)
    SourceDay.objects.bulk_update(old, [*NUMBERS, "lags", "last_at"])


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}


def day_of(at: datetime) -> date:
    """The UTC day."""
    return at.astimezone(UTC).date()


def midnight(day: date) -> datetime:
    """When a UTC day begins."""
    return datetime.combine(day, time.min, tzinfo=UTC)
