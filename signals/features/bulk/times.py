"""Moments and days as the bulk tables hold them: whole numbers since 1970 (UTC)."""

from datetime import UTC, date, datetime

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    """Since 1970, exactly."""
    past = moment - _BEGINNING
    return (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds


def day_number(day: date | None) -> int | None:
    """Whole days since 1970."""
    return None if day is None else (day - _BEGINNING.date()).days
