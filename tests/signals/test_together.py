"""Small posts stored together: each gets its own answer, and none spoils another's."""

import json
import threading
from collections.abc import Hashable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from signals.ingest import Ingested, StatementConflict, ingest
from signals.models import Credential, Event, Statement
from signals.together import Line
from tests.support.signals import enrolled, make_credential, statement

NOW = datetime(2025, 3, 3, 12, tzinfo=UTC)


class Slow:
    """Stores nothing; lets the first group wait until it may go on."""

    def __init__(self) -> None:
        self.groups: list[list[Any]] = []
        self.may_go_on = threading.Event()
        self.has_begun = threading.Event()

    def __call__(self, kind: Hashable, contents: Sequence[Any], now: datetime) -> Sequence[Any]:
        self.groups.append(list(contents))
        if len(self.groups) == 1:
            self.has_begun.set()
            self.may_go_on.wait(10)
        if "trouble" in contents:
            raise ValueError("trouble")
        return [f"{content} stored" for content in contents]


def join_all(line: Line[Any, Any], store: Slow, first: str, others: Sequence[str]) -> dict[str, Any]:
    """What each was told: the first goes ahead, and while it is stored the others come."""
    told: dict[str, Any] = {}

    def join(content: str) -> None:
        try:
            told[content] = line.join("kind", content, now=NOW)
        except ValueError as error:
            told[content] = error

    threads = [threading.Thread(target=join, args=(content,)) for content in (first, *others)]
    threads[0].start()
    store.has_begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(line._waiting.get("kind", ())) < len(others):
        threading.Event().wait(0.001)
    store.may_go_on.set()
    for thread in threads:
        thread.join(10)
    return told


def test_it_stores_together_what_came_meanwhile() -> None:
    store = Slow()
    line: Line[Any, Any] = Line(store)

    told = join_all(line, store, "a", ["b", "c", "d"])

    assert [sorted(group) for group in store.groups] == [["a"], ["b", "c", "d"]]
    assert told == {content: f"{content} stored" for content in "abcd"}
    assert not line._waiting


def test_it_sends_each_away_alone_where_the_group_met_trouble() -> None:
    store = Slow()
    line: Line[Any, Any] = Line(store)

    told = join_all(line, store, "a", ["b", "trouble"])

    assert told == {"a": "a stored", "b": None, "trouble": None}
    assert not line._waiting


def test_it_tells_one_alone_what_went_wrong() -> None:
    store = Slow()
    store.may_go_on.set()
    line: Line[Any, Any] = Line(store)

    with pytest.raises(ValueError, match="trouble"):
        line.join("kind", "trouble", now=NOW)

    assert line.join("kind", "next", now=NOW) == "next stored"


def post_all(posts: Sequence[list[dict[str, Any]]], credential: Credential) -> list[Ingested | Exception]:
    """What became of posts that arrive at the same moment."""
    found: dict[int, Ingested | Exception] = {}
    together = threading.Barrier(len(posts))

    def post(number: int) -> None:
        together.wait(10)
        try:
            items = [json.dumps(item).encode() for item in posts[number]]
            found[number] = ingest(items, credential=credential, now=NOW + timedelta(seconds=number))
        except Exception as error:
            found[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=post, args=(number,)) for number in range(len(posts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return [found[number] for number in range(len(posts))]


def said(**more: Any) -> dict[str, Any]:
    return statement(**{"id": str(uuid4()), **more})


@pytest.mark.django_db(transaction=True)
def test_it_stores_every_post_of_many_that_arrive_at_once() -> None:
    enrolled()
    credential = make_credential().credential
    posts = [[said() for _ in range(1 + number % 3)] for number in range(12)]

    outcomes = post_all(posts, credential)

    for sent, outcome in zip(posts, outcomes, strict=True):
        assert isinstance(outcome, Ingested)
        assert outcome.stored_ids == outcome.ids == [UUID(item["id"]) for item in sent]
    wanted = {UUID(item["id"]) for sent in posts for item in sent}
    assert set(Statement.objects.values_list("pk", flat=True)) == wanted
    events = list(Event.objects.all())
    assert {event.statement_id for event in events} == wanted
    assert sorted(event.known_seq for event in events) == list(range(1, len(wanted) + 1))


@pytest.mark.django_db(transaction=True)
def test_it_refuses_the_conflicting_post_alone() -> None:
    enrolled()
    credential = make_credential().credential
    taken = said()
    ingest([json.dumps(taken).encode()], credential=credential, now=NOW)
    other = {**taken, "verb": {"id": "http://adlnet.gov/expapi/verbs/failed"}}
    posts = [[said()], [other], [said()], [taken], [said()], [said(), said()]]

    outcomes = post_all(posts, credential)

    assert isinstance(outcomes[1], StatementConflict)
    assert isinstance(outcomes[3], Ingested)
    assert outcomes[3].duplicates == [UUID(taken["id"])]
    assert Statement.objects.count() == 1 + 5


@pytest.mark.django_db(transaction=True)
def test_it_dates_an_undated_statement_when_it_is_stored() -> None:
    enrolled()
    credential = make_credential().credential
    undated = said()
    undated.pop("timestamp", None)

    ingest([json.dumps(undated).encode()], credential=credential, now=NOW)

    assert Statement.objects.get().stored == Event.objects.get().occurred_at
