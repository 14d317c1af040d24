"""Statements about statements: a filter that one meets finds the ones about it too (xAPI 1.0.3 Communication 2.1.3).

So that a query need not walk from statement to statement, each link holds the search keys of everything it is about,
put together when the second of the two comes in.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import connection, transaction

from consent.arrays import fetch, uuids

if TYPE_CHECKING:
    from signals.reading import Reading

MOST_STEPS = 20  # how far a chain of statements about statements is followed
LATE_FOR = timedelta(days=1)


def connect(readings: Sequence["Reading"]) -> None:
    """Takes up the links of and to these new statements. In the transaction that stores them."""
    about = [reading for reading in readings if reading.refers is not None]
    changed: set[UUID] = set()
    if about:
        _insert(about)
        changed = _fill([reading.id for reading in about])
    changed |= _awaited([reading.id for reading in readings])
    _pass_on(changed)


def _insert(about: Iterable["Reading"]) -> None:
    from signals.models import StatementLink

    StatementLink.objects.bulk_create(
        [
            StatementLink(statement_id=reading.id, target=reading.refers, stored=reading.stored)
            for reading in sorted(about, key=lambda reading: reading.id)
            if reading.refers is not None
        ],
        ignore_conflicts=True,
    )


def _fill(ids: Collection[UUID]) -> set[UUID]:
    """Those of these links whose keys are others now than they were."""
    if not ids:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH wanted AS ("
            "  SELECT l.statement_id AS id, (SELECT array_agg(DISTINCT key ORDER BY key)"
            "    FROM unnest(s.search_keys || t.search_keys || coalesce(further.keys, '{}')) key) AS keys"
            "  FROM signals_statementlink l"
            "  JOIN signals_statement s ON s.id = l.statement_id"
            "  JOIN signals_statement t ON t.id = l.target"
            "  LEFT JOIN signals_statementlink further ON further.statement_id = l.target"
            "  WHERE l.statement_id = ANY(%s) ORDER BY l.statement_id FOR UPDATE OF l)"
            " UPDATE signals_statementlink l SET keys = wanted.keys FROM wanted"
            " WHERE l.statement_id = wanted.id AND l.keys IS DISTINCT FROM wanted.keys RETURNING l.statement_id",
            [list(ids)],
        )
        return {row[0] for row in cursor.fetchall()}


def _awaited(ids: Sequence[UUID]) -> set[UUID]:
    """The links that waited for one of these statements and now have their keys."""
    rows = fetch(
        "SELECT statement_id FROM signals_statementlink WHERE keys IS NULL AND target = ANY($1)", [uuids(ids)]
    )
    return _fill([row[0] for row in rows])


def _pass_on(changed: set[UUID]) -> None:
    """Lets links about these links know of their new keys, and so on. A circle ends: nothing changes any more."""
    for _ in range(MOST_STEPS):
        if not changed:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT statement_id FROM signals_statementlink WHERE target = ANY(%s)", [list(changed)]
            )
            about = {row[0] for row in cursor.fetchall()}
        changed = _fill(about)


def settle_late(*, now: datetime, limit: int = 500) -> int:
    """How many links got their keys that met their target while both were on their way in.

    Two transactions that commit at the same moment do not see each other; the beat does, a little later.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT l.statement_id FROM signals_statementlink l"
                " JOIN signals_statement t ON t.id = l.target"
                " WHERE l.keys IS NULL AND (l.stored >= %s OR t.stored >= %s) ORDER BY l.statement_id LIMIT %s",
                [now - LATE_FOR, now - LATE_FOR, limit],
            )
            late = {row[0] for row in cursor.fetchall()}
        filled = _fill(late)
        _pass_on(filled)
    return len(filled)
