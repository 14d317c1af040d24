"""Employee numbers as names: the roster knows them, and statements can be about them.

A number that the roster has becomes an identifier (an account on EMPLOYEES) of that learner. One it has not yet is
awaited: as soon as somebody has it, ``name_awaited`` makes the identifier and what was parked becomes events.
"""

from collections.abc import Collection, Iterable
from datetime import date, datetime
from typing import Any

from django.db import connection, transaction

from learners.identity import canonical, employee_hash, identifier_hash
from learners.models import Identifier, Learner
from signals.models import AwaitedEmployee
from signals.sources.wording import EMPLOYEES


def numbers_in(agents: Iterable[dict[str, Any]]) -> set[str]:
    """The employee numbers among these agents."""
    return {
        agent["account"]["name"] for agent in agents if agent.get("account", {}).get("homePage") == EMPLOYEES
    }


def name_employees(numbers: Collection[str], *, now: datetime) -> None:
    """Makes known numbers identifiers of their learners, and awaits the others. Inside the import's transaction."""
    by_hash = {employee_hash(number): number for number in numbers}
    if not by_hash:
        return
    holders = {
        bytes(found or b""): pk
        for found, pk in Learner.objects.filter(
            employee_hash__in=by_hash, erased_at__isnull=True
        ).values_list("employee_hash", "pk")
    }
    _name({by_hash[found]: pk for found, pk in holders.items()}, now=now)
    AwaitedEmployee.objects.bulk_create(
        [
            AwaitedEmployee(employee_hash=found, number=number, since=now)
            for found, number in sorted(by_hash.items())
            if found not in holders
        ],
        ignore_conflicts=True,
    )


def name_awaited(*, now: datetime, limit: int = 500) -> int:
    """How many awaited numbers somebody has now."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.id, l.id FROM signals_awaitedemployee a"
            " JOIN learners_learner l ON l.employee_hash = a.employee_hash AND l.erased_at IS NULL"
            " ORDER BY a.id LIMIT %s FOR UPDATE OF a SKIP LOCKED",
            [limit],
        )
        found = dict(cursor.fetchall())
        rows = AwaitedEmployee.objects.in_bulk(found)
        _name({row.number: found[row.pk] for row in rows.values()}, now=now)
        AwaitedEmployee.objects.filter(pk__in=found).delete()
    return len(found)


def _name(holders: dict[str, Any], *, now: datetime) -> None:
    """Makes each number name its learner, and nobody who had it before."""
    values = {number: f"{EMPLOYEES}|{number}" for number in holders}
    hashes = {number: identifier_hash(canonical("account", value)) for number, value in values.items()}
    held = {
        bytes(row.hash): row
        for row in Identifier.objects.filter(hash__in=hashes.values(), valid_to__isnull=True).order_by("pk")
    }
    people = Learner.objects.in_bulk({*holders.values(), *(row.learner_id for row in held.values())})
    wanted = []
    for number, learner_id in sorted(holders.items()):
        begins: date | None = None
        row = held.get(hashes[number])
        if row is not None and row.learner_id == learner_id:
            continue
        if row is not None:  # the number was given to somebody else
            begins = _hand_over(people.get(row.learner_id), people.get(learner_id))
            if begins is None:  # nobody knows when: then whoever has it now always had it
                row.valid_from = row.valid_to = row.valid_from or now.date()
            else:
                row.valid_to = max(begins, row.valid_from or begins)
            row.save(update_fields=["valid_from", "valid_to"])
        wanted.append(
            Identifier(
                learner_id=learner_id,
                kind=Identifier.Kind.ACCOUNT,
                hash=hashes[number],
                value=values[number],
                valid_from=row.valid_to if row is not None and begins is not None else None,
            )
        )
    Identifier.objects.bulk_create(wanted, ignore_conflicts=True)


def _hand_over(old: Learner | None, new: Learner | None) -> date | None:
    """The day from which a number is the new one's, as far as anybody knows."""
    return (new.started_on if new else None) or (old.left_on if old else None)
