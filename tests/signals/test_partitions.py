"""Months of events are made ahead, or when they are first needed."""

from datetime import UTC, date, datetime

import pytest

from signals import partitions
from signals.models import Event
from tests.support.signals import enrolled, make_credential, send, statement

pytestmark = pytest.mark.django_db


def test_it_makes_this_month_and_the_next_two_once() -> None:
    now = datetime(2031, 11, 30, tzinfo=UTC)

    first, second = partitions.make_ahead(now=now), partitions.make_ahead(now=now)

    assert (first, second) == (3, 0)
    assert {date(2031, 11, 1), date(2031, 12, 1), date(2032, 1, 1)} <= partitions.existing()


def test_it_makes_the_month_a_statement_needs() -> None:
    enrolled()

    send(statement(at=datetime(2013, 10, 5, tzinfo=UTC)), credential=make_credential().credential)

    assert Event.objects.get().occurred_at.year == 2013
    assert date(2013, 10, 1) in partitions.existing()


def test_it_gives_a_partition_every_index_of_the_table() -> None:
    from django.db import connection

    partitions.ensure([date(2030, 5, 1)])

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE tablename = 'signals_event_2030_05'")
        made = cursor.fetchone()[0]
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE tablename = 'signals_event'")
        assert made == cursor.fetchone()[0] == 4
