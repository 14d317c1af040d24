"""PyPI's tincan, a client that people really use, unchanged against the record store."""

from typing import Any
from uuid import uuid4

import pytest
import tincan

from signals.xapi import credentials, definitions
from tests.support.signals import make_credential

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
PAGE = "https://lms.example.com/page/1"


@pytest.fixture
def lrs(live_server: Any) -> tincan.RemoteLRS:
    credentials.forget()
    definitions.forget()
    made = make_credential()
    return tincan.RemoteLRS(
        endpoint=f"{live_server.url}/xapi/", username=made.key, password=made.secret, version="1.0.1"
    )


def person() -> tincan.Agent:
    account = tincan.AgentAccount(home_page="https://lms.example.com", name="person-0001")
    return tincan.Agent(account=account)


def experienced() -> tincan.Statement:
    return tincan.Statement(
        id=uuid4(),
        actor=person(),
        verb=tincan.Verb(id="http://adlnet.gov/expapi/verbs/experienced"),
        object=tincan.Activity(id=PAGE, definition=tincan.ActivityDefinition(name={"en": "Page"})),
    )


def test_it_serves_tincans_statements(lrs: tincan.RemoteLRS) -> None:
    sent = [experienced() for _ in range(3)]

    assert "1.0.3" in lrs.about().content.version
    assert lrs.save_statement(sent[0]).success
    assert lrs.save_statements(sent[1:]).success
    assert lrs.retrieve_statement(sent[0].id).content.actor.account.name == "person-0001"
    page = lrs.query_statements({"agent": person(), "limit": 2, "ascending": True}).content
    rest = lrs.more_statements(page.more).content
    assert [one.id for one in (*page.statements, *rest.statements)] == [one.id for one in sent]


def test_it_serves_tincans_documents(lrs: tincan.RemoteLRS) -> None:
    activity = tincan.Activity(id=PAGE)
    state = tincan.StateDocument(
        activity=activity, agent=person(), id="bookmark", content=bytearray(b'{"page": 1}')
    )
    profile = tincan.ActivityProfileDocument(
        activity=activity, id="settings", content=bytearray(b"one"), content_type="text/plain"
    )

    assert lrs.save_state(state).success
    assert lrs.retrieve_state(activity, person(), "bookmark").content.content == b'{"page": 1}'
    assert lrs.retrieve_state_ids(activity, person()).content == ["bookmark"]
    assert lrs.delete_state(state).success
    assert lrs.save_activity_profile(profile).success
    answer = lrs.retrieve_activity_profile(activity, "settings")
    seen = answer.content
    seen.etag = answer.response.getheader("ETag")  # the client itself looks for it in the wrong place
    seen.content = bytearray(b"two")
    assert lrs.save_activity_profile(seen).success
    stale = lrs.save_activity_profile(seen)  # its tag is that of the first content
    assert not stale.success
    assert stale.response.status == 412
