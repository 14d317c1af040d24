"""What a source bound to a unit may void: its own statements and those about its people, nobody else's."""

import json
from typing import Any

import pytest
from django.test import Client

from learners.models import OrgUnit
from signals import quarantine
from signals.models import Event, Quarantined, Statement
from signals.quarantine import Mend
from signals.xapi import credentials
from tests.support.signals import NOW, account, enrolled, headers_of, make_credential, send, statement

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    credentials.forget()


@pytest.fixture
def depot() -> credentials.NewCredential:
    unit = OrgUnit.objects.create(code="depot", name="Depot")
    learner = enrolled("insider").learner
    learner.unit = unit
    learner.save(update_fields=["unit"])
    enrolled("outsider")
    return credentials.create(name="depot", permissions=["write", "bulk"], now=NOW, unit=unit)


def voiding_of(sent: dict[str, Any]) -> dict[str, Any]:
    return statement("voided", object={"objectType": "StatementRef", "id": sent["id"]}, course=None)


def is_void(sent: dict[str, Any]) -> bool:
    return Statement.objects.get(pk=sent["id"]).voided_at is not None


@pytest.mark.parametrize("name", ["outsider", "nobody-known"])
def test_it_may_not_void_what_another_source_said_about_others(
    client: Client, depot: credentials.NewCredential, name: str
) -> None:
    sent = statement(actor=account(name))
    send(sent, credential=make_credential().credential)

    answer = client.post(
        "/xapi/statements",
        json.dumps(voiding_of(sent)),
        content_type="application/json",
        headers=headers_of(depot),
    )

    assert answer.status_code == 403
    assert not is_void(sent)
    assert Statement.objects.count() == 1
    assert not Event.objects.filter(voided_seq__isnull=False).exists()


def test_it_voids_its_own_and_what_is_about_its_people(depot: credentials.NewCredential) -> None:
    about_its_people, its_own = statement(actor=account("insider")), statement(actor=account("nobody-known"))
    send(about_its_people, credential=make_credential().credential)
    send(its_own, credential=depot.credential)

    send(voiding_of(about_its_people), voiding_of(its_own), credential=depot.credential)

    assert is_void(about_its_people)
    assert is_void(its_own)


def test_it_lets_such_a_voiding_wait_in_bulk_until_somebody_allows_it(
    depot: credentials.NewCredential,
) -> None:
    sent = statement(actor=account("outsider"))
    send(sent, credential=make_credential().credential)

    taken = send(voiding_of(sent), credential=depot.credential, bulk=True)

    assert (len(taken.quarantined), taken.ids) == (1, [])
    assert not is_void(sent)
    row = Quarantined.objects.get()
    assert not quarantine.requeue(row, now=NOW).taken_in
    assert quarantine.requeue(row, now=NOW, mend=Mend(accepts_outsiders=True)).taken_in
    assert is_void(sent)
