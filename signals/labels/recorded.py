"""Keeps a label that somebody above reports: an outcome that matured, a person's verdict."""

from datetime import datetime, timedelta

from django.db import connection

from signals.labels.definitions import UnknownDefinition, definition_of


class LabelTooEarly(ValueError):
    """The label's date lies ahead, or its horizon has not passed."""


def record(
    *,
    enrolment_id: int,
    as_of: datetime,
    definition: str,
    value: bool | None,
    horizon_days: int,
    treated: bool,
    propensity: float | None,
    now: datetime,
) -> bool:
    """Whether the label is new. The first one recorded for an enrolment, date and definition stays."""
    known = definition_of(definition)
    if known.horizon_days is not None and known.horizon_days != horizon_days:
        raise UnknownDefinition(f"{definition} looks {known.horizon_days} days ahead, not {horizon_days}.")
    if as_of > now:
        raise LabelTooEarly(f"A label cannot be dated ahead ({as_of.isoformat()}).")
    if value is not None and now < as_of + timedelta(days=horizon_days):
        raise LabelTooEarly(
            f"{definition} as of {as_of.isoformat()} is known only {horizon_days} days later."
        )
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO signals_label
                (enrolment_id, as_of, definition, value, horizon_days, treated, propensity, recorded_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (enrolment_id, as_of, definition) DO NOTHING
            """,
            [enrolment_id, as_of, definition, value, horizon_days, treated, propensity, now],
        )
        return cursor.rowcount == 1
