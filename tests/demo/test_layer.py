"""The made-up layer of the sample: also what goes wrong in it."""

from datetime import UTC, datetime, timedelta

import pytest

from coaching.demo.endpoint import Endpoint
from coaching.demo.layer import layer
from signals import quarantine

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
STARTS_ON = (NOW - timedelta(days=60)).date()
PEOPLE = range(40)


def test_it_sends_each_day_once() -> None:
    whole = layer(PEOPLE, starts_on=STARTS_ON, first=0, last=60)
    daily = [one for day in range(61) for one in layer(PEOPLE, starts_on=STARTS_ON, first=day, last=day)]

    assert sorted(whole) == sorted(daily)


@pytest.mark.django_db(transaction=True)
def test_it_leaves_two_faulty_statements_waiting_however_often_it_is_sent() -> None:
    endpoint = Endpoint("Sample organisation", NOW)

    for _ in range(2):
        endpoint.send(layer(PEOPLE, starts_on=STARTS_ON, first=0, last=60))

    assert sorted(quarantine.waiting().values()) == [1, 1]
