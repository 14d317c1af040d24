"""Writers about the same people at the same moment: they wait in one order, and who meets another tries again."""

import json
import threading
from typing import Any

import psycopg.errors
import pytest
from django.db import DataError, OperationalError, connection, transaction

from signals import partitions, store
from signals.ingest import Ingested, ingest
from signals.models import Event, Statement
from signals.xapi.consistency import WRITING
from tests.support.signals import (
    COURSE,
    NOW,
    account,
    enrolled,
    make_course,
    make_credential,
    make_enrolment,
    make_learner,
    send,
    statement,
)

pytestmark = pytest.mark.django_db(transaction=True)


def voiding_of(statement_id: str) -> dict[str, Any]:
    return statement("voided", object={"objectType": "StatementRef", "id": statement_id}, course=None)


def test_it_waits_for_a_voided_statements_enrolment_before_it_locks_any_other() -> None:
    course = make_course(COURSE)
    low, high = (make_learner(name) for name in ("one", "two"))
    first, second = make_enrolment(low, course), make_enrolment(high, course)
    credential = make_credential().credential
    taken_back = statement(actor=account("one"))
    send(taken_back, statement(actor=account("two")), credential=credential)
    batch = [statement(actor=account("two")), voiding_of(taken_back["id"])]
    outcome: list[Ingested] = []

    def write() -> None:
        try:
            items = [json.dumps(item).encode() for item in batch]
            outcome.append(ingest(items, credential=credential, now=NOW))
        finally:
            connection.close()

    writer = threading.Thread(target=write)
    with transaction.atomic():
        store.lock_marks({first.pk})
        writer.start()
        with connection.cursor() as cursor:
            while writer.is_alive() and not _somebody_waits(cursor):
                threading.Event().wait(0.01)
            # Whoever holds the lower mark gets the higher one at once; else the two wait for each other for ever.
            cursor.execute(
                "SELECT 1 FROM signals_enrolmentmark WHERE enrolment_id = %s FOR UPDATE NOWAIT", [second.pk]
            )
    writer.join(10)

    assert len(outcome) == 1
    assert Statement.objects.get(pk=taken_back["id"]).voided_at is not None


def _somebody_waits(cursor: Any) -> bool:
    cursor.execute(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    )
    return bool(cursor.fetchone()[0])


@pytest.mark.parametrize("count", [1, 150])
def test_it_tries_again_where_the_database_gave_it_up_for_another_writer(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrolled("one")
    write, tried = store.write_events, []

    def write_second_time(*arguments: Any, **more: Any) -> None:
        tried.append(arguments)
        if len(tried) == 1:
            raise OperationalError from psycopg.errors.DeadlockDetected()
        write(*arguments, **more)

    monkeypatch.setattr(store, "write_events", write_second_time)
    items = [json.dumps(statement(actor=account("one"))).encode() for _ in range(count)]

    taken = ingest(items, credential=make_credential().credential, now=NOW)

    assert len(tried) == 2
    assert len(taken.stored_ids) == Event.objects.count() == count


def _announced() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND pid = pg_backend_pid()",
            [WRITING],
        )
        return int(cursor.fetchone()[0])


def test_it_announces_what_is_stored_inside_a_transaction_until_that_is_over() -> None:
    with transaction.atomic():
        send(statement(), credential=make_credential().credential)
        assert _announced()

    assert not _announced()


def test_it_announces_nothing_any_more_once_a_transaction_around_it_has_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    credential = make_credential().credential

    def fail(months: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")

    monkeypatch.setattr(partitions, "ensure", fail)
    with pytest.raises(DataError), transaction.atomic():
        send(statement(), credential=credential)

    assert not _announced()
