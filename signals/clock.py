"""Senders whose clocks are wrong: which moment their events are dated by instead. The statements stay as they came."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from consent.arrays import fetch, uuids
from signals.models import ClockCorrection, Credential
from signals.reading import Reading

LARGEST_OFFSET_S = 366 * 86400


class Rule(NamedTuple):
    """How a sender's timestamps are taken."""

    clock: str = Credential.Clock.SENT
    offset_s: int = 0

    @property
    def changes(self) -> bool:
        return self.clock != Credential.Clock.SENT


AS_SENT = Rule()


def rule_of(credential: Credential) -> Rule:
    """The standing rule of a source."""
    return Rule(credential.clock, credential.clock_offset_s)


def apply(readings: Sequence[Reading], rule: Rule, *, arrived_at: datetime | None = None) -> None:
    """Dates what these statements mean by the rule. ``arrived_at``: when they first reached us, if not just now."""
    if not rule.changes:
        return
    for reading in readings:
        if rule.clock == Credential.Clock.ARRIVAL:
            reading.occurred_at = arrived_at or reading.stored
        elif "timestamp" in reading.statement:  # without one it is dated by our own clock
            reading.occurred_at += timedelta(seconds=rule.offset_s)


def keep(readings: Sequence[Reading], ids: Collection[UUID], rule: Rule, *, now: datetime) -> None:
    """Notes for those of these statements that were taken in how their events are dated."""
    if rule.changes:
        taken = set(ids)
        ClockCorrection.objects.bulk_create(
            [
                ClockCorrection(
                    statement_id=reading.id,
                    occurred_at=reading.occurred_at,
                    clock=rule.clock,
                    offset_s=rule.offset_s,
                    made_at=now,
                )
                for reading in readings
                if reading.id in taken and reading.derives
            ],
            update_conflicts=True,
            unique_fields=["statement_id"],
            update_fields=["occurred_at", "clock", "offset_s", "made_at"],
        )


def recall(readings: Sequence[Reading]) -> None:
    """Dates stored statements, read again, as was noted when they were taken in."""
    if not readings:
        return
    noted = dict(
        fetch(
            "SELECT statement_id, occurred_at FROM signals_clockcorrection WHERE statement_id = ANY($1)",
            [uuids([reading.id for reading in readings])],
        )
    )
    if noted:
        for reading in readings:
            reading.occurred_at = noted.get(reading.id, reading.occurred_at)


def set_rule(credential: Credential, rule: Rule) -> None:
    """Makes the rule the source's standing one, from now on."""
    Credential.objects.filter(pk=credential.pk).update(clock=rule.clock, clock_offset_s=rule.offset_s)
    credential.clock, credential.clock_offset_s = rule.clock, rule.offset_s


def forget(ids: Collection[UUID]) -> int:
    """How many notes about these statements were removed with them."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM signals_clockcorrection WHERE statement_id = ANY(%s)", [list(ids)])
        return int(cursor.rowcount)
