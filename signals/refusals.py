"""What was refused, counted by source, day and kind, so that nothing is lost unseen."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest

from signals.models import Credential
from signals.xapi.credentials import MayNot
from signals.xapi.faults import StatementConflict, StatementFaults
from signals.xapi.wire import BadRequest

WRITING = frozenset({"POST", "PUT"})


@contextmanager
def counted(request: HttpRequest, credential: Credential, *, now: datetime) -> Iterator[None]:
    """Counts it when what is sent is refused."""
    try:
        yield
    except StatementFaults as error:
        _count_if_sent(request, credential, kinds_of(error), now)
        raise
    except StatementConflict as error:
        _count_if_sent(request, credential, {"conflict": len(error.ids)}, now)
        raise
    except MayNot:
        _count_if_sent(request, credential, {"permission": 0}, now)
        raise
    except (BadRequest, RequestDataTooBig):
        _count_if_sent(request, credential, {"request": 0}, now)
        raise


def kinds_of(error: StatementFaults) -> dict[str, int]:
    """Kind → how many statements of the batch were faulty so; each counts under its first fault."""
    first = {fault.index: fault.kind for fault in reversed(error.faults)}
    return dict(Counter(first.values()))


def count(credential: Credential, kinds: Mapping[str, int], *, requests: int, now: datetime) -> None:
    """Adds ``requests`` and, per kind, that many statements to the day's counts."""
    names = sorted(kinds)  # one order for all writers
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO signals_refusal AS r (credential_id, day, kind, requests, statements, last_at)"
            " SELECT %s, %s, kind, %s, statements, %s FROM unnest(%s::text[], %s::bigint[]) n(kind, statements)"
            " ON CONFLICT (credential_id, day, kind) DO UPDATE SET requests = r.requests + excluded.requests,"
            " statements = r.statements + excluded.statements, last_at = greatest(r.last_at, excluded.last_at)",
            [
                credential.pk,
                now.astimezone(UTC).date(),
                requests,
                now,
                names,
                [kinds[name] for name in names],
            ],
        )


def _count_if_sent(
    request: HttpRequest, credential: Credential, kinds: Mapping[str, int], now: datetime
) -> None:
    if request.method not in WRITING:
        return
    try:
        with transaction.atomic():
            count(credential, kinds, requests=1, now=now)
    except DatabaseError:
        # The sender is told what is wrong in any case; that matters more than our own count of it.
        return
