"""What holds for every statement: it comes back as it was sent, and coming again changes nothing."""

import json
import random
import threading
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent.models import ConsentScope
from consent.scopes import LawfulBasis, Scope
from signals.models import EnrolmentMark, Event, Statement
from signals.xapi import credentials
from tests.support.signals import (
    COURSE,
    HOME,
    NOW,
    account,
    enrolled,
    headers_of,
    make_credential,
    send,
    statement,
)

URL = "/xapi/statements"
# PostgreSQL never sees these texts (they are encrypted), so nothing is left out but lone surrogates, which are no text.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
LANGUAGES = st.dictionaries(st.sampled_from(["en", "en-GB", "de-CH-1996", "zh-Hans"]), TEXT, max_size=2)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
IRIS = st.sampled_from(
    [COURSE, "https://lms.example.com/page/ä", "urn:uuid:1", "https://example.com/?q=a&b=c#d"]
)
EXTENSIONS = st.dictionaries(IRIS, JSON, max_size=2)
AGENTS = st.one_of(
    st.builds(
        lambda name, label: {"account": {"homePage": HOME, "name": name}, "name": label},
        st.sampled_from(["person-0001", "person-0002", "nobody-0001"]),
        TEXT,
    ),
    st.sampled_from(
        [
            {"mbox": "mailto:Someone@Example.com"},
            {"mbox_sha1sum": "ABCDEF0123456789abcdef0123456789abcdef01"},
            {"openid": "https://id.example.com/someone"},
        ]
    ),
)
GROUPS = st.builds(
    lambda members: {"objectType": "Group", "member": members}, st.lists(AGENTS, min_size=1, max_size=2)
)
ACTIVITIES = st.builds(
    lambda iri, name, extensions: {"id": iri, "definition": {"name": name, "extensions": extensions}},
    IRIS,
    LANGUAGES,
    EXTENSIONS,
)
SCORES = st.fixed_dictionaries({}, optional={"scaled": st.floats(-1, 1), "raw": st.floats(0, 100)})
RESULTS = st.fixed_dictionaries(
    {},
    optional={
        "score": SCORES,
        "success": st.booleans(),
        "completion": st.booleans(),
        "response": TEXT,
        "duration": st.sampled_from(["PT1H", "P1DT0.5S", "P3W", "PT0S"]),
        "extensions": EXTENSIONS,
    },
)
CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "registration": st.uuids().map(str),
        "instructor": AGENTS,
        "language": st.sampled_from(["en", "de-CH"]),
        "contextActivities": st.fixed_dictionaries(
            {},
            optional={name: st.lists(ACTIVITIES, max_size=2) for name in ("parent", "grouping", "category")},
        ),
        "extensions": EXTENSIONS,
    },
)
TIMES = st.sampled_from(
    ["2026-02-01T10:00:00Z", "2026-01-31T23:59:59.9999999+14:00", "2026-03-02T09:00:00.123Z"]
)
STATEMENTS = st.fixed_dictionaries(
    {
        "actor": AGENTS | GROUPS,
        "verb": st.builds(
            lambda iri, display: {"id": iri, "display": display},
            st.sampled_from(
                [
                    "http://adlnet.gov/expapi/verbs/scored",
                    "http://adlnet.gov/expapi/verbs/passed",
                    "urn:own:verb",
                ]
            ),
            LANGUAGES,
        ),
        "object": ACTIVITIES | AGENTS.map(lambda agent: {"objectType": "Agent", **agent}),
    },
    optional={"result": RESULTS, "context": CONTEXTS, "timestamp": TIMES},
)
UNHURRIED = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.slow
@pytest.mark.django_db
@UNHURRIED
@given(sent=STATEMENTS)
def test_it_gives_every_statement_back_as_it_came_and_takes_it_once(sent: dict[str, Any]) -> None:
    credentials.forget()
    sent["id"] = str(uuid4())  # the examples share a database: drawn ids would meet again with other content
    made = make_credential()
    _people()
    client = Client()
    body = json.dumps(sent).encode()

    first = client.post(URL, body, content_type="application/json", headers=headers_of(made))
    counted = _counts()
    again = client.post(URL, body, content_type="application/json", headers=headers_of(made))
    answer = client.get(URL, {"statementId": sent["id"]}, headers=headers_of(made))

    assert first.status_code == again.status_code == 200, first.content
    assert first.json() == again.json() == [sent["id"]]
    assert _counts() == counted
    back = answer.json()
    assert {name: back[name] for name in sent} == sent
    assert set(back) - set(sent) <= {"timestamp", "stored", "authority", "version"}


def _people() -> None:
    from learners.models import Learner

    if not Learner.objects.exists():
        enrolled("person-0001")
        enrolled("person-0002")


def _counts() -> tuple[int, int, list[int]]:
    return (
        Statement.objects.count(),
        Event.objects.count(),
        [*EnrolmentMark.objects.order_by("pk").values_list("known_seq", flat=True)],
    )


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_stores_each_statement_once_under_sixteen_writers() -> None:
    # An earlier test that really committed has emptied the tables that migrations fill.
    ConsentScope.objects.get_or_create(
        key=Scope.RECORD,
        defaults={"name": "Record", "lawful_basis": LawfulBasis.LEGITIMATE_INTEREST, "retention_days": 30},
    )
    enrolments = [enrolled(f"person-{number:04d}") for number in range(8)]
    credential = make_credential().credential
    send(
        statement(actor=account("person-0000"), at=NOW), credential=credential
    )  # makes the month's partition
    sent = [statement(actor=account(f"person-{number % 8:04d}"), at=NOW) for number in range(160)]
    stored: list[Any] = []
    failed: list[BaseException] = []
    ready = threading.Barrier(16)

    def write(number: int) -> None:
        draw = random.Random(number)
        try:
            ready.wait()
            for _ in range(6):
                stored.extend(send(*draw.sample(sent, 40), credential=credential).stored_ids)
            if number == 0:
                stored.extend(send(*sent, credential=credential).stored_ids)
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    try:
        assert not failed
        assert sorted(map(str, stored)) == sorted(item["id"] for item in sent)
        assert Statement.objects.count() == Event.objects.count() == len(sent) + 1
        for enrolment in enrolments:
            numbers = sorted(
                Event.objects.filter(enrolment_id=enrolment.pk).values_list("known_seq", flat=True)
            )
            assert numbers == list(range(1, len(numbers) + 1))
    finally:
        # Django empties only the tables it manages.
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE signals_event")
