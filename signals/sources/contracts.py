"""Is every source as agreed? Compares data contracts with what came; a breach is a row, and is told once.

The record store's own credentials are counted by their statements, other sources by their import runs.
"""

import logging
import smtplib
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connection, transaction
from django.db.models import Max, Sum

from signals.models import ContractBreach, DataContract, ImportRun
from signals.quality.alerts import recipients

log = logging.getLogger(__name__)

Kind = ContractBreach.Kind


class Came(NamedTuple):
    """What came of one source in a contract's period."""

    last_at: datetime | None
    rows: int
    refused: int
    missing_columns: list[str]


def check(*, now: datetime) -> int:
    """How many breaches were opened or closed, and how many alerts were sent. A stage."""
    moved = 0
    for contract in DataContract.objects.filter(is_active=True, starts_at__lte=now).order_by("pk"):
        found = breaches_of(contract, came(contract, now=now), now=now)
        moved += _open(contract, found, now=now) + _close(contract, found, now=now)
    moved += ContractBreach.objects.open().filter(contract__is_active=False).update(closed_at=now)
    return moved + alert(now=now)


def came(contract: DataContract, *, now: datetime) -> Came:
    """What came of the contract's source until now."""
    since = max(now - timedelta(days=contract.period_days), contract.starts_at)
    if contract.credential_id is not None:
        return _of_credential(contract, since, now)
    runs = ImportRun.objects.filter(source=contract.source, started_at__lte=now)
    if contract.feed_id is not None:
        runs = runs.filter(feed=contract.feed_id)
    sums = runs.filter(started_at__gt=since).aggregate(
        new=Sum("new"),
        same=Sum("same"),
        changed=Sum("changed"),
        refused=Sum("refused"),
        held=Sum("quarantined"),
    )
    counted = {name: value or 0 for name, value in sums.items()}
    # What says the same as before is still a sign of life, but no new row.
    taken = counted["new"] + counted["changed"]
    last = runs.filter(finished_at__isnull=False).order_by("-started_at", "-pk").first()
    sound = runs.filter(finished_at__isnull=False, missing_columns=[])
    return Came(
        last_at=sound.aggregate(at=Max("started_at"))["at"],
        rows=taken,
        refused=counted["refused"] + counted["held"],
        missing_columns=list(last.missing_columns) if last is not None else [],
    )


def _of_credential(contract: DataContract, since: datetime, now: datetime) -> Came:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max(stored), count(*) FROM signals_statement"
            " WHERE credential_id = %s AND stored > %s AND stored <= %s",
            [contract.credential_id, since, now],
        )
        last_at, rows = cursor.fetchone()
        cursor.execute(
            "SELECT count(*) FROM signals_quarantined"
            " WHERE credential_id = %s AND received_at > %s AND received_at <= %s",
            [contract.credential_id, since, now],
        )
        (refused,) = cursor.fetchone()
    return Came(last_at, rows, refused, [])


def breaches_of(contract: DataContract, came: Came, *, now: datetime) -> dict[str, str]:
    """Kind → a sentence, for each way in which what came is not as agreed. Needs no database."""
    found: dict[str, str] = {}
    name = contract.name
    if contract.fresh_hours is not None:
        since = max(came.last_at or contract.starts_at, contract.starts_at)
        if now - since > timedelta(hours=contract.fresh_hours):
            last = (
                f"the last came on {came.last_at:%-d %B at %H:%M} UTC" if came.last_at else "none ever came"
            )
            hours = "an hour" if contract.fresh_hours == 1 else f"{contract.fresh_hours} hours"
            found[Kind.FRESHNESS] = f"{name}: nothing new for more than {hours} ({last})."
    days = contract.period_days
    is_whole = now - contract.starts_at >= timedelta(days=days)
    if contract.least_rows is not None and came.rows < contract.least_rows and is_whole:
        found[Kind.TOO_FEW] = (
            f"{name}: {came.rows:,} rows in {_days(days)}, where at least {contract.least_rows:,} were agreed."
        )
    if contract.most_rows is not None and came.rows > contract.most_rows:
        found[Kind.TOO_MANY] = (
            f"{name}: {came.rows:,} rows in {_days(days)}, where at most {contract.most_rows:,} were agreed."
        )
    total = came.rows + came.refused
    if came.missing_columns:
        # A file that could not be read at all has the reason there, in words; names of columns have no spaces.
        is_unreadable = any(" " in column for column in came.missing_columns)
        what = f"was refused ({came.missing_columns[0]})" if is_unreadable else None
        found[Kind.SCHEMA] = f"{name}: the last file {what or 'lacks ' + ', '.join(came.missing_columns)}."[
            :500
        ]
    elif total and came.refused / total > contract.most_refused:
        found[Kind.SCHEMA] = (
            f"{name}: {came.refused:,} of {total:,} rows in {_days(days)} could not be taken in"
            f" (at most {contract.most_refused:.0%} was agreed)."
        )
    return found


def _days(days: int) -> str:
    return "a day" if days == 1 else f"{days} days"


def _open(contract: DataContract, found: dict[str, str], *, now: datetime) -> int:
    open_now = {breach.kind: breach for breach in ContractBreach.objects.open().filter(contract=contract)}
    new = [
        ContractBreach(contract=contract, kind=kind, sentence=sentence[:500], opened_at=now)
        for kind, sentence in found.items()
        if kind not in open_now
    ]
    made = ContractBreach.objects.bulk_create(new, ignore_conflicts=True)
    for kind, breach in open_now.items():
        if kind in found and breach.sentence != found[kind][:500]:
            breach.sentence = found[kind][:500]  # its numbers go on
            breach.save(update_fields=["sentence"])
    return len(made)


def _close(contract: DataContract, found: Collection[str], *, now: datetime) -> int:
    return (
        ContractBreach.objects.open().filter(contract=contract).exclude(kind__in=found).update(closed_at=now)
    )


def alert(*, now: datetime) -> int:
    """How many open breaches were told of, in one message and each once. With nobody to tell they wait."""
    with transaction.atomic():
        waiting = list(
            ContractBreach.objects.open()
            .select_for_update(skip_locked=True)
            .filter(alerted_at__isnull=True)
            .order_by("opened_at", "pk")
        )
        to = recipients()
        if not waiting or not to:
            return 0
        # Told first, and taken back if the mail server refuses: rather late than twice.
        claimed = [breach.pk for breach in waiting]
        ContractBreach.objects.filter(pk__in=claimed).update(alerted_at=now)
    try:
        _message(waiting, to).send()
    except (OSError, smtplib.SMTPException) as fault:
        log.warning("no alert of %d contract breaches: %s", len(claimed), type(fault).__name__)
        ContractBreach.objects.filter(pk__in=claimed).update(alerted_at=None)
        return 0
    return len(claimed)


def _message(breaches: list[ContractBreach], to: list[str]) -> EmailMessage:
    count = len(breaches)
    return EmailMessage(
        subject=f"Rekindle: {'a source is' if count == 1 else f'{count} things are'} not as agreed",
        body="\n".join(
            [
                *(breach.sentence for breach in breaches),
                "",
                f"What was agreed, and with whom: {settings.PUBLIC_URL}/admin/signals/contractbreach/",
            ]
        ),
        bcc=to,
        headers={"Auto-Submitted": "auto-generated"},
    )
