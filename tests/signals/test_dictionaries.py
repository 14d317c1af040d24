"""Learned compression dictionaries: what they save, whom they do not name, and that they stay."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from signals import dictionaries
from signals.ingest import ingest
from signals.models import Credential, Dictionary, Statement
from signals.xapi import bodies
from tests.support.signals import make_credential

NOW = datetime(2025, 3, 3, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    bodies.forget()
    yield
    bodies.forget()


@pytest.fixture
def credential() -> Credential:
    return make_credential().credential


def statement(number: int) -> bytes:
    return json.dumps(
        {
            "id": str(UUID(int=number + (4 << 76) + (8 << 60))),
            "actor": {
                "name": "Wilhelmina Brandt",
                "account": {"homePage": "https://hr.example.com", "name": f"pupil-{number * 7919:09d}"},
            },
            "verb": {"id": "http://adlnet.gov/expapi/verbs/experienced"},
            "object": {
                "id": f"https://lms.example.com/very/deep/path/to/site/{number % 9}",
                "definition": {"name": {"en": f"Orchard keeping, part {number % 9}"}},
            },
            "result": {
                "response": "my own secret words",
                "extensions": {"https://example.com/x/mood": "quite gloomy"},
            },
            "timestamp": "2025-03-01T10:20:30Z",
        }
    ).encode()


def fill(credential: Credential, *, first: int = 0, count: int = 400) -> None:
    ingest(
        [statement(number) for number in range(first, first + count)],
        credential=credential,
        now=NOW,
        bulk=True,
    )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dictionaries, "FIRST_AT", 400)


@pytest.mark.usefixtures("small")
def test_it_compresses_what_comes_next_by_what_came_before(credential: Credential) -> None:
    fill(credential)

    learned = dictionaries.learn(now=NOW)
    fill(credential, first=1000, count=1)

    rows = {row.pk.int & 0xFFFF: bytes(row.body) for row in Statement.objects.all()}
    assert learned == 1
    assert len(rows[1000]) < 0.75 * len(rows[399])


@pytest.mark.usefixtures("small")
def test_it_still_reads_what_was_stored_under_each_dictionary(credential: Credential) -> None:
    fill(credential)
    dictionaries.learn(now=NOW)
    fill(credential, first=1000, count=5)
    bodies.forget()

    read = {bodies.unseal(bytes(row.body)).raw for row in Statement.objects.all()}

    assert read == {statement(number) for number in (*range(400), *range(1000, 1005))}


@pytest.mark.usefixtures("small")
def test_it_learns_once_until_the_store_has_grown_tenfold(credential: Credential) -> None:
    fill(credential)
    dictionaries.learn(now=NOW)

    assert dictionaries.learn(now=NOW) == 0
    assert Dictionary.objects.count() == 1


def test_it_waits_until_there_is_enough_to_learn_from(credential: Credential) -> None:
    fill(credential)

    assert dictionaries.learn(now=NOW) == 0
    assert not Dictionary.objects.exists()


@pytest.mark.usefixtures("small")
def test_it_keeps_a_dictionary_encrypted(credential: Credential) -> None:
    fill(credential)
    dictionaries.learn(now=NOW)

    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT content FROM signals_dictionary")
        stored = bytes(cursor.fetchone()[0])

    assert b"example" not in stored
    assert stored[:1] == b"\x01"


def test_its_samples_name_nobody_and_quote_nobody() -> None:
    raws = [statement(number) for number in range(200)]
    agents: list[dict[str, Any]] = [
        {"mbox": "mailto:wilhelmina@example.com"},
        {"openid": "https://wilhelmina.example.com"},
    ]
    raws += [
        json.dumps(
            {
                "actor": {"objectType": "Group", "name": "Brandt's team", "member": agents},
                "verb": {"id": "http://adlnet.gov/expapi/verbs/commented"},
                "object": {"objectType": "Agent", **agent},
                "context": {"instructor": agent, "registration": str(UUID(int=77))},
            }
        ).encode()
        for agent in agents
    ]
    raws.append(
        json.dumps(
            {
                "actor": agents[0],
                "verb": {"id": "http://adlnet.gov/expapi/verbs/experienced"},
                "object": {
                    "id": "https://lms.example.com/profile/wilhelmina",
                    "definition": {"name": {"en": "Wilhelmina's page"}},
                },
            }
        ).encode()
    )

    text = b"".join(dictionaries.without_people(raws)).lower()

    for private in (
        b"wilhelmina",
        b"brandt",
        b"secret words",
        b"gloomy",
        b"pupil-000",
        str(UUID(int=77)).encode(),
    ):
        assert private not in text
    assert b"orchard keeping, part 3" in text
    assert b'"name": "pupil-' in text


@pytest.mark.usefixtures("small")
def test_it_never_loses_a_dictionary(credential: Credential) -> None:
    fill(credential)
    dictionaries.learn(now=NOW)

    with pytest.raises(DatabaseError, match="A dictionary stays"), transaction.atomic():
        Dictionary.objects.all().delete()
    with pytest.raises(DatabaseError, match="A dictionary stays"), transaction.atomic():
        Dictionary.objects.update(number=99)


@pytest.mark.parametrize("number", [15, 256])
def test_it_refuses_a_number_that_is_not_its_own(number: int) -> None:
    with pytest.raises(IntegrityError, match="a_dictionary_number_is_one_byte"), transaction.atomic():
        Dictionary.objects.create(number=number, content="", in_use=False, statements=1, made_at=NOW)
